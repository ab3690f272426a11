package bankassist;

import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.util.List;

/** A document with all its versions that the caller may read. */
public record Document(String documentId, List<Version> versions) {

    /**
     * One version.
     *
     * @param state {@code ready} or {@code withdrawn}
     * @param inForce pairs of first day and the day after the last; null is open
     */
    public record Version(
            String documentId,
            int version,
            String state,
            String title,
            String language,
            String product,
            String dataLevel,
            List<String> groups,
            LocalDate validFrom,
            LocalDate validUntil,
            List<List<LocalDate>> inForce,
            OffsetDateTime recordedAt,
            OffsetDateTime withdrawnAt,
            String fileName,
            String mediaType,
            int chunks) {}

    /** A page of the list of documents, each in its newest version; {@code nextCursor} is null on the last page. */
    public record Page(List<Version> documents, String nextCursor) {}

    /** A piece of a version's text; {@code start}, {@code end} and {@code length} count Unicode code points. */
    public record Text(String documentId, int version, int start, int end, int length, String text) {}
}
