package bankassist;

import java.util.List;

/** What happens while an answer is made, in this order. A sentence may be followed by an answer that refuses: the last word is {@link Done}. */
public sealed interface AnswerEvent {
    record Routed(Answer.Route route) implements AnswerEvent {}

    record Found(List<Passage> passages) implements AnswerEvent {}

    record Passed(Answer.Sentence sentence) implements AnswerEvent {}

    record Done(Answer answer) implements AnswerEvent {}
}
