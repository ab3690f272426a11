package bankassist;

import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * Events as they arrive, until the last one. A stream that breaks off before it throws; one that ends without an exception is whole.
 *
 * <p>Closing it, also in the middle, drops the connection, and the service stops its work. So does the end of the call's time.
 */
public final class EventStream<E> implements Iterator<E>, AutoCloseable {
    /** An event of a name that the caller knows, else null. */
    interface Reader<E> {
        E read(String name, Object data);
    }

    private static final String LAST = "answer";
    private static final String ERROR = "error";

    private final EventLines lines;
    private final Reader<E> reader;
    private final Deadline deadline;
    private E next;
    private boolean whole;

    EventStream(EventLines lines, Reader<E> reader, Deadline deadline) {
        this.lines = lines;
        this.reader = reader;
        this.deadline = deadline;
    }

    /**
     * Waits for the next event.
     *
     * @throws BankassistException where none will come and the last one has not
     */
    @Override
    public boolean hasNext() {
        try {
            while (next == null && !whole) {
                readEvent();
            }
        } catch (BankassistException error) {
            close();
            throw error;
        }
        return next != null;
    }

    @Override
    public E next() {
        if (!hasNext()) {
            throw new NoSuchElementException("the answer was the last event");
        }
        E event = next;
        next = null;
        return event;
    }

    @Override
    public void close() {
        if (whole) { // its end follows at once, and the connection is used again; one on which it does not is dropped
            CompletableFuture.delayedExecutor(1, TimeUnit.SECONDS).execute(lines::close);
        } else {
            lines.close();
        }
    }

    private void readEvent() {
        String name = "message";
        StringBuilder data = new StringBuilder();
        for (String line = readLine(); !line.isEmpty(); line = readLine()) {
            int colon = line.indexOf(':'); // at 0: a comment, which keeps the connection alive
            String value = colon < 0 ? "" : line.substring(colon + 1).replaceFirst("^ ", "");
            switch (colon < 0 ? line : line.substring(0, colon)) {
                case "event" -> name = value;
                case "data" -> data.append(data.isEmpty() ? "" : "\n").append(value);
                default -> {}
            }
        }
        if (data.isEmpty()) {
            return;
        }
        Object document;
        try {
            document = Json.read(data.toString());
            next = name.equals(ERROR) ? null : reader.read(name, document);
        } catch (IllegalArgumentException error) {
            throw new BankassistException.BadReply("the event " + name + " cannot be read: " + error.getMessage());
        }
        if (name.equals(ERROR)) {
            throw Problems.refusal(status(document), document, null);
        }
        whole = name.equals(LAST);
    }

    private static int status(Object problem) {
        return problem instanceof java.util.Map<?, ?> members && members.get("status") instanceof java.math.BigDecimal status ? status.intValue() : 500;
    }

    private String readLine() {
        try {
            Object arrived = lines.arrived.poll(deadline.left().toMillis(), TimeUnit.MILLISECONDS);
            if (arrived instanceof String line) {
                return line;
            } else if (arrived instanceof BankassistException error) {
                throw error;
            } else if (arrived == null) {
                throw new BankassistException.TimedOut("the answer was not complete within the time that the call may take", true);
            }
            Throwable cause = arrived instanceof Throwable error ? error : null;
            throw new BankassistException.Unreachable("the stream broke off before the answer" + (cause == null ? "" : ": " + cause), true, cause);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw new BankassistException.Cancelled(interrupted);
        }
    }
}
