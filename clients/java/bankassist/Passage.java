package bankassist;

import java.math.BigDecimal;
import java.util.List;
import java.util.Map;

/**
 * A passage that was found.
 *
 * @param legs ranks by leg, {@code vector} and {@code word}; null where that leg did not find it
 * @param score only for keys with the scope {@code eval}
 */
public record Passage(
        int rank,
        String documentId,
        int version,
        String title,
        List<String> headingPath,
        Integer page,
        int start,
        int end,
        String text,
        Map<String, Integer> legs,
        BigDecimal score) {}
