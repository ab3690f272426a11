import bankassist.Answer;
import bankassist.AnswerEvent;
import bankassist.BankassistException;
import bankassist.Connection;
import bankassist.EventStream;
import bankassist.Question;
import bankassist.RagService;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

/** Asks one question and prints each sentence as it is checked, then the sources: {@code java -cp OUT Ask URL KEY QUESTION}; {@code -} reads the question. */
public final class Ask {
    // JDK 17 writes and reads in the locale's character set
    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    public static void main(String[] arguments) throws Exception {
        if (arguments.length != 3) {
            System.err.println("usage: java -cp OUT Ask URL KEY QUESTION     (QUESTION - reads it from standard input, in UTF-8)");
            System.exit(2);
        }
        String question = arguments[2].equals("-") ? new String(System.in.readAllBytes(), StandardCharsets.UTF_8).strip() : arguments[2];
        try (EventStream<AnswerEvent> events = new RagService(Connection.to(arguments[0], arguments[1]).build()).stream(Question.of(question))) {
            while (events.hasNext()) {
                AnswerEvent event = events.next();
                if (event instanceof AnswerEvent.Routed routed) {
                    OUT.println("(" + routed.route().adapter() + ")");
                } else if (event instanceof AnswerEvent.Passed passed) {
                    OUT.println(passed.sentence().text() + " " + passed.sentence().citations());
                } else if (event instanceof AnswerEvent.Done done) {
                    show(done.answer());
                }
            }
        } catch (BankassistException | IllegalArgumentException error) {
            System.err.println(error.getMessage());
            System.exit(1);
        }
    }

    private static void show(Answer answer) {
        if (!answer.isAnswered() || answer.sentences().isEmpty()) {
            OUT.println(answer.text());
        }
        for (Answer.Citation citation : answer.citations()) {
            OUT.println("[" + citation.n() + "] " + citation.title() + ", version " + citation.version() + ": " + citation.quote());
        }
        OUT.println(answer.kind() + ", " + answer.status() + ", " + answer.auditId());
    }
}
