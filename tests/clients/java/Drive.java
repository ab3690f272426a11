import bankassist.BankassistException;
import bankassist.Connection;
import bankassist.DocumentService;
import bankassist.EventStream;
import bankassist.Generation;
import bankassist.Json;
import bankassist.LoraAdapterService;
import bankassist.Metadata;
import bankassist.Question;
import bankassist.RagService;
import java.io.BufferedReader;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.RecordComponent;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.time.LocalDate;
import java.time.temporal.Temporal;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.FutureTask;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * The client in the hands of a test: each line on standard input is a call as JSON, each line on standard output its result. With "later" the call goes on
 * in a thread of its own until {"do": "interrupt"} or {"do": "join"}.
 */
public final class Drive {
    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    private Thread thread;
    private FutureTask<Object> later;

    public static void main(String[] arguments) throws Exception {
        Drive drive = new Drive();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            Map<?, ?> call = (Map<?, ?>) Json.read(line);
            OUT.println(Json.write(plain(drive.obey(call))));
        }
    }

    private Object obey(Map<?, ?> call) throws Exception {
        if (call.get("do").equals("interrupt")) {
            thread.interrupt();
            return later.get();
        } else if (call.get("do").equals("join")) {
            return later.get();
        } else if (Boolean.TRUE.equals(call.get("later"))) {
            later = new FutureTask<>(() -> result(call));
            thread = new Thread(later);
            thread.start();
            return "begun";
        }
        return result(call);
    }

    private static Object result(Map<?, ?> call) {
        try {
            return done(call);
        } catch (BankassistException.Refused error) {
            Map<String, Object> said = said(error);
            said.put("status", error.status());
            said.put("code", error.code());
            said.put("param", error.param());
            said.put("retry_after", error.retryAfter() == null ? null : error.retryAfter().toSeconds());
            return said;
        } catch (BankassistException.Unreachable error) {
            Map<String, Object> said = said(error);
            said.put("perhaps_done", error.perhapsDone());
            return said;
        } catch (RuntimeException error) {
            Map<String, Object> said = said(error);
            said.put("interrupted", Thread.currentThread().isInterrupted());
            return said;
        }
    }

    private static Map<String, Object> said(RuntimeException error) {
        return new LinkedHashMap<>(Map.of("error", error.getClass().getSimpleName(), "message", String.valueOf(error.getMessage())));
    }

    private static Object done(Map<?, ?> call) {
        if (call.get("do").equals("json")) {
            return Json.write(Json.read((String) call.get("text")));
        }
        Connection.Builder builder = Connection.to((String) call.get("url"), (String) call.get("key"));
        if (call.get("timeout_ms") instanceof BigDecimal time) {
            builder.timeout(Duration.ofMillis(time.longValueExact()));
        }
        if (call.get("ca") instanceof String file) {
            builder.tls(trusting(Path.of(file)));
        }
        Connection connection = builder.build();
        RagService rag = new RagService(connection);
        LoraAdapterService adapters = new LoraAdapterService(connection);
        DocumentService documents = new DocumentService(connection);
        String text = (String) call.get("text");
        String id = (String) call.get("id");
        switch ((String) call.get("do")) {
            case "toString":
                return connection.toString();
            case "me":
                return connection.me();
            case "answer":
                return id == null ? rag.answer(text) : rag.answer(Question.of(text).withAdapter(id).withoutDocuments());
            case "answer with":
                Question question = Question.of(text).withAdapter("base").withAsOf(LocalDate.parse((String) call.get("as_of"))).withTopK(3);
                List<Question.Turn> turns = List.of(new Question.Turn("user", "\u4f60\u597d"), new Question.Turn("assistant", "hello"));
                return rag.answer(question.withHistory(turns).whenNobodyElseWaits());
            case "search":
                return rag.search(text);
            case "generate":
                return adapters.generate(text, id);
            case "generate with":
                Generation wanted = Generation.of(text, id).withTemperature(new BigDecimal("0.70"), 7).withStop(".").withMaxTokens(20).withLogprobs(2);
                return adapters.generate(wanted.withSchema(Map.of("type", "string")).whenNobodyElseWaits());
            case "answer from":
                return adapters.answer(Generation.of(text, id), List.of(new Generation.Given("\u6536\u8d39", (String) call.get("passage"))));
            case "adapters":
                return adapters.adapters();
            case "upload":
                Metadata named = Metadata.forGroups("public").withDocument(id, (String) call.get("title"));
                DocumentService.Upload content = DocumentService.Upload.of((String) call.get("name"), text.getBytes(StandardCharsets.UTF_8));
                String once = (String) call.get("once");
                return once == null ? documents.upload(named, content) : documents.upload(once, named, content);
            case "upload file":
                Metadata known = Metadata.forGroups("public").withValidity(LocalDate.parse((String) call.get("from")), null);
                try {
                    return documents.upload(known, DocumentService.Upload.of(Path.of((String) call.get("file"))));
                } catch (FileNotFoundException error) {
                    throw new IllegalStateException(error);
                }
            case "await":
                return documents.await(id, Duration.ofMinutes(5));
            case "jobs":
                return documents.jobs();
            case "document":
                return documents.document(id);
            case "documents":
                return documents.documents("");
            case "cited":
                return rag.answer(text).citations().stream().map(documents::text).toList();
            case "withdraw":
                return documents.withdraw(id);
            case "stream":
                return events(rag.stream(id == null ? Question.of(text) : Question.of(text).withAdapter(id).withoutDocuments()), call);
            case "stream text":
                return events(adapters.stream(Generation.of(text, id)), call);
            default:
                throw new IllegalArgumentException("no call " + call.get("do"));
        }
    }

    /** As a bank's service trusts the bank's own authority. */
    private static SSLContext trusting(Path authority) {
        try (InputStream pem = Files.newInputStream(authority)) {
            KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
            trusted.load(null, null);
            trusted.setCertificateEntry("bank", CertificateFactory.getInstance("X.509").generateCertificate(pem));
            TrustManagerFactory managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            managers.init(trusted);
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(null, managers.getTrustManagers(), null);
            return context;
        } catch (GeneralSecurityException | IOException error) {
            throw new IllegalStateException(error);
        }
    }

    /** The events, or the first "close_after" of them, after which the stream is closed. */
    private static <E> List<Object> events(EventStream<E> stream, Map<?, ?> call) {
        int most = call.get("close_after") instanceof BigDecimal number ? number.intValueExact() : Integer.MAX_VALUE;
        List<Object> events = new ArrayList<>();
        try (stream) {
            while (events.size() < most && stream.hasNext()) {
                E event = stream.next();
                events.add(List.of(event.getClass().getSimpleName(), plain(event)));
            }
        }
        return events;
    }

    private static Object plain(Object value) {
        if (value instanceof Record record) {
            Map<String, Object> members = new LinkedHashMap<>();
            for (RecordComponent component : record.getClass().getRecordComponents()) {
                try {
                    members.put(component.getName(), plain(component.getAccessor().invoke(record)));
                } catch (ReflectiveOperationException error) {
                    throw new IllegalStateException(error);
                }
            }
            return members;
        } else if (value instanceof List<?> items) {
            return items.stream().map(Drive::plain).collect(ArrayList::new, ArrayList::add, ArrayList::addAll);
        }
        return value instanceof Temporal ? value.toString() : value;
    }
}
