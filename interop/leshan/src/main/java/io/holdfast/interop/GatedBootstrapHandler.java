package io.holdfast.interop;

import org.eclipse.leshan.core.request.BootstrapDownlinkRequest;
import org.eclipse.leshan.core.request.BootstrapFinishRequest;
import org.eclipse.leshan.core.response.LwM2mResponse;
import org.eclipse.leshan.server.bootstrap.BootstrapSession;
import org.eclipse.leshan.server.bootstrap.BootstrapSessionListener;
import org.eclipse.leshan.server.bootstrap.BootstrapSessionManager;
import org.eclipse.leshan.server.bootstrap.DefaultBootstrapHandler;
import org.eclipse.leshan.server.bootstrap.request.BootstrapDownlinkRequestSender;

/** Leshan's handler, whose Finish goes through a {@link FinishGate}. */
final class GatedBootstrapHandler extends DefaultBootstrapHandler {

    private final FinishGate gate;

    GatedBootstrapHandler(BootstrapDownlinkRequestSender sender, BootstrapSessionManager manager,
            BootstrapSessionListener listener, FinishGate gate) {
        super(sender, manager, listener);
        this.gate = gate;
    }

    @Override
    protected void sendRequest(BootstrapSession session,
            BootstrapDownlinkRequest<? extends LwM2mResponse> request) {
        if (request instanceof BootstrapFinishRequest)
            gate.pass(session.getEndpoint(), () -> super.sendRequest(session, request));
        else
            super.sendRequest(session, request);
    }
}
