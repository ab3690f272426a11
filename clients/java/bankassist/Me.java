package bankassist;

import java.util.List;

/** Whose key it is and what it may do. */
public record Me(String name, List<String> groups, List<String> scopes) {}
