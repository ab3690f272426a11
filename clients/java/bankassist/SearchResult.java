package bankassist;

import java.math.BigDecimal;
import java.time.LocalDate;
import java.util.List;
import java.util.Map;

/** The passages nearest to a query, best first; {@code language} is {@code en} or {@code zh}. */
public record SearchResult(String query, String language, LocalDate asOf, List<Passage> passages, Map<String, BigDecimal> timings) {}
