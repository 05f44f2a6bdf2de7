package io.holdfast.interop;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

import com.fasterxml.jackson.databind.JsonNode;

/**
 * Keeps back the Bootstrap-Finish of chosen endpoints. {@code hold} (ep) closes the gate, {@code release} (ep) opens it
 * and lets a waiting Finish go; the event {@code bs_held} tells that everything before the Finish has been answered.
 */
final class FinishGate {

    private final JsonLines out;
    private final Set<String> closed = new HashSet<>();
    private final Map<String, Runnable> waiting = new HashMap<>();

    FinishGate(JsonLines out) {
        this.out = out;
    }

    void addTo(CommandLoop commands) {
        commands.add("hold", (arguments, reply) -> close(Arguments.required(arguments, "ep")));
        commands.add("release", (arguments, reply) -> reply.put("released", open(arguments)));
    }

    /** Runs {@code finish} at once, or when the endpoint is released. A newer session replaces an older one. */
    void pass(String endpoint, Runnable finish) {
        if (park(endpoint, finish))
            out.event("bs_held").put("ep", endpoint).send();
        else
            finish.run();
    }

    private synchronized boolean park(String endpoint, Runnable finish) {
        if (!closed.contains(endpoint))
            return false;
        waiting.put(endpoint, finish);
        return true;
    }

    private synchronized void close(String endpoint) {
        closed.add(endpoint);
    }

    private boolean open(JsonNode arguments) {
        Runnable finish = take(Arguments.required(arguments, "ep"));
        if (finish != null)
            finish.run();
        return finish != null;
    }

    private synchronized Runnable take(String endpoint) {
        closed.remove(endpoint);
        return waiting.remove(endpoint);
    }
}
