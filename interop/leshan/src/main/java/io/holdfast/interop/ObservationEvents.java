package io.holdfast.interop;

import java.util.List;
import java.util.Map;

import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.observation.CompositeObservation;
import org.eclipse.leshan.core.observation.Observation;
import org.eclipse.leshan.core.observation.SingleObservation;
import org.eclipse.leshan.core.response.LwM2mResponse;
import org.eclipse.leshan.core.response.ObserveCompositeResponse;
import org.eclipse.leshan.core.response.ObserveResponse;
import org.eclipse.leshan.server.observation.ObservationListener;
import org.eclipse.leshan.server.registration.Registration;
import org.eclipse.leshan.server.registration.RegistrationService;

/**
 * Reports {@code notify}, {@code notify_error} and {@code observation_cancelled}, each with the {@code token} and the
 * {@code path} or {@code paths} of the observation. A notification has {@code values} when they have no time, else
 * {@code samples} ({@link NodeWriter}), and what {@link CoapDetails} has.
 */
final class ObservationEvents implements ObservationListener {

    private final JsonLines out;
    private final RegistrationService registrations;

    ObservationEvents(JsonLines out, RegistrationService registrations) {
        this.out = out;
        this.registrations = registrations;
    }

    private JsonLines.Line about(String event, Observation observation) {
        JsonLines.Line line = out.event(event).put("id", observation.getRegistrationId());
        Registration registration = registrations.getById(observation.getRegistrationId());
        // An observation may outlive its registration.
        if (registration != null)
            line.put("ep", registration.getEndpoint());
        ObservationCommands.show(observation).forEach(line::put);
        return line;
    }

    private JsonLines.Line notification(Observation observation, LwM2mResponse response, Object content) {
        JsonLines.Line line = about("notify", observation).put("code", response.getCode().toString())
                .put("message", response.getErrorMessage()).put("content", String.valueOf(content));
        CoapDetails.put(response, line);
        return line;
    }

    @Override
    public void newObservation(Observation observation, Registration registration) {
        // The reply to the command that has observed reports it.
    }

    @Override
    public void cancelled(Observation observation) {
        about("observation_cancelled", observation).send();
    }

    @Override
    public void onResponse(SingleObservation observation, Registration registration, ObserveResponse response) {
        LwM2mPath path = observation.getPath();
        JsonLines.Line line = notification(observation, response, response.getContent());
        List<Map<String, Object>> samples = response.getTimestampedLwM2mNodes() == null ? null
                : NodeWriter.samples(path, response.getTimestampedLwM2mNodes());
        content(line, samples, NodeWriter.values(path, response.getContent()));
    }

    @Override
    public void onResponse(CompositeObservation observation, Registration registration,
            ObserveCompositeResponse response) {
        JsonLines.Line line = notification(observation, response, response.getContent());
        List<Map<String, Object>> samples = response.getTimestampedLwM2mNodes() == null ? null
                : NodeWriter.samples(response.getTimestampedLwM2mNodes());
        content(line, samples, NodeWriter.values(response.getContent()));
    }

    private static void content(JsonLines.Line line, List<Map<String, Object>> samples, Map<String, Object> values) {
        if (samples == null)
            line.put("values", values).send();
        else
            line.put("samples", samples).send();
    }

    @Override
    public void onError(Observation observation, Registration registration, Exception error) {
        about("notify_error", observation).put("error", String.valueOf(error)).put("failure", Failure.of(error))
                .send();
    }
}
