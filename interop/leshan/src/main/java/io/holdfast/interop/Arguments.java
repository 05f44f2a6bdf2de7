package io.holdfast.interop;

import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

import com.fasterxml.jackson.databind.JsonNode;

import org.eclipse.leshan.core.request.ContentFormat;

/** Reads typed arguments out of a command. */
final class Arguments {

    private Arguments() {
    }

    static String required(JsonNode node, String name) {
        if (!node.hasNonNull(name))
            throw new IllegalArgumentException("argument " + name + " is missing");
        return node.get(name).asText();
    }

    /** @return the bytes of a hexadecimal argument, none when it is absent */
    static byte[] hex(JsonNode node, String name) {
        return HexFormat.of().parseHex(node.path(name).asText(""));
    }

    static List<String> strings(JsonNode node, String name) {
        List<String> values = new ArrayList<>();
        node.path(name).forEach(value -> values.add(value.asText()));
        return values;
    }

    /** @return the content format by Leshan's name (TLV, SENML_CBOR, TEXT ...), null when absent: Leshan's choice */
    static ContentFormat format(JsonNode node, String argument) {
        if (!node.hasNonNull(argument))
            return null;
        String name = node.get(argument).asText();
        ContentFormat format = ContentFormat.fromName(name);
        if (format == null)
            throw new IllegalArgumentException("unknown format " + name);
        return format;
    }
}
