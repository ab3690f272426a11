package bankassist;

import java.math.BigDecimal;
import java.util.List;

/**
 * A text that an adapter wrote without passages; nothing in it was checked.
 *
 * @param version null where the base model wrote it
 * @param finishReason {@code stop}, {@code length} or {@code deadline}
 * @param logprobs null where they were not asked for
 */
public record Generated(
        String id,
        String text,
        String adapter,
        Integer version,
        String finishReason,
        Logprobs logprobs,
        Answer.Usage usage,
        String auditId,
        String status) {

    public record Logprobs(List<Token> content) {}

    /** A token with the natural logarithm of its probability; {@code bytes} are its own, also where it is a part of a character. */
    public record Token(String token, BigDecimal logprob, List<Integer> bytes, List<Alternative> topLogprobs) {}

    public record Alternative(String token, BigDecimal logprob, List<Integer> bytes) {}
}
