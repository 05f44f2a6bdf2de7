package io.holdfast.interop;

import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.peer.LwM2mPeer;
import org.eclipse.leshan.core.request.BootstrapDownlinkRequest;
import org.eclipse.leshan.core.request.BootstrapRequest;
import org.eclipse.leshan.core.response.LwM2mResponse;
import org.eclipse.leshan.server.bootstrap.BootstrapFailureCause;
import org.eclipse.leshan.server.bootstrap.BootstrapSession;
import org.eclipse.leshan.server.bootstrap.BootstrapSessionListener;

/**
 * Reports the course of bootstrap sessions: {@code bs_initiated}, {@code bs_unauthorized}, {@code bs_authorized},
 * {@code bs_no_config}, {@code bs_request}, {@code bs_response}, {@code bs_response_error},
 * {@code bs_request_failure}, {@code bs_end}, {@code bs_failed}. A request is named by its {@code kind}, Leshan's class
 * name, and its {@code path}; payloads hold keys and are not shown.
 */
final class BootstrapEvents implements BootstrapSessionListener {

    private final JsonLines out;

    BootstrapEvents(JsonLines out) {
        this.out = out;
    }

    private JsonLines.Line about(String event, BootstrapSession session) {
        return out.event(event).put("ep", session.getEndpoint());
    }

    private JsonLines.Line about(String event, BootstrapSession session,
            BootstrapDownlinkRequest<? extends LwM2mResponse> request) {
        LwM2mPath path = request.getPath();
        return about(event, session).put("kind", request.getClass().getSimpleName()).put("path",
                path == null ? null : path.toString());
    }

    @Override
    public void sessionInitiated(BootstrapRequest request, LwM2mPeer client) {
        out.event("bs_initiated").put("ep", request.getEndpointName())
                .put("format", String.valueOf(request.getPreferredContentFormat())).send();
    }

    @Override
    public void unAuthorized(BootstrapRequest request, LwM2mPeer client) {
        out.event("bs_unauthorized").put("ep", request.getEndpointName()).send();
    }

    @Override
    public void authorized(BootstrapSession session) {
        about("bs_authorized", session).send();
    }

    @Override
    public void noConfig(BootstrapSession session) {
        about("bs_no_config", session).send();
    }

    @Override
    public void sendRequest(BootstrapSession session, BootstrapDownlinkRequest<? extends LwM2mResponse> request) {
        about("bs_request", session, request).send();
    }

    @Override
    public void onResponseSuccess(BootstrapSession session,
            BootstrapDownlinkRequest<? extends LwM2mResponse> request, LwM2mResponse response) {
        about("bs_response", session, request).put("code", response.getCode().toString()).send();
    }

    @Override
    public void onResponseError(BootstrapSession session, BootstrapDownlinkRequest<? extends LwM2mResponse> request,
            LwM2mResponse response) {
        about("bs_response_error", session, request).put("code", response.getCode().toString())
                .put("message", response.getErrorMessage()).send();
    }

    @Override
    public void onRequestFailure(BootstrapSession session,
            BootstrapDownlinkRequest<? extends LwM2mResponse> request, Throwable cause) {
        about("bs_request_failure", session, request).put("error", String.valueOf(cause)).send();
    }

    @Override
    public void end(BootstrapSession session) {
        about("bs_end", session).send();
    }

    @Override
    public void failed(BootstrapSession session, BootstrapFailureCause cause) {
        about("bs_failed", session).put("cause", cause.toString()).send();
    }
}
