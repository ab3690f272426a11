package bankassist;

import java.time.LocalDate;
import java.util.List;

/**
 * What is known of files that are uploaded; null is left out.
 *
 * @param documentId for one file only; without it the service makes one from the file's name
 * @param groups who may read it; {@code public} is everybody
 * @param validUntil the day after the last on which it applies
 * @param language {@code en} or {@code zh}; without it the service looks
 */
public record Metadata(
        String documentId,
        String title,
        List<String> groups,
        LocalDate validFrom,
        LocalDate validUntil,
        String language,
        String product,
        String dataLevel) {

    public static Metadata forGroups(String... groups) {
        return new Metadata(null, null, List.of(groups), null, null, null, null, null);
    }

    public Metadata withDocument(String id, String title) {
        return new Metadata(id, title, groups, validFrom, validUntil, language, product, dataLevel);
    }

    public Metadata withValidity(LocalDate from, LocalDate until) {
        return new Metadata(documentId, title, groups, from, until, language, product, dataLevel);
    }
}
