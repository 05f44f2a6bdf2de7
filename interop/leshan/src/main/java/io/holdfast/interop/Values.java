package io.holdfast.interop;

import java.math.BigInteger;
import java.time.Instant;
import java.util.Date;
import java.util.HexFormat;

import com.fasterxml.jackson.databind.JsonNode;

import org.eclipse.leshan.core.link.DefaultLinkParser;
import org.eclipse.leshan.core.link.DefaultLinkSerializer;
import org.eclipse.leshan.core.link.Link;
import org.eclipse.leshan.core.link.LinkParseException;
import org.eclipse.leshan.core.model.ResourceModel.Type;
import org.eclipse.leshan.core.node.ObjectLink;
import org.eclipse.leshan.core.util.datatype.ULong;

/**
 * Values of resources in JSON. Both ways: a string, a boolean and a float are themselves; an integer is a number, or its
 * decimal digits in a string when a double cannot hold it; opaque is hexadecimal; a time is ISO 8601 in UTC; an object
 * link is {@code "3:0"}; core links are in link format. A float that is no number is {@code "NaN"}, {@code "Infinity"}
 * or {@code "-Infinity"}.
 */
final class Values {

    /** The largest integer up to which a double holds each. */
    private static final BigInteger EXACT = BigInteger.ONE.shiftLeft(53);

    private Values() {
    }

    static Object toJson(Object value, Type type) {
        return switch (type) {
        case INTEGER, UNSIGNED_INTEGER -> integer(new BigInteger(value.toString()));
        case FLOAT -> Double.isFinite((Double) value) ? value : value.toString();
        case OPAQUE -> HexFormat.of().formatHex((byte[]) value);
        case TIME -> ((Date) value).toInstant().toString();
        case OBJLNK -> ((ObjectLink) value).encodeToString();
        case CORELINK -> new DefaultLinkSerializer().serializeCoreLinkFormat((Link[]) value);
        default -> value;
        };
    }

    private static Object integer(BigInteger value) {
        return value.abs().compareTo(EXACT) <= 0 ? value.longValue() : value.toString();
    }

    static Object fromJson(JsonNode json, Type type) throws LinkParseException {
        String text = json.asText();
        return switch (type) {
        case INTEGER -> Long.valueOf(text);
        case UNSIGNED_INTEGER -> ULong.valueOf(text);
        case FLOAT -> Double.valueOf(text);
        case BOOLEAN -> bool(text);
        case OPAQUE -> HexFormat.of().parseHex(text);
        case TIME -> Date.from(Instant.parse(text));
        case OBJLNK -> ObjectLink.decodeFromString(text);
        case CORELINK -> new DefaultLinkParser().parseCoreLinkFormat(text.getBytes());
        case STRING -> text;
        default -> throw new IllegalArgumentException("a resource of type " + type + " has no value");
        };
    }

    /** @return the type of a value whose resource is not in the model */
    static Type guess(JsonNode json) {
        if (json.isTextual())
            return Type.STRING;
        if (json.isBoolean())
            return Type.BOOLEAN;
        if (json.isIntegralNumber())
            return Type.INTEGER;
        if (json.isNumber())
            return Type.FLOAT;
        throw new IllegalArgumentException("value " + json + " is not a string, a boolean or a number");
    }

    private static Boolean bool(String text) {
        return switch (text) {
        case "true", "1" -> true;
        case "false", "0" -> false;
        default -> throw new IllegalArgumentException("value " + text + " is not a boolean");
        };
    }
}
