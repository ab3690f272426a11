package bankassist;

import java.io.FileNotFoundException;
import java.net.URLEncoder;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/** Documents in, and what became of them. The key needs the scopes {@code ingest} and {@code documents}. */
public final class DocumentService {
    private static final Duration FIRST_LOOK = Duration.ofMillis(100);
    private static final Duration LONGEST_PAUSE = Duration.ofSeconds(2);

    private final Connection connection;

    public DocumentService(Connection connection) {
        this.connection = connection;
    }

    /** A file to upload: its name, whose ending says what it is, and its content. */
    public record Upload(String name, BodyPublisher content) {
        /** A file on disk, read while it is sent. */
        public static Upload of(Path file) throws FileNotFoundException {
            return new Upload(file.getFileName().toString(), BodyPublishers.ofFile(file));
        }

        public static Upload of(String name, byte[] content) {
            return new Upload(name, BodyPublishers.ofByteArray(content));
        }
    }

    private record Accepted(String jobId) {}

    private record Withdrawn(String documentId, int versionsWithdrawn) {}

    /**
     * Hand files over and return the id of the job that takes them in.
     *
     * <p>Repeated where no reply came, which makes no second job: see {@link #upload(String, Metadata, Upload...)}.
     */
    public String upload(Metadata metadata, Upload... files) {
        return upload(UUID.randomUUID().toString(), metadata, files);
    }

    /**
     * Hand files over under a key of the caller's own: the same files with the same key are one job, however often they are sent and whatever became of the
     * replies. For a program that may have to begin again and keeps the key beside what it has to hand over.
     *
     * @param key 1 to 255 visible characters of ASCII; other files need another one, or the service refuses them ({@code idempotency_key_reused})
     */
    public String upload(String key, Metadata metadata, Upload... files) {
        String boundary = "bankassist-" + UUID.randomUUID();
        List<BodyPublisher> parts = new ArrayList<>();
        parts.add(text("--" + boundary + "\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n" + Json.write(Records.write(metadata)) + "\r\n"));
        for (Upload file : files) {
            // quotes and line breaks as browsers write them (HTML, 4.10.21.8)
            String name = file.name.replace("\"", "%22").replace("\r", "%0D").replace("\n", "%0A");
            parts.add(text("--" + boundary + "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + name
                    + "\"\r\nContent-Type: application/octet-stream\r\n\r\n"));
            parts.add(file.content);
            parts.add(text("\r\n"));
        }
        parts.add(text("--" + boundary + "--\r\n"));
        BodyPublisher body = BodyPublishers.concat(parts.toArray(BodyPublisher[]::new));
        try {
            return connection.post("/v1/documents", "multipart/form-data; boundary=" + boundary, body, Accepted.class, key).jobId();
        } catch (BankassistException.Unreachable lost) {
            throw lost.perhapsDone() ? why(lost) : lost;
        }
    }

    /** The service refuses a large upload by a wrong key before it is read, and the JDK's client then loses the reply: it is asked for once more. */
    private BankassistException why(BankassistException.Unreachable lost) {
        try {
            if (!connection.me().scopes().contains("ingest")) {
                return new BankassistException.Refused(403, "missing_scope", null, "this key has not the scope 'ingest'", null, null);
            }
            return lost;
        } catch (BankassistException.Refused refused) {
            return refused.status() == 401 ? refused : lost;
        } catch (BankassistException other) {
            return lost;
        }
    }

    /** A job as it is now. */
    public Job job(String id) {
        return connection.get("/v1/jobs/" + segment(id), Job.class);
    }

    /**
     * A job when it is over, or as it is when the time is.
     *
     * @param most how long to wait
     */
    public Job await(String id, Duration most) {
        Deadline deadline = new Deadline(most);
        Duration pause = FIRST_LOOK;
        Job job = job(id);
        while (!job.isOver() && pause.compareTo(deadline.left()) < 0) {
            try {
                Thread.sleep(pause.toMillis());
            } catch (InterruptedException interrupted) {
                Thread.currentThread().interrupt();
                throw new BankassistException.Cancelled(interrupted);
            }
            pause = pause.multipliedBy(2).compareTo(LONGEST_PAUSE) < 0 ? pause.multipliedBy(2) : LONGEST_PAUSE;
            job = job(id);
        }
        return job;
    }

    private record Jobs(List<Job> jobs) {}

    /** This key's newest jobs. */
    public List<Job> jobs() {
        return connection.get("/v1/jobs", Jobs.class).jobs();
    }

    /** A page of the documents that the key may read; {@code cursor} is empty at first, then the page's {@code nextCursor}. */
    public Document.Page documents(String cursor) {
        return connection.get("/v1/documents?cursor=" + segment(cursor), Document.Page.class);
    }

    public Document document(String id) {
        return connection.get("/v1/documents/" + segment(id), Document.class);
    }

    /** The text that a citation points into. */
    public Document.Text text(Answer.Citation citation) {
        String version = "/v1/documents/" + segment(citation.documentId()) + "/versions/" + citation.version();
        return connection.get(version + "/text?start=" + citation.start() + "&end=" + citation.end(), Document.Text.class);
    }

    /** Take a document out of every answer at once; returns how many versions that were. */
    public int withdraw(String id) {
        return connection.post("/v1/documents/" + segment(id) + "/withdraw", Map.of(), Withdrawn.class, false).versionsWithdrawn();
    }

    private static BodyPublisher text(String text) {
        return BodyPublishers.ofString(text, StandardCharsets.UTF_8);
    }

    private static String segment(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
    }
}
