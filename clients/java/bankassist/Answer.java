package bankassist;

import java.math.BigDecimal;
import java.time.LocalDate;
import java.util.List;
import java.util.Map;

/**
 * The answer document.
 *
 * @param kind {@code answered}, {@code refused} (with its {@code reason}) or {@code handed_off}
 * @param structured a loan rating with its reasons, or null; numbers in it are {@code BigDecimal}
 * @param timings seconds by stage
 * @param status {@code final}, {@code pending_review} (a person decides) or {@code unchecked}
 */
public record Answer(
        String id,
        String kind,
        String text,
        String reason,
        List<Sentence> sentences,
        List<Citation> citations,
        Route route,
        Map<String, Object> structured,
        Grounding grounding,
        LocalDate asOf,
        Usage usage,
        Map<String, BigDecimal> timings,
        String auditId,
        String status) {

    public boolean isAnswered() {
        return "answered".equals(kind);
    }

    /** A sentence that passed its checks; {@code citations} are the numbers of its citations. */
    public record Sentence(String text, List<Integer> citations, List<Check> checks) {}

    public record Check(String name, boolean passed, String detail) {}

    /** Where a sentence comes from; {@code start} and {@code end} count Unicode code points, not Java's {@code char}s. */
    public record Citation(
            int n, String documentId, int version, String title, List<String> headingPath, Integer page, int start, int end, String quote) {}

    /** Who answered: {@code adapter} is {@code base} where {@code version} is null. */
    public record Route(String adapter, Integer version, BigDecimal confidence, String reason, List<Alternative> alternatives) {}

    public record Alternative(String task, BigDecimal confidence) {}

    public record Grounding(int numbersChecked, int numbersUnsupported, int sentencesDropped) {}

    public record Usage(int promptTokens, int completionTokens, int totalTokens) {}
}
