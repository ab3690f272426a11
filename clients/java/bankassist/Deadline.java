package bankassist;

import java.time.Duration;

/** By when a call is to be over. */
final class Deadline {
    /** The most that is kept of the time for the way back. */
    private static final long WAY_BACK = 1000;

    private final long end;

    Deadline(Duration time) {
        end = System.nanoTime() + time.toNanos();
    }

    /** At least a millisecond: what is over is found out by waiting for it. */
    Duration left() {
        return Duration.ofNanos(Math.max(1_000_000, end - System.nanoTime()));
    }

    /** The milliseconds that the service may take: a tenth, or a second, less than are left. */
    long toAnnounce() {
        long milliseconds = left().toMillis();
        return Math.max(1, milliseconds - Math.min(WAY_BACK, milliseconds / 10));
    }
}
