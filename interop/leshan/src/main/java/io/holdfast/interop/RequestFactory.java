package io.holdfast.interop;

import java.util.List;

import com.fasterxml.jackson.databind.JsonNode;

import org.eclipse.leshan.core.link.lwm2m.attributes.DefaultLwM2mAttributeParser;
import org.eclipse.leshan.core.link.lwm2m.attributes.LwM2mAttributeSet;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.request.ContentFormat;
import org.eclipse.leshan.core.request.DeleteRequest;
import org.eclipse.leshan.core.request.DiscoverRequest;
import org.eclipse.leshan.core.request.DownlinkRequest;
import org.eclipse.leshan.core.request.ExecuteRequest;
import org.eclipse.leshan.core.request.ObserveRequest;
import org.eclipse.leshan.core.request.ReadCompositeRequest;
import org.eclipse.leshan.core.request.ReadRequest;
import org.eclipse.leshan.core.request.WriteAttributesRequest;
import org.eclipse.leshan.core.request.WriteRequest;
import org.eclipse.leshan.core.response.LwM2mResponse;

/**
 * Makes Leshan's requests out of commands.
 * <ul>
 * <li>{@code read}, {@code observe}: path, format
 * <li>{@code discover}, {@code delete}: path
 * <li>{@code write}: path of a resource, value (string, boolean, integer or float), format
 * <li>{@code execute}: path, args
 * <li>{@code attributes}: path, attributes as in a query, {@code pmin=1&pmax=60}
 * <li>{@code read_composite}: paths, format
 * </ul>
 */
final class RequestFactory {

    static final List<String> OPERATIONS = List.of("read", "observe", "discover", "delete", "write", "execute",
            "attributes", "read_composite");

    private RequestFactory() {
    }

    static DownlinkRequest<? extends LwM2mResponse> create(String op, JsonNode arguments) throws Exception {
        ContentFormat format = Arguments.format(arguments);
        if (op.equals("read_composite"))
            return new ReadCompositeRequest(format, format, Arguments.strings(arguments, "paths"));
        String path = Arguments.required(arguments, "path");
        return switch (op) {
        case "read" -> new ReadRequest(format, path);
        case "observe" -> new ObserveRequest(format, path);
        case "discover" -> new DiscoverRequest(path);
        case "delete" -> new DeleteRequest(path);
        case "write" -> write(new LwM2mPath(path), format, arguments.path("value"));
        case "execute" -> new ExecuteRequest(path, arguments.path("args").asText(null));
        case "attributes" -> attributes(path, Arguments.required(arguments, "attributes"));
        default -> throw new IllegalArgumentException("unknown op");
        };
    }

    private static WriteRequest write(LwM2mPath path, ContentFormat format, JsonNode value) throws Exception {
        int object = path.getObjectId();
        int instance = path.getObjectInstanceId();
        int resource = path.getResourceId();
        if (value.isTextual())
            return new WriteRequest(format, object, instance, resource, value.asText());
        if (value.isBoolean())
            return new WriteRequest(format, object, instance, resource, value.asBoolean());
        if (value.isIntegralNumber())
            return new WriteRequest(format, object, instance, resource, value.asLong());
        if (value.isNumber())
            return new WriteRequest(format, object, instance, resource, value.asDouble());
        throw new IllegalArgumentException("argument value is not a string, a boolean or a number");
    }

    private static WriteAttributesRequest attributes(String path, String query) throws Exception {
        return new WriteAttributesRequest(path,
                new LwM2mAttributeSet(new DefaultLwM2mAttributeParser().parseUriQuery(query)));
    }
}
