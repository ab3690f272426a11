package bankassist;

import java.util.List;
import java.util.Map;

/** Answers from the bank's documents that the key may read. */
public final class RagService {
    private record PassagesFound(List<Passage> passages) {}

    private final Connection connection;

    public RagService(Connection connection) {
        this.connection = connection;
    }

    /**
     * The answer to a question in English or Chinese, every sentence checked against the documents. Where they say nothing, an answer of kind
     * {@code refused}.
     *
     * @throws BankassistException where there is none at all
     */
    public Answer answer(String question) {
        return answer(Question.of(question));
    }

    public Answer answer(Question question) {
        return connection.post("/v1/answers", Records.write(question), Answer.class, true);
    }

    /** The answer as it is made. Close it: closing it early stops the service's work. */
    public EventStream<AnswerEvent> stream(Question question) {
        Map<String, Object> body = Records.write(question);
        body.put("stream", true);
        return connection.stream("/v1/answers", body, RagService::event);
    }

    /** The passages nearest to a query, without an answer. */
    public SearchResult search(String query) {
        return connection.post("/v1/search", Map.of("query", query), SearchResult.class, true);
    }

    static AnswerEvent event(String name, Object data) {
        return switch (name) {
            case "route" -> new AnswerEvent.Routed(Records.read(data, Answer.Route.class));
            case "passages" -> new AnswerEvent.Found(Records.read(data, PassagesFound.class).passages());
            case "sentence" -> new AnswerEvent.Passed(Records.read(data, Answer.Sentence.class));
            case "answer" -> new AnswerEvent.Done(Records.read(data, Answer.class));
            default -> null;
        };
    }
}
