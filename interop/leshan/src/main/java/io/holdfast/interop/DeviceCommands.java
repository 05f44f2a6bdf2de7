package io.holdfast.interop;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

import com.fasterxml.jackson.databind.JsonNode;

import org.eclipse.leshan.core.request.DownlinkRequest;
import org.eclipse.leshan.core.response.DiscoverResponse;
import org.eclipse.leshan.core.response.LwM2mResponse;
import org.eclipse.leshan.core.response.ReadCompositeResponse;
import org.eclipse.leshan.core.response.ReadResponse;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.registration.Registration;

/**
 * Operations on a registered client: ep, path, timeout_ms (5000) and what {@link RequestFactory} reads. The reply has
 * {@code code} as Leshan prints it ({@code CONTENT(205)}), {@code message} and {@code content}; no answer is
 * {@code "error":"timeout"}. {@code clients} lists the registered endpoints.
 */
final class DeviceCommands {

    private static final long TIMEOUT_MS = 5000;

    private final LeshanServer server;

    DeviceCommands(LeshanServer server) {
        this.server = server;
    }

    void addTo(CommandLoop commands) {
        commands.add("clients", (arguments, reply) -> reply.put("clients", endpoints()));
        for (String op : RequestFactory.OPERATIONS)
            commands.add(op, (arguments, reply) -> send(op, arguments, reply));
    }

    private List<String> endpoints() {
        List<String> endpoints = new ArrayList<>();
        server.getRegistrationService().getAllRegistrations()
                .forEachRemaining(registration -> endpoints.add(registration.getEndpoint()));
        return endpoints;
    }

    private void send(String op, JsonNode arguments, JsonLines.Line reply) throws Exception {
        String endpoint = Arguments.required(arguments, "ep");
        Registration registration = server.getRegistrationService().getByEndpoint(endpoint);
        if (registration == null)
            throw new IllegalStateException("not registered: " + endpoint);
        DownlinkRequest<? extends LwM2mResponse> request = RequestFactory.create(op, arguments);
        LwM2mResponse response = server.send(registration, request,
                arguments.path("timeout_ms").asLong(TIMEOUT_MS));
        report(response, reply.put("path", arguments.path("path").asText(null)));
    }

    private static void report(LwM2mResponse response, JsonLines.Line reply) {
        if (response == null) {
            reply.put("error", "timeout");
            return;
        }
        reply.put("code", response.getCode().toString()).put("message", response.getErrorMessage()).put("content",
                content(response));
    }

    private static String content(LwM2mResponse response) {
        // Observe responses are read responses.
        if (response instanceof ReadResponse read)
            return read.getContent() == null ? null : read.getContent().toString();
        if (response instanceof ReadCompositeResponse read)
            return String.valueOf(read.getContent());
        if (response instanceof DiscoverResponse discovered)
            return Arrays.toString(discovered.getObjectLinks());
        return null;
    }
}
