package io.holdfast.interop;

import org.eclipse.leshan.core.node.codec.CodecException;
import org.eclipse.leshan.core.request.exception.ClientSleepingException;
import org.eclipse.leshan.core.request.exception.InvalidRequestException;
import org.eclipse.leshan.core.request.exception.InvalidResponseException;
import org.eclipse.leshan.core.request.exception.RequestCanceledException;
import org.eclipse.leshan.core.request.exception.RequestRejectedException;
import org.eclipse.leshan.core.request.exception.TimeoutException;
import org.eclipse.leshan.core.request.exception.UnconnectedPeerException;

/** The words for why an operation has no answer: the {@code failure} of a reply beside its {@code error}. */
final class Failure {

    static final String TIMEOUT = "timeout";
    static final String NOT_REGISTERED = "not_registered";

    private Failure() {
    }

    static String of(Exception e) {
        if (e instanceof NotRegisteredException)
            return NOT_REGISTERED;
        if (e instanceof ClientSleepingException)
            return "sleeping";
        if (e instanceof UnconnectedPeerException)
            return "unconnected";
        if (e instanceof TimeoutException)
            return TIMEOUT;
        if (e instanceof RequestRejectedException)
            return "reset";
        if (e instanceof RequestCanceledException)
            return "cancelled";
        if (e instanceof InvalidResponseException)
            return "invalid_response";
        if (e instanceof InvalidRequestException || e instanceof CodecException)
            return "invalid_request";
        return e instanceof IllegalArgumentException ? "bad_command" : "internal";
    }

    /** Tells that there is no registration of that endpoint. */
    static final class NotRegisteredException extends IllegalStateException {

        private static final long serialVersionUID = 1;

        NotRegisteredException(String endpoint) {
            super("not registered: " + endpoint);
        }
    }
}
