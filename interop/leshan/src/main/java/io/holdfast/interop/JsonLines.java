package io.holdfast.interop;

import java.io.PrintStream;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;

/** Writes JSON objects, one a line, each with {@code t}, the wall clock in milliseconds. Safe for many threads. */
final class JsonLines {

    private static final ObjectMapper MAPPER = new ObjectMapper();

    private final PrintStream out;

    JsonLines(PrintStream out) {
        this.out = out;
    }

    /** Starts a line that reports something that happened. */
    Line event(String name) {
        return new Line().put("event", name);
    }

    /** Starts the line that answers a command; {@code seq} is the command's own, or missing. */
    Line reply(JsonNode seq) {
        Line line = new Line();
        if (!seq.isMissingNode())
            line.node.set("seq", seq);
        return line;
    }

    static JsonNode parse(String line) throws java.io.IOException {
        return MAPPER.readTree(line);
    }

    private synchronized void write(ObjectNode node) {
        out.println(node);
        out.flush();
    }

    /** One line under construction. Values are anything that Jackson serialises. */
    final class Line {

        private final ObjectNode node = MAPPER.createObjectNode();

        private Line() {
            node.put("t", System.currentTimeMillis());
        }

        Line put(String name, Object value) {
            node.set(name, MAPPER.valueToTree(value));
            return this;
        }

        void send() {
            write(node);
        }
    }
}
