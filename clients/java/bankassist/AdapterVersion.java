package bankassist;

import java.math.BigDecimal;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.Map;

/** A version of an adapter that the caller may use; {@code aliases} are other names of it, {@code figures} are what its training says of it. */
public record AdapterVersion(
        String name,
        int version,
        String state,
        String kind,
        String description,
        String digest,
        String baseDigest,
        OffsetDateTime createdAt,
        OffsetDateTime activatedAt,
        List<String> aliases,
        Map<String, BigDecimal> figures) {}
