package bankassist;

import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodySubscriber;
import java.net.http.HttpResponse.BodySubscribers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BooleanSupplier;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLHandshakeException;

/**
 * A service's address and the key for it. One for a whole application: it is safe for many threads and keeps its connections open.
 *
 * <p>A call takes at most its timeout, repeats and waits included; the service is told so (X-Deadline-Ms) and stops by then. A call is repeated where the
 * service says that it may be (429, 503, x-should-retry) after what it says (Retry-After), and after a lost connection where doing it twice does no harm. A
 * question or an upload has a key of its own (Idempotency-Key), the same in each repetition, so that a service which had it already gives the answer, or the
 * job, that it made. Interrupting the calling thread ends the call and with it the service's work.
 */
public final class Connection {
    private static final Duration FIRST_WAIT = Duration.ofMillis(500);

    private final String url;
    private final String authorization;
    private final HttpClient http;
    private final Duration timeout;
    private final int attempts;

    private Connection(Builder builder) {
        url = builder.url;
        authorization = "Bearer " + builder.key;
        timeout = builder.timeout;
        attempts = builder.attempts;
        HttpClient.Builder client = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1) // else each request offers HTTP/2, which makes some servers and proxies lose its body
                .followRedirects(HttpClient.Redirect.NEVER) // the key would go along
                .connectTimeout(builder.connectTimeout);
        http = (builder.tls == null ? client : client.sslContext(builder.tls)).build();
    }

    /**
     * @param url the service's address, such as {@code https://assistant.bank.example}; a {@code /v1} at its end makes no difference
     * @param key an API key, {@code ba_...}
     */
    public static Builder to(String url, String key) {
        return new Builder(url, key);
    }

    /** The settings of a connection. */
    public static final class Builder {
        private final String url;
        private final String key;
        private Duration timeout = Duration.ofSeconds(60);
        private Duration connectTimeout = Duration.ofSeconds(5);
        private int attempts = 3;
        private SSLContext tls;

        private Builder(String url, String key) {
            URI parsed = URI.create(url.replaceFirst("/+$", "").replaceFirst("/v1$", ""));
            String scheme = parsed.getScheme() == null ? "" : parsed.getScheme().toLowerCase(Locale.ROOT);
            if (!scheme.equals("http") && !scheme.equals("https") || parsed.getHost() == null || parsed.getRawUserInfo() != null || parsed.getRawQuery() != null) {
                throw new IllegalArgumentException("the service's URL is http(s)://HOST[:PORT][/PATH], without a user or a query");
            }
            if (!key.matches("[!-~]+")) { // the JDK's own message would repeat it
                throw new IllegalArgumentException("the key is empty or holds what cannot stand in a header, such as a line break");
            }
            this.url = parsed.toString();
            this.key = key;
        }

        /** How long a call may take, repeats and waits included; an answer usually takes seconds. Default: 60 s. */
        public Builder timeout(Duration most) {
            timeout = positive(most);
            return this;
        }

        /** How long it may take to connect. Default: 5 s. */
        public Builder connectTimeout(Duration most) {
            connectTimeout = positive(most);
            return this;
        }

        /** How often a call is tried. Default: 3. */
        public Builder attempts(int most) {
            if (most < 1) {
                throw new IllegalArgumentException("a call is tried at least once, not " + most + " times");
            }
            attempts = most;
            return this;
        }

        /** The bank's own authority, or a client certificate. */
        public Builder tls(SSLContext context) {
            tls = context;
            return this;
        }

        public Connection build() {
            return new Connection(this);
        }

        private static Duration positive(Duration duration) {
            if (duration.isNegative() || duration.isZero()) {
                throw new IllegalArgumentException("a time limit is more than nothing, not " + duration);
            }
            return duration;
        }
    }

    /** Whose key it is and what it may do. */
    public Me me() {
        return get("/v1/me", Me.class);
    }

    /** Without the key. */
    @Override
    public String toString() {
        return "Connection[" + url + "]";
    }

    <R> R get(String path, Class<R> type) {
        return read(send(new Call("GET", path, null, BodyPublishers.noBody(), true, null), info -> whole(), new Deadline(timeout)), type);
    }

    /** @param repeatable whether doing it twice does no harm */
    <R> R post(String path, Map<String, Object> body, Class<R> type, boolean repeatable) {
        return read(send(json(path, body, repeatable), info -> whole(), new Deadline(timeout)), type);
    }

    /** @param idempotencyKey names the call, so that doing it twice does no harm */
    <R> R post(String path, String contentType, BodyPublisher body, Class<R> type, String idempotencyKey) {
        return read(send(new Call("POST", path, contentType, body, true, idempotencyKey), info -> whole(), new Deadline(timeout)), type);
    }

    /** A stream of events; it is open when the service has begun. */
    <E> EventStream<E> stream(String path, Map<String, Object> body, EventStream.Reader<E> reader) {
        Deadline deadline = new Deadline(timeout);
        AtomicReference<EventLines> begun = new AtomicReference<>();
        HttpResponse.BodyHandler<EventLines> handler = info -> {
            if (!isGood(info.statusCode())) {
                return EventLines.ofProblem();
            }
            begun.set(new EventLines());
            return begun.get();
        };
        EventLines lines;
        try {
            lines = send(json(path, body, true), handler, deadline, () -> begun.get() != null);
        } catch (BankassistException.TimedOut over) {
            throw over;
        } catch (BankassistException.Unreachable lost) {
            // a stream that ends at once in an error: the JDK may tell the end of the connection first, and what came before it, the error, lies here
            lines = begun.get();
            if (lines == null) {
                throw lost;
            }
            lines.onError(lost.getCause());
        }
        return new EventStream<>(lines, reader, deadline);
    }

    private static Call json(String path, Map<String, Object> body, boolean repeatable) {
        BodyPublisher written = BodyPublishers.ofString(Json.write(body), StandardCharsets.UTF_8);
        return new Call("POST", path, "application/json", written, repeatable, repeatable ? UUID.randomUUID().toString() : null);
    }

    /** @param idempotencyKey names the call for the service, or null; a repetition has the same one */
    private record Call(String method, String path, String contentType, BodyPublisher body, boolean repeatable, String idempotencyKey) {}

    private static BodySubscriber<String> whole() {
        return BodySubscribers.ofString(StandardCharsets.UTF_8);
    }

    private static boolean isGood(int status) {
        return status / 100 == 2;
    }

    private <T> T send(Call call, HttpResponse.BodyHandler<T> handler, Deadline deadline) {
        return send(call, handler, deadline, () -> false);
    }

    /** @param begun whether the reply has begun, after which the call is not repeated */
    private <T> T send(Call call, HttpResponse.BodyHandler<T> handler, Deadline deadline, BooleanSupplier begun) {
        for (int attempt = 1; ; attempt++) {
            BankassistException failure;
            Duration wait = FIRST_WAIT.multipliedBy(1L << Math.min(attempt - 1, 4)).dividedBy(2);
            wait = wait.plusMillis(ThreadLocalRandom.current().nextLong(wait.toMillis()));
            boolean again;
            try {
                HttpResponse<T> response = exchange(call, handler, deadline);
                if (isGood(response.statusCode())) {
                    return response.body();
                }
                BankassistException.Refused refused = Problems.refusal(response, String.valueOf(response.body()));
                again = Problems.mayBeRepeated(response, call.repeatable);
                wait = refused.retryAfter() == null ? wait : refused.retryAfter();
                failure = refused;
            } catch (BankassistException.TimedOut over) {
                throw over;
            } catch (BankassistException.Unreachable lost) {
                again = !(lost.getCause() instanceof SSLHandshakeException) && !begun.getAsBoolean() && (call.repeatable || !lost.perhapsDone());
                failure = lost;
            }
            if (!again || attempt == attempts || wait.compareTo(deadline.left()) >= 0) {
                throw failure;
            }
            try {
                Thread.sleep(wait.toMillis());
            } catch (InterruptedException interrupted) {
                Thread.currentThread().interrupt();
                throw new BankassistException.Cancelled(interrupted);
            }
        }
    }

    private <T> HttpResponse<T> exchange(Call call, HttpResponse.BodyHandler<T> handler, Deadline deadline) {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url + call.path))
                .method(call.method, call.body)
                .header("Authorization", authorization)
                .header("Accept", "application/json, text/event-stream")
                .header("X-Deadline-Ms", Long.toString(deadline.toAnnounce()));
        if (call.contentType != null) {
            request.header("Content-Type", call.contentType);
        }
        if (call.idempotencyKey != null) {
            request.header("Idempotency-Key", call.idempotencyKey);
        }
        CompletableFuture<HttpResponse<T>> sending = http.sendAsync(request.build(), handler);
        try {
            // the request's own timeout ends with the headers
            return sending.get(deadline.left().toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException over) {
            sending.cancel(true);
            throw new BankassistException.TimedOut(url + " did not reply within " + timeout.toMillis() + " ms", true);
        } catch (InterruptedException interrupted) {
            sending.cancel(true);
            Thread.currentThread().interrupt();
            throw new BankassistException.Cancelled(interrupted);
        } catch (ExecutionException error) {
            Throwable cause = error.getCause();
            if (!(cause instanceof IOException)) {
                throw new IllegalStateException(cause);
            }
            boolean never = cause instanceof ConnectException || cause instanceof HttpConnectTimeoutException || cause instanceof SSLHandshakeException;
            String what = never ? url + " cannot be reached: " : "the connection to " + url + " broke off: ";
            throw new BankassistException.Unreachable(what + cause, !never, cause);
        }
    }

    private static <R> R read(String body, Class<R> type) {
        try {
            return Records.read(Json.read(body), type);
        } catch (IllegalArgumentException error) {
            throw new BankassistException.BadReply("the reply is no " + type.getSimpleName() + " document: " + error.getMessage());
        }
    }
}
