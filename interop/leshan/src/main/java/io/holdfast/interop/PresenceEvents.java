package io.holdfast.interop;

import org.eclipse.leshan.server.queue.PresenceListener;
import org.eclipse.leshan.server.registration.Registration;

/** Reports what the server believes of clients in queue mode: {@code awake}, {@code asleep}. */
final class PresenceEvents implements PresenceListener {

    private final JsonLines out;

    PresenceEvents(JsonLines out) {
        this.out = out;
    }

    @Override
    public void onAwake(Registration registration) {
        out.event("awake").put("ep", registration.getEndpoint()).put("id", registration.getId()).send();
    }

    @Override
    public void onSleeping(Registration registration) {
        out.event("asleep").put("ep", registration.getEndpoint()).put("id", registration.getId()).send();
    }
}
