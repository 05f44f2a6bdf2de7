package io.holdfast.interop;

import java.util.ArrayList;
import java.util.List;

import com.fasterxml.jackson.databind.JsonNode;

import org.eclipse.leshan.core.model.LwM2mModel;
import org.eclipse.leshan.core.request.DownlinkRequest;
import org.eclipse.leshan.core.response.LwM2mResponse;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.registration.Registration;

/**
 * Operations on a registered client: ep, timeout_ms (5000, at most 50000) and what {@link RequestFactory} reads. The
 * reply is a {@link Replies}; no answer is {@code "error":"timeout"}. {@code clients} lists the registered endpoints,
 * {@code presence} tells whether a client in queue mode is {@code awake}.
 */
final class DeviceCommands {

    private static final long TIMEOUT_MS = 5000;
    /** Below what the tests give a reply, so that they hear of the timeout. */
    private static final long MAX_TIMEOUT_MS = 50_000;

    private final LeshanServer server;

    DeviceCommands(LeshanServer server) {
        this.server = server;
    }

    void addTo(CommandLoop commands) {
        commands.add("clients", (arguments, reply) -> reply.put("clients", endpoints()));
        commands.add("presence", (arguments, reply) -> reply.put("awake",
                server.getPresenceService().isClientAwake(registration(arguments))));
        for (String op : RequestFactory.OPERATIONS)
            commands.add(op, (arguments, reply) -> send(op, arguments, reply));
    }

    private List<String> endpoints() {
        List<String> endpoints = new ArrayList<>();
        server.getRegistrationService().getAllRegistrations()
                .forEachRemaining(registration -> endpoints.add(registration.getEndpoint()));
        return endpoints;
    }

    Registration registration(JsonNode arguments) {
        String endpoint = Arguments.required(arguments, "ep");
        Registration registration = server.getRegistrationService().getByEndpoint(endpoint);
        if (registration == null)
            throw new Failure.NotRegisteredException(endpoint);
        return registration;
    }

    private void send(String op, JsonNode arguments, JsonLines.Line reply) throws Exception {
        LwM2mModel model = server.getModelProvider().getObjectModel(registration(arguments));
        send(new RequestFactory(arguments, model).create(op), arguments, reply);
    }

    /** @return whether the client has answered with success */
    boolean send(DownlinkRequest<? extends LwM2mResponse> request, JsonNode arguments, JsonLines.Line reply)
            throws Exception {
        LwM2mResponse response = server.send(registration(arguments), request, timeout(arguments));
        if (response == null)
            reply.put("error", Failure.TIMEOUT).put("failure", Failure.TIMEOUT);
        else
            Replies.report(request, response, reply);
        return response != null && response.isSuccess();
    }

    private static long timeout(JsonNode arguments) {
        long timeout = arguments.path("timeout_ms").asLong(TIMEOUT_MS);
        if (timeout < 1 || timeout > MAX_TIMEOUT_MS)
            throw new IllegalArgumentException("argument timeout_ms is not 1 to " + MAX_TIMEOUT_MS);
        return timeout;
    }
}
