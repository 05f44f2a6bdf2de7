package io.holdfast.interop;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

import com.fasterxml.jackson.databind.JsonNode;

import org.eclipse.leshan.core.model.LwM2mModel;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.node.LwM2mSingleResource;
import org.eclipse.leshan.core.request.ContentFormat;
import org.eclipse.leshan.core.request.DownlinkRequest;
import org.eclipse.leshan.core.request.WriteRequest;
import org.eclipse.leshan.core.response.LwM2mResponse;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.registration.Registration;

/**
 * Operations on a registered client: ep, timeout_ms (5000, at most 50000) and what {@link RequestFactory} reads. The
 * reply is a {@link Replies}; no answer is {@code "error":"timeout"}. {@code clients} lists the registered endpoints,
 * {@code presence} tells whether a client in queue mode is {@code awake}. {@code push} writes a {@code file} to an opaque
 * resource as it is, timeout_ms 600000 at most and when absent.
 */
final class DeviceCommands {

    private static final long TIMEOUT_MS = 5000;
    /** Below what the tests give a reply, so that they hear of the timeout. */
    private static final long MAX_TIMEOUT_MS = 50_000;
    /** For a body of ten thousand blocks on a busy machine. */
    private static final long PUSH_TIMEOUT_MS = 600_000;

    private final LeshanServer server;

    DeviceCommands(LeshanServer server) {
        this.server = server;
    }

    void addTo(CommandLoop commands) {
        commands.add("clients", (arguments, reply) -> reply.put("clients", endpoints()));
        commands.add("presence", (arguments, reply) -> reply.put("awake",
                server.getPresenceService().isClientAwake(registration(arguments))));
        commands.add("push", this::push);
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

    private void push(JsonNode arguments, JsonLines.Line reply) throws Exception {
        WriteRequest request = write(new LwM2mPath(Arguments.required(arguments, "path")),
                Path.of(Arguments.required(arguments, "file")));
        send(request, arguments, reply, timeout(arguments, PUSH_TIMEOUT_MS, PUSH_TIMEOUT_MS));
    }

    private static WriteRequest write(LwM2mPath path, Path file) throws IOException {
        var resource = LwM2mSingleResource.newBinaryResource(path.getResourceId(), Files.readAllBytes(file));
        return new WriteRequest(WriteRequest.Mode.REPLACE, ContentFormat.OPAQUE, path, resource, null);
    }

    /** @return whether the client has answered with success */
    boolean send(DownlinkRequest<? extends LwM2mResponse> request, JsonNode arguments, JsonLines.Line reply)
            throws Exception {
        return send(request, arguments, reply, timeout(arguments, TIMEOUT_MS, MAX_TIMEOUT_MS));
    }

    private boolean send(DownlinkRequest<? extends LwM2mResponse> request, JsonNode arguments, JsonLines.Line reply,
            long timeout) throws Exception {
        LwM2mResponse response = server.send(registration(arguments), request, timeout);
        if (response == null)
            reply.put("error", Failure.TIMEOUT).put("failure", Failure.TIMEOUT);
        else
            Replies.report(request, response, reply);
        return response != null && response.isSuccess();
    }

    private static long timeout(JsonNode arguments, long absent, long most) {
        long timeout = arguments.path("timeout_ms").asLong(absent);
        if (timeout < 1 || timeout > most)
            throw new IllegalArgumentException("argument timeout_ms is not 1 to " + most);
        return timeout;
    }
}
