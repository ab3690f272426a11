import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.core.JsonValue;
import com.openai.core.http.StreamResponse;
import com.openai.errors.OpenAIException;
import com.openai.models.chat.completions.ChatCompletionChunk;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Optional;
import java.util.UUID;

/**
 * The same with OpenAI's library (com.openai:openai-java): {@code java -cp "OUT:lib/*" AskOpenAi URL KEY MODEL QUESTION}. MODEL is {@code auto},
 * {@code base}, an adapter or an alias of one; what is ours comes beside the answer, in {@code bank}: citations, route, outcome.
 */
public final class AskOpenAi {
    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    public static void main(String[] arguments) throws Exception {
        if (arguments.length != 4) {
            System.err.println("usage: java -cp \"OUT:lib/*\" AskOpenAi URL KEY MODEL QUESTION     (QUESTION - reads it from standard input, in UTF-8)");
            System.exit(2);
        }
        String question = arguments[3].equals("-") ? new String(System.in.readAllBytes(), StandardCharsets.UTF_8).strip() : arguments[3];
        OpenAIClient client = OpenAIOkHttpClient.builder()
                .baseUrl(arguments[0] + "/v1")
                .apiKey(arguments[1])
                .timeout(Duration.ofSeconds(60)) // the library announces it, and the service stops by then
                .build();
        ChatCompletionCreateParams asked = ChatCompletionCreateParams.builder()
                .model(arguments[2])
                .addUserMessage(question)
                .putAdditionalHeader("Idempotency-Key", UUID.randomUUID().toString()) // the library repeats by itself; the answer is then made once
                .build();
        try (StreamResponse<ChatCompletionChunk> response = client.chat().completions().createStreaming(asked)) {
            boolean[] finished = {false};
            response.stream().forEach(chunk -> finished[0] |= show(chunk));
            if (!finished[0]) { // a body that merely ends looks whole to the library
                throw new OpenAIException("the stream ended before its finish_reason");
            }
        } catch (OpenAIException error) {
            System.err.println(error.getMessage());
            System.exit(1);
        } finally {
            client.close();
        }
    }

    /** Whether this was the last chunk of the text. */
    private static boolean show(ChatCompletionChunk chunk) {
        JsonValue bank = chunk._additionalProperties().get("bank");
        if (bank != null) {
            OUT.println();
            OUT.println(bank);
        }
        boolean last = false;
        for (ChatCompletionChunk.Choice choice : chunk.choices()) {
            choice.delta().content().ifPresent(OUT::print);
            Optional<ChatCompletionChunk.Choice.FinishReason> reason = choice.finishReason();
            reason.ifPresent(why -> OUT.print(" (" + why + ")"));
            last |= reason.isPresent();
        }
        return last;
    }
}
