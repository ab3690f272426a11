package bankassist;

/** A text as it is written. */
public sealed interface GenerationEvent {
    /** Which adapter writes it; the first event. */
    record Routed(Answer.Route route) implements GenerationEvent {}

    /** The next piece of the text. */
    record Piece(String text, Generated.Logprobs logprobs) implements GenerationEvent {}

    record Done(Generated generated) implements GenerationEvent {}
}
