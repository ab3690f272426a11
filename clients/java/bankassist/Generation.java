package bankassist;

import java.math.BigDecimal;
import java.util.List;
import java.util.Map;

/**
 * What an adapter is to write; null is the service's default. As OpenAI names them.
 *
 * @param adapterId {@code base}, {@code NAME}, {@code NAME@VERSION} or an alias of the service's settings such as {@code loan_risk_v1}
 * @param temperature 0 to 2; 0 always takes the likeliest token
 * @param responseFormat {@code {"type": "json_schema", "json_schema": {"schema": {...}}}}: nothing but a document of the schema is written
 */
public record Generation(
        String input,
        String adapterId,
        List<Given> passages,
        Integer maxTokens,
        Long seed,
        BigDecimal temperature,
        List<String> stop,
        Map<String, Object> responseFormat,
        Boolean logprobs,
        Integer topLogprobs,
        String serviceTier) {

    /** A passage of the caller's own. */
    public record Given(String title, String text) {}

    public static Generation of(String input, String adapterId) {
        return new Generation(input, adapterId, null, null, null, null, null, null, null, null, null);
    }

    Generation withPassages(List<Given> given) {
        return new Generation(input, adapterId, List.copyOf(given), maxTokens, seed, temperature, stop, responseFormat, logprobs, topLogprobs, serviceTier);
    }

    public Generation withMaxTokens(int tokens) {
        return new Generation(input, adapterId, passages, tokens, seed, temperature, stop, responseFormat, logprobs, topLogprobs, serviceTier);
    }

    public Generation withTemperature(BigDecimal value, long seed) {
        return new Generation(input, adapterId, passages, maxTokens, seed, value, stop, responseFormat, logprobs, topLogprobs, serviceTier);
    }

    /** The text ends before the first of these. */
    public Generation withStop(String... strings) {
        return new Generation(
                input, adapterId, passages, maxTokens, seed, temperature, List.of(strings), responseFormat, logprobs, topLogprobs, serviceTier);
    }

    public Generation withSchema(Map<String, Object> schema) {
        Map<String, Object> format = Map.of("type", "json_schema", "json_schema", Map.of("name", "json_schema", "schema", schema));
        return new Generation(input, adapterId, passages, maxTokens, seed, temperature, stop, format, logprobs, topLogprobs, serviceTier);
    }

    public Generation withLogprobs(int alternatives) {
        return new Generation(input, adapterId, passages, maxTokens, seed, temperature, stop, responseFormat, true, alternatives, serviceTier);
    }

    public Generation whenNobodyElseWaits() {
        return new Generation(input, adapterId, passages, maxTokens, seed, temperature, stop, responseFormat, logprobs, topLogprobs, "flex");
    }
}
