package io.holdfast.interop;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

import com.fasterxml.jackson.databind.JsonNode;

/**
 * Reads commands and runs them one after the other. Each gets exactly one reply, which repeats the command's
 * {@code op} and {@code seq} and carries {@code error}, and {@code failure} ({@link Failure}), when it failed.
 */
final class CommandLoop {

    /** What a command does: reads its arguments and fills in its reply. */
    interface Command {
        void run(JsonNode arguments, JsonLines.Line reply) throws Exception;
    }

    private final JsonLines out;
    private final Map<String, Command> commands = new HashMap<>();

    CommandLoop(JsonLines out) {
        this.out = out;
    }

    void add(String op, Command command) {
        commands.put(op, command);
    }

    /** Runs until the stream ends. */
    void run(InputStream stream) throws IOException {
        BufferedReader in = new BufferedReader(new InputStreamReader(stream, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            if (!line.isBlank())
                obey(line);
        }
    }

    private void obey(String line) {
        JsonNode command;
        try {
            command = JsonLines.parse(line);
        } catch (IOException e) {
            out.event("bad_command").put("error", e.getMessage()).send();
            return;
        }
        String op = command.path("op").asText();
        JsonLines.Line reply = out.reply(command.path("seq")).put("op", op);
        try {
            find(op).run(command, reply);
        } catch (Exception e) {
            reply.put("error", e.toString()).put("failure", Failure.of(e));
        }
        reply.send();
    }

    private Command find(String op) {
        Command command = commands.get(op);
        if (command == null)
            throw new IllegalArgumentException("unknown op");
        return command;
    }
}
