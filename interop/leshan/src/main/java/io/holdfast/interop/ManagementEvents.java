package io.holdfast.interop;

import java.util.Arrays;
import java.util.Collection;

import org.eclipse.leshan.core.link.Link;
import org.eclipse.leshan.core.node.TimestampedLwM2mNodes;
import org.eclipse.leshan.core.observation.CompositeObservation;
import org.eclipse.leshan.core.observation.Observation;
import org.eclipse.leshan.core.observation.SingleObservation;
import org.eclipse.leshan.core.request.SendRequest;
import org.eclipse.leshan.core.response.ObserveCompositeResponse;
import org.eclipse.leshan.core.response.ObserveResponse;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.observation.ObservationListener;
import org.eclipse.leshan.server.registration.Registration;
import org.eclipse.leshan.server.registration.RegistrationListener;
import org.eclipse.leshan.server.registration.RegistrationUpdate;
import org.eclipse.leshan.server.send.SendListener;

/**
 * Reports what clients do: {@code registered}, {@code updated}, {@code unregistered}, {@code notify},
 * {@code notify_error}, {@code observation_cancelled}, {@code send}, {@code send_error}.
 */
final class ManagementEvents implements RegistrationListener, ObservationListener, SendListener {

    private final JsonLines out;

    ManagementEvents(JsonLines out) {
        this.out = out;
    }

    void listenTo(LeshanServer server) {
        server.getRegistrationService().addListener(this);
        server.getObservationService().addListener(this);
        server.getSendService().addListener(this);
    }

    private JsonLines.Line about(String event, Registration registration) {
        JsonLines.Line line = out.event(event);
        // A listener may be called for a registration that is gone already.
        if (registration != null)
            line.put("ep", registration.getEndpoint()).put("id", registration.getId());
        return line;
    }

    private static String links(Link[] links) {
        return links == null ? null : Arrays.toString(links);
    }

    @Override
    public void registered(Registration registration, Registration previous, Collection<Observation> cancelled) {
        about("registered", registration).put("lifetime", registration.getLifeTimeInSec())
                .put("version", registration.getLwM2mVersion().toString())
                .put("binding", registration.getBindingMode().toString()).put("queue", registration.usesQueueMode())
                .put("links", links(registration.getSortedObjectLinks()))
                .put("addr", registration.getSocketAddress().toString())
                .put("previous", previous == null ? null : previous.getId()).send();
    }

    @Override
    public void updated(RegistrationUpdate update, Registration registration, Registration previous) {
        about("updated", registration).put("lifetime", update.getLifeTimeInSec())
                .put("links", links(update.getObjectLinks())).put("addr", registration.getSocketAddress().toString())
                .send();
    }

    @Override
    public void unregistered(Registration registration, Collection<Observation> cancelled, boolean expired,
            Registration successor) {
        about("unregistered", registration).put("expired", expired).put("replaced", successor != null).send();
    }

    @Override
    public void newObservation(Observation observation, Registration registration) {
        // The reply to the observe command has reported it.
    }

    @Override
    public void cancelled(Observation observation) {
        out.event("observation_cancelled").put("id", observation.getRegistrationId()).send();
    }

    @Override
    public void onResponse(SingleObservation observation, Registration registration, ObserveResponse response) {
        about("notify", registration).put("path", observation.getPath().toString())
                .put("code", response.getCode().toString()).put("content", String.valueOf(response.getContent()))
                .send();
    }

    @Override
    public void onResponse(CompositeObservation observation, Registration registration,
            ObserveCompositeResponse response) {
        about("notify", registration).put("paths", observation.getPaths().toString())
                .put("code", response.getCode().toString()).put("content", String.valueOf(response.getContent()))
                .send();
    }

    @Override
    public void onError(Observation observation, Registration registration, Exception error) {
        about("notify_error", registration).put("error", String.valueOf(error)).send();
    }

    @Override
    public void dataReceived(Registration registration, TimestampedLwM2mNodes data, SendRequest request) {
        about("send", registration).put("data", data.toString()).send();
    }

    @Override
    public void onError(Registration registration, String message, Exception error) {
        about("send_error", registration).put("message", message).put("error", String.valueOf(error)).send();
    }
}
