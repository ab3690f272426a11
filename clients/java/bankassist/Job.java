package bankassist;

import java.math.BigDecimal;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.Map;

/**
 * What becomes of an upload.
 *
 * @param state {@code queued}, {@code running}, {@code done}, {@code partly_done}, {@code failed} or {@code cancelled}
 * @param counts {@code files}, {@code indexed}, {@code unchanged}, {@code refused}, {@code chunks}
 */
public record Job(
        String id, String state, String reason, OffsetDateTime createdAt, Map<String, Integer> counts, List<File> files, Map<String, BigDecimal> timings) {

    public boolean isOver() {
        return !"queued".equals(state) && !"running".equals(state);
    }

    /** One file: {@code indexed}, {@code unchanged}, or {@code refused} with {@code code} for programs and {@code reason} for people. */
    public record File(String path, String state, String reason, String code, String documentId, Integer version, int chunks) {}
}
