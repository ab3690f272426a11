package bankassist;

import java.net.URI;
import java.net.http.HttpResponse;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Map;

/** What the service says when it refuses: problem documents (RFC 9457), Retry-After (RFC 9110, 10.2.3), x-should-retry. */
final class Problems {
    private Problems() {}

    static BankassistException.Refused refusal(HttpResponse<?> response, String body) {
        int status = response.statusCode();
        if (status / 100 == 3) {
            String where = response.headers().firstValue("Location").map(Problems::host).orElse("somewhere");
            String detail = "a redirect to " + where + ", which is not followed, since the key would go along; connect to the service's own URL";
            return new BankassistException.Refused(status, "redirected", null, detail, null, null);
        }
        Object document;
        try {
            document = Json.read(body);
        } catch (IllegalArgumentException error) {
            document = null;
        }
        return refusal(status, document, retryAfter(response));
    }

    /** @param document the problem document; anything else comes from a proxy in between */
    static BankassistException.Refused refusal(int status, Object document, Duration retryAfter) {
        if (document instanceof Map<?, ?> problem && problem.get("error") instanceof Map<?, ?> error && error.get("code") instanceof String code) {
            Object param = error.get("param");
            Object trace = problem.get("trace_id");
            String detail = String.valueOf(problem.get("detail"));
            return new BankassistException.Refused(
                    status, code, param == null ? null : param.toString(), detail, trace == null ? null : trace.toString(), retryAfter);
        }
        return new BankassistException.Refused(status, "http_" + status, null, "not the service's own words", null, retryAfter);
    }

    /** Whether the service says so; where it says nothing, what the status says. */
    static boolean mayBeRepeated(HttpResponse<?> response, boolean harmless) {
        String said = response.headers().firstValue("x-should-retry").orElse("");
        if (said.equals("true") || said.equals("false")) {
            return said.equals("true");
        }
        return switch (response.statusCode()) {
            case 429, 503 -> true; // nothing was done
            case 408, 502, 504 -> harmless; // a proxy does not know
            default -> false;
        };
    }

    private static Duration retryAfter(HttpResponse<?> response) {
        String said = response.headers().firstValue("Retry-After").orElse("").strip();
        if (said.matches("[0-9]{1,9}")) {
            return Duration.ofSeconds(Long.parseLong(said));
        }
        try {
            Duration wait = Duration.between(OffsetDateTime.now(), OffsetDateTime.parse(said, DateTimeFormatter.RFC_1123_DATE_TIME));
            return wait.isNegative() ? Duration.ZERO : wait;
        } catch (DateTimeException error) { // there is none, or none that can be read
            return null;
        }
    }

    private static String host(String location) {
        try {
            String host = URI.create(location).getHost();
            return host == null ? "another path" : host;
        } catch (IllegalArgumentException error) {
            return "somewhere";
        }
    }
}
