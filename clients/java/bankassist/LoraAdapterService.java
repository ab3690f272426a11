package bankassist;

import java.util.List;
import java.util.Map;

/** Texts by a named LoRA adapter, with passages of the caller's own or none. The key needs the scope {@code generate}. */
public final class LoraAdapterService {
    private record Versions(List<AdapterVersion> adapters) {}

    private final Connection connection;

    public LoraAdapterService(Connection connection) {
        this.connection = connection;
    }

    /**
     * What the adapter writes; nothing in it is checked.
     *
     * @param adapterId {@code base}, {@code NAME}, {@code NAME@VERSION} or an alias of the service's settings such as {@code loan_risk_v1}
     * @throws BankassistException.Refused with the code {@code adapter_not_found} where this key may use no such adapter
     */
    public Generated generate(String input, String adapterId) {
        return generate(Generation.of(input, adapterId));
    }

    public Generated generate(Generation generation) {
        return connection.post("/v1/generate", Records.write(generation), Generated.class, true);
    }

    /** An answer from passages that the caller gives (at most 20), each sentence checked against them; citations name them by number. */
    public Answer answer(Generation generation, List<Generation.Given> passages) {
        return connection.post("/v1/generate", Records.write(generation.withPassages(passages)), Answer.class, true);
    }

    /** The text as it is written. Close it: closing it early stops the service's work. */
    public EventStream<GenerationEvent> stream(Generation generation) {
        Map<String, Object> body = Records.write(generation);
        body.put("stream", true);
        return connection.stream("/v1/generate", body, LoraAdapterService::event);
    }

    /** The versions that this key may use; needs the scope {@code adapters}. */
    public List<AdapterVersion> adapters() {
        return connection.get("/v1/adapters", Versions.class).adapters();
    }

    private static GenerationEvent event(String name, Object data) {
        return switch (name) {
            case "route" -> new GenerationEvent.Routed(Records.read(data, Answer.Route.class));
            case "token" -> Records.read(data, GenerationEvent.Piece.class);
            case "answer" -> new GenerationEvent.Done(Records.read(data, Generated.class));
            default -> null;
        };
    }
}
