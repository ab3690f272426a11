package bankassist;

import java.time.LocalDate;
import java.util.List;

/**
 * A question and how it is to be answered; null is the service's default.
 *
 * @param adapter {@code auto}, {@code base}, {@code NAME}, {@code NAME@VERSION} or an alias of the service's settings
 * @param useRag false answers without documents, unchecked; needs the scope {@code generate}
 * @param asOf the day whose rules are asked for
 * @param history earlier turns, oldest first
 * @param serviceTier {@code flex} waits for everybody else
 */
public record Question(String question, String adapter, Boolean useRag, LocalDate asOf, Integer topK, List<Turn> history, String serviceTier) {

    /** An earlier turn; the role is {@code user} or {@code assistant}. */
    public record Turn(String role, String content) {}

    public static Question of(String question) {
        return new Question(question, null, null, null, null, null, null);
    }

    public Question withAdapter(String wanted) {
        return new Question(question, wanted, useRag, asOf, topK, history, serviceTier);
    }

    public Question withoutDocuments() {
        return new Question(question, adapter, false, asOf, topK, history, serviceTier);
    }

    public Question withAsOf(LocalDate day) {
        return new Question(question, adapter, useRag, day, topK, history, serviceTier);
    }

    public Question withTopK(int passages) {
        return new Question(question, adapter, useRag, asOf, passages, history, serviceTier);
    }

    public Question withHistory(List<Turn> turns) {
        return new Question(question, adapter, useRag, asOf, topK, List.copyOf(turns), serviceTier);
    }

    public Question whenNobodyElseWaits() {
        return new Question(question, adapter, useRag, asOf, topK, history, "flex");
    }
}
