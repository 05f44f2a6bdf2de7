package io.holdfast.interop;

import java.util.Arrays;
import java.util.Collection;

import org.eclipse.leshan.core.link.Link;
import org.eclipse.leshan.core.node.TimestampedLwM2mNodes;
import org.eclipse.leshan.core.observation.Observation;
import org.eclipse.leshan.core.request.SendRequest;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.registration.Registration;
import org.eclipse.leshan.server.registration.RegistrationListener;
import org.eclipse.leshan.server.registration.RegistrationUpdate;
import org.eclipse.leshan.server.send.SendListener;

/**
 * Reports what clients register and send: {@code registered}, {@code updated}, {@code unregistered}, {@code send},
 * {@code send_error}. The {@code objects} of a registration are its {@link Links}, the {@code samples} of a Send those
 * of {@link NodeWriter}.
 */
final class ManagementEvents implements RegistrationListener, SendListener {

    private final JsonLines out;

    ManagementEvents(JsonLines out) {
        this.out = out;
    }

    void listenTo(LeshanServer server) {
        server.getRegistrationService().addListener(this);
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
                .put("objects", Links.byPath(registration.getSortedObjectLinks()))
                .put("addr", registration.getSocketAddress().toString())
                .put("previous", previous == null ? null : previous.getId())
                .put("observations", cancelled == null ? 0 : cancelled.size()).send();
    }

    @Override
    public void updated(RegistrationUpdate update, Registration registration, Registration previous) {
        about("updated", registration).put("lifetime", update.getLifeTimeInSec())
                .put("links", links(update.getObjectLinks())).put("objects", Links.byPath(update.getObjectLinks()))
                .put("binding", registration.getBindingMode().toString()).put("queue", registration.usesQueueMode())
                .put("addr", registration.getSocketAddress().toString()).send();
    }

    @Override
    public void unregistered(Registration registration, Collection<Observation> cancelled, boolean expired,
            Registration successor) {
        about("unregistered", registration).put("expired", expired).put("replaced", successor != null).send();
    }

    @Override
    public void dataReceived(Registration registration, TimestampedLwM2mNodes data, SendRequest request) {
        about("send", registration).put("format", request.getFormat().getName()).put("data", data.toString())
                .put("samples", NodeWriter.samples(data)).send();
    }

    @Override
    public void onError(Registration registration, String message, Exception error) {
        about("send_error", registration).put("message", message).put("error", String.valueOf(error)).send();
    }
}
