package io.holdfast.interop;

import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;

import com.fasterxml.jackson.databind.JsonNode;

import org.eclipse.leshan.core.observation.CompositeObservation;
import org.eclipse.leshan.core.observation.Observation;
import org.eclipse.leshan.core.observation.SingleObservation;
import org.eclipse.leshan.core.request.CancelCompositeObservationRequest;
import org.eclipse.leshan.core.request.CancelObservationRequest;
import org.eclipse.leshan.core.request.DownlinkRequest;
import org.eclipse.leshan.core.response.LwM2mResponse;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.observation.ObservationService;

/**
 * What the server does with its observations of a client.
 * <ul>
 * <li>{@code observations}: ep; the reply has {@code observations}, each with its token and its path or paths
 * <li>{@code cancel}: ep, path or paths, or token; asks the client to end one (Observe 1), and forgets it when the
 * client has answered with success
 * <li>{@code forget}: the same arguments; forgets it without a word, so that the next notification is reset
 * </ul>
 */
final class ObservationCommands {

    private final DeviceCommands devices;
    private final ObservationService observations;

    ObservationCommands(DeviceCommands devices, LeshanServer server) {
        this.devices = devices;
        observations = server.getObservationService();
    }

    void addTo(CommandLoop commands) {
        commands.add("observations", (arguments, reply) -> reply.put("observations",
                observations.getObservations(devices.registration(arguments)).stream().map(ObservationCommands::show)
                        .toList()));
        commands.add("cancel", this::cancel);
        commands.add("forget", (arguments, reply) -> observations.cancelObservation(find(arguments)));
    }

    static Map<String, Object> show(Observation observation) {
        String token = HexFormat.of().formatHex(observation.getId().getBytes());
        if (observation instanceof SingleObservation single)
            return Map.of("token", token, "path", single.getPath().toString());
        return Map.of("token", token, "paths", paths((CompositeObservation) observation));
    }

    static List<String> paths(CompositeObservation observation) {
        return observation.getPaths().stream().map(String::valueOf).toList();
    }

    private void cancel(JsonNode arguments, JsonLines.Line reply) throws Exception {
        Observation observation = find(arguments);
        // Leshan leaves it to the application to forget what it has cancelled.
        if (devices.send(request(observation), arguments, reply))
            observations.cancelObservation(observation);
    }

    private static DownlinkRequest<? extends LwM2mResponse> request(Observation observation) {
        if (observation instanceof CompositeObservation composite)
            return new CancelCompositeObservationRequest(composite);
        return new CancelObservationRequest((SingleObservation) observation);
    }

    private Observation find(JsonNode arguments) {
        List<Observation> found = new ArrayList<>();
        for (Observation observation : observations.getObservations(devices.registration(arguments)))
            if (matches(show(observation), arguments))
                found.add(observation);
        if (found.size() != 1)
            throw new IllegalArgumentException("of " + arguments + " there are " + found.size() + " observations");
        return found.get(0);
    }

    private static boolean matches(Map<String, Object> observation, JsonNode arguments) {
        if (arguments.hasNonNull("token"))
            return observation.get("token").equals(arguments.get("token").asText());
        if (arguments.hasNonNull("paths"))
            return Arguments.strings(arguments, "paths").equals(observation.get("paths"));
        return Arguments.required(arguments, "path").equals(observation.get("path"));
    }
}
