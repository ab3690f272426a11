package bankassist;

import java.lang.reflect.Constructor;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.math.BigDecimal;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Records from JSON objects and back; {@code documentId} is {@code document_id} in JSON. Members that a record does not have are passed over, since newer
 * services may send more; members that are missing are null. What is null is not written.
 */
final class Records {
    private Records() {}

    /**
     * @throws IllegalArgumentException with the member that does not fit
     */
    static <R> R read(Object json, Class<R> type) {
        return type.cast(read(json, (Type) type, type.getSimpleName()));
    }

    static Map<String, Object> write(Record record) {
        Map<String, Object> members = new LinkedHashMap<>();
        for (RecordComponent component : record.getClass().getRecordComponents()) {
            try {
                Object value = component.getAccessor().invoke(record);
                if (value != null) {
                    members.put(name(component), written(value));
                }
            } catch (ReflectiveOperationException error) {
                throw new IllegalStateException(error);
            }
        }
        return members;
    }

    private static Object written(Object value) {
        if (value instanceof List<?> items) {
            return items.stream().map(Records::written).toList();
        }
        return value instanceof Record record ? write(record) : value;
    }

    private static Object read(Object json, Type type, String place) {
        if (type instanceof ParameterizedType generic) {
            return json == null ? null : generic.getRawType() == List.class ? list(json, generic, place) : map(json, generic, place);
        }
        Class<?> plain = (Class<?>) type;
        if (json == null) {
            if (plain.isPrimitive()) {
                throw new IllegalArgumentException(place + " is missing");
            }
            return null;
        }
        try {
            if (plain == int.class || plain == Integer.class) {
                return ((BigDecimal) json).intValueExact();
            } else if (plain == LocalDate.class) {
                return LocalDate.parse((String) json);
            } else if (plain == OffsetDateTime.class) {
                return OffsetDateTime.parse((String) json);
            } else if (plain.isRecord()) {
                return record((Map<?, ?>) json, plain, place);
            }
            return plain == boolean.class ? (Boolean) json : plain.cast(json);
        } catch (ClassCastException | ArithmeticException | java.time.DateTimeException error) {
            throw new IllegalArgumentException(place + " is no " + plain.getSimpleName());
        }
    }

    private static Object record(Map<?, ?> members, Class<?> type, String place) {
        RecordComponent[] components = type.getRecordComponents();
        Class<?>[] types = new Class<?>[components.length];
        Object[] values = new Object[components.length];
        for (int index = 0; index < components.length; index++) {
            String name = name(components[index]);
            types[index] = components[index].getType();
            values[index] = read(members.get(name), components[index].getGenericType(), place + "." + name);
        }
        try {
            Constructor<?> constructor = type.getDeclaredConstructor(types);
            constructor.setAccessible(true);
            return constructor.newInstance(values);
        } catch (ReflectiveOperationException error) {
            throw new IllegalStateException(error);
        }
    }

    private static List<Object> list(Object json, ParameterizedType type, String place) {
        if (!(json instanceof List<?> items)) {
            throw new IllegalArgumentException(place + " is no List");
        }
        List<Object> values = new ArrayList<>();
        for (Object item : items) {
            values.add(read(item, type.getActualTypeArguments()[0], place + "[" + values.size() + "]"));
        }
        return java.util.Collections.unmodifiableList(values);
    }

    private static Map<String, Object> map(Object json, ParameterizedType type, String place) {
        if (!(json instanceof Map<?, ?> members)) {
            throw new IllegalArgumentException(place + " is no Map");
        }
        Map<String, Object> values = new LinkedHashMap<>();
        members.forEach((name, value) -> values.put((String) name, read(value, type.getActualTypeArguments()[1], place + "." + name)));
        return java.util.Collections.unmodifiableMap(values);
    }

    private static String name(RecordComponent component) {
        return component.getName().replaceAll("([A-Z])", "_$1").toLowerCase(java.util.Locale.ROOT);
    }
}
