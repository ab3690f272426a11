package bankassist;

import java.time.Duration;

/**
 * What kept a call from its result. No message holds the key or what was sent.
 *
 * <pre>
 * BankassistException
 *   Refused           the service said no: status, code, param, trace id
 *   Unreachable       no whole reply came: not connected, connection or stream broken off
 *     TimedOut          not within the time that the call may take
 *   Cancelled         the calling thread was interrupted; the service stops its work
 *   BadReply          the reply is none of the service's: a proxy's page, another version
 * </pre>
 *
 * An answer that refuses ("nothing in the documents") is a result, {@link Answer#kind()}, not an exception.
 */
public abstract class BankassistException extends RuntimeException {
    private static final long serialVersionUID = 1;

    BankassistException(String message, Throwable cause) {
        super(message, cause);
    }

    /** The service refused: a problem document of RFC 9457, or another status of 300 or more. */
    public static final class Refused extends BankassistException {
        private static final long serialVersionUID = 1;
        private final int status;
        private final String code;
        private final String param;
        private final String traceId;
        private final transient Duration retryAfter;

        Refused(int status, String code, String param, String detail, String traceId, Duration retryAfter) {
            super(status + " " + code + ": " + detail + (traceId == null ? "" : " (trace " + traceId + ")"), null);
            this.status = status;
            this.code = code;
            this.param = param;
            this.traceId = traceId;
            this.retryAfter = retryAfter;
        }

        /** The HTTP status; in a stream that had begun, the one it would have been. */
        public int status() {
            return status;
        }

        /** A stable word for programs: {@code adapter_not_found}, {@code missing_scope}, {@code overloaded} ... */
        public String code() {
            return code;
        }

        /** The field at fault, or null. */
        public String param() {
            return param;
        }

        /** What to look for in the service's log, or null. */
        public String traceId() {
            return traceId;
        }

        /** How long the service asks to wait, or null. */
        public Duration retryAfter() {
            return retryAfter;
        }
    }

    /** No whole reply came. */
    public static class Unreachable extends BankassistException {
        private static final long serialVersionUID = 1;
        private final boolean perhapsDone;

        Unreachable(String message, boolean perhapsDone, Throwable cause) {
            super(message, cause);
            this.perhapsDone = perhapsDone;
        }

        /** Whether the request may have arrived, so that an upload may have become a job. */
        public boolean perhapsDone() {
            return perhapsDone;
        }
    }

    /** The time that the call may take is over. */
    public static final class TimedOut extends Unreachable {
        private static final long serialVersionUID = 1;

        TimedOut(String message, boolean perhapsDone) {
            super(message, perhapsDone, null);
        }
    }

    /** The calling thread was interrupted; its interrupt flag is set. */
    public static final class Cancelled extends BankassistException {
        private static final long serialVersionUID = 1;

        Cancelled(Throwable cause) {
            super("the call was cancelled: its thread was interrupted", cause);
        }
    }

    /** A reply that cannot be read. */
    public static final class BadReply extends BankassistException {
        private static final long serialVersionUID = 1;

        BadReply(String message) {
            super(message, null);
        }
    }
}
