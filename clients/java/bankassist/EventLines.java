package bankassist;

import java.io.ByteArrayOutputStream;
import java.net.http.HttpResponse.BodySubscriber;
import java.net.http.HttpResponse.BodySubscribers;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;

/**
 * The lines of a body as they arrive. It is cut at line breaks before it is decoded, so that a character that comes in two pieces stays whole. A line longer
 * than {@link #LONGEST} is none of ours.
 */
final class EventLines implements BodySubscriber<EventLines> {
    private static final int LONGEST = 16 * 1024 * 1024;
    /** What follows the last line of a body that ended as it should. */
    static final Object END = new Object();

    /** Lines as strings, then {@link #END} or what broke the body off. */
    final BlockingQueue<Object> arrived = new LinkedBlockingQueue<>();

    private final ByteArrayOutputStream partial = new ByteArrayOutputStream();
    private Flow.Subscription subscription;
    private boolean closed;
    private String problem;

    /** For a response that is no stream: its body is {@link #toString()}. */
    static BodySubscriber<EventLines> ofProblem() {
        return BodySubscribers.mapping(BodySubscribers.ofString(StandardCharsets.UTF_8), body -> {
            EventLines lines = new EventLines();
            lines.problem = body;
            return lines;
        });
    }

    @Override
    public String toString() {
        return problem;
    }

    /** Drop the connection; nothing happens where the body has ended. */
    synchronized void close() {
        closed = true;
        if (subscription != null) {
            subscription.cancel();
        }
    }

    @Override
    public CompletionStage<EventLines> getBody() {
        return CompletableFuture.completedFuture(this);
    }

    @Override
    public synchronized void onSubscribe(Flow.Subscription given) {
        subscription = given;
        if (closed) {
            given.cancel();
        } else {
            given.request(Long.MAX_VALUE); // an answer is small, and the call's time is limited
        }
    }

    @Override
    public void onNext(List<ByteBuffer> buffers) {
        for (ByteBuffer buffer : buffers) {
            while (buffer.hasRemaining()) {
                byte next = buffer.get();
                if (next != '\n') {
                    partial.write(next);
                    continue;
                }
                String line = partial.toString(StandardCharsets.UTF_8);
                partial.reset();
                arrived.add(line.endsWith("\r") ? line.substring(0, line.length() - 1) : line);
            }
        }
        if (partial.size() > LONGEST) {
            arrived.add(new BankassistException.BadReply("a line of the stream has more than " + LONGEST + " bytes"));
            close();
        }
    }

    @Override
    public void onError(Throwable error) {
        arrived.add(error);
    }

    @Override
    public void onComplete() {
        arrived.add(END);
    }
}
