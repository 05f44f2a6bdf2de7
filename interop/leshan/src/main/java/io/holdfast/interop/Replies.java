package io.holdfast.interop;

import java.util.Arrays;

import org.eclipse.leshan.core.request.CompositeDownlinkRequest;
import org.eclipse.leshan.core.request.DownlinkRequest;
import org.eclipse.leshan.core.request.SimpleDownlinkRequest;
import org.eclipse.leshan.core.response.CreateResponse;
import org.eclipse.leshan.core.response.DiscoverResponse;
import org.eclipse.leshan.core.response.LwM2mResponse;
import org.eclipse.leshan.core.response.ReadCompositeResponse;
import org.eclipse.leshan.core.response.ReadResponse;

/**
 * What a client has answered: {@code path} or {@code paths}, {@code code} as Leshan prints it ({@code CONTENT(205)}),
 * {@code message} (the diagnostic text), what {@link CoapDetails} has, and by operation {@code values}
 * ({@link NodeWriter}), {@code links} ({@link Links}) or {@code location}. {@code content} is Leshan's own text of it.
 */
final class Replies {

    private Replies() {
    }

    static void report(DownlinkRequest<? extends LwM2mResponse> request, LwM2mResponse response,
            JsonLines.Line reply) {
        if (request instanceof SimpleDownlinkRequest<?> simple)
            reply.put("path", simple.getPath().toString());
        if (request instanceof CompositeDownlinkRequest<?> composite)
            reply.put("paths", composite.getPaths().stream().map(String::valueOf).toList());
        reply.put("code", response.getCode().toString()).put("message", response.getErrorMessage());
        CoapDetails.put(response, reply);
        content(request, response, reply);
    }

    private static void content(DownlinkRequest<? extends LwM2mResponse> request, LwM2mResponse response,
            JsonLines.Line reply) {
        // Responses to Observe and to its cancellation are read responses.
        if (response instanceof ReadResponse read && request instanceof SimpleDownlinkRequest<?> simple)
            reply.put("content", read.getContent() == null ? null : read.getContent().toString()).put("values",
                    NodeWriter.values(simple.getPath(), read.getContent()));
        if (response instanceof ReadCompositeResponse read)
            reply.put("content", String.valueOf(read.getContent())).put("values",
                    NodeWriter.values(read.getContent()));
        if (response instanceof DiscoverResponse discovered)
            reply.put("content", Arrays.toString(discovered.getObjectLinks())).put("links",
                    Links.byPath(discovered.getObjectLinks()));
        if (response instanceof CreateResponse created)
            reply.put("location", created.getLocation());
    }
}
