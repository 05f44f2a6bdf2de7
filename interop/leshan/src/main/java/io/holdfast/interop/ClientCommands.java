package io.holdfast.interop;

import com.fasterxml.jackson.databind.JsonNode;

import org.eclipse.leshan.client.LeshanClient;
import org.eclipse.leshan.client.send.ManualDataSender;
import org.eclipse.leshan.client.servers.LwM2mServer;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.request.WriteRequest;
import org.eclipse.leshan.core.response.SendResponse;
import org.eclipse.leshan.core.response.WriteResponse;

/**
 * What Leshan's client does of its own accord.
 * <ul>
 * <li>{@code change}: path, value; as if the device had measured it
 * <li>{@code update}: sends an Update
 * <li>{@code send}: paths, format; sends what they have now, and waits for the answer
 * <li>{@code collect}: paths; keeps what they have now, with the time
 * <li>{@code send_collected}: format; sends what was collected
 * </ul>
 */
final class ClientCommands {

    private static final long TIMEOUT_MS = 5000;

    private static final int REGISTERED_TRIES = 100;

    private static final long REGISTERED_EVERY_MS = 50;

    private final LeshanClient client;

    ClientCommands(LeshanClient client) {
        this.client = client;
    }

    void addTo(CommandLoop commands) {
        commands.add("change", this::change);
        commands.add("update", (arguments, reply) -> client.triggerRegistrationUpdate());
        commands.add("send", this::send);
        commands.add("collect", (arguments, reply) -> collector()
                .collectData(LwM2mPath.getLwM2mPathList(Arguments.strings(arguments, "paths"))));
        commands.add("send_collected", (arguments, reply) -> collector().sendCollectedData(server(),
                Arguments.format(arguments, "format"), TIMEOUT_MS, false));
    }

    private void change(JsonNode arguments, JsonLines.Line reply) throws Exception {
        LwM2mPath path = new LwM2mPath(Arguments.required(arguments, "path"));
        var node = new NodeReader(client.getObjectTree().getModel(), null).node(path, arguments.path("value"));
        var request = new WriteRequest(WriteRequest.Mode.REPLACE, null, path, node, null);
        WriteResponse response = client.getObjectTree().getObjectEnabler(path.getObjectId()).write(LwM2mServer.SYSTEM,
                request);
        reply.put("code", response.getCode().toString()).put("message", response.getErrorMessage());
    }

    private void send(JsonNode arguments, JsonLines.Line reply) throws Exception {
        SendResponse response = client.getSendService().sendData(server(), Arguments.format(arguments, "format"),
                Arguments.strings(arguments, "paths"), TIMEOUT_MS);
        if (response == null)
            reply.put("error", Failure.TIMEOUT).put("failure", Failure.TIMEOUT);
        else
            reply.put("code", response.getCode().toString());
    }

    private ManualDataSender collector() {
        return client.getSendService().getDataSender(ManualDataSender.DEFAULT_NAME, ManualDataSender.class);
    }

    /**
     * The server that has registered the client. It knows of that before the client does, which waits for the answer.
     */
    private LwM2mServer server() throws InterruptedException {
        for (int i = 0; i < REGISTERED_TRIES && client.getRegisteredServers().isEmpty(); i++) {
            Thread.sleep(REGISTERED_EVERY_MS);
        }
        return client.getRegisteredServers().values().iterator().next();
    }
}
