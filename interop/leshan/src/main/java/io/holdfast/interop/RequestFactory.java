package io.holdfast.interop;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;

import com.fasterxml.jackson.databind.JsonNode;

import org.eclipse.leshan.core.link.LinkParseException;
import org.eclipse.leshan.core.link.lwm2m.attributes.DefaultLwM2mAttributeParser;
import org.eclipse.leshan.core.link.lwm2m.attributes.LwM2mAttributeSet;
import org.eclipse.leshan.core.model.LwM2mModel;
import org.eclipse.leshan.core.model.ResourceModel.Type;
import org.eclipse.leshan.core.node.LwM2mNode;
import org.eclipse.leshan.core.node.LwM2mObjectInstance;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.request.ContentFormat;
import org.eclipse.leshan.core.request.CreateRequest;
import org.eclipse.leshan.core.request.DeleteRequest;
import org.eclipse.leshan.core.request.DiscoverRequest;
import org.eclipse.leshan.core.request.DownlinkRequest;
import org.eclipse.leshan.core.request.ExecuteRequest;
import org.eclipse.leshan.core.request.ObserveCompositeRequest;
import org.eclipse.leshan.core.request.ObserveRequest;
import org.eclipse.leshan.core.request.ReadCompositeRequest;
import org.eclipse.leshan.core.request.ReadRequest;
import org.eclipse.leshan.core.request.WriteAttributesRequest;
import org.eclipse.leshan.core.request.WriteCompositeRequest;
import org.eclipse.leshan.core.request.WriteRequest;
import org.eclipse.leshan.core.response.LwM2mResponse;

/**
 * Makes Leshan's requests out of commands.
 * <ul>
 * <li>{@code read}, {@code observe}: path, format
 * <li>{@code discover}, {@code delete}: path
 * <li>{@code write}: path, value as {@link NodeReader} takes it, type (see there), format, mode (REPLACE, UPDATE)
 * <li>{@code execute}: path, args
 * <li>{@code attributes}: path, attributes as in a query, {@code pmin=1&pmax=60}
 * <li>{@code create}: path of an object, instances (by ID) or resources (then the client chooses the ID), format
 * <li>{@code read_composite}, {@code observe_composite}: paths, format of the request, accept (the same when absent)
 * <li>{@code write_composite}: values by path, type, format
 * </ul>
 */
final class RequestFactory {

    static final List<String> OPERATIONS = List.of("read", "observe", "discover", "delete", "write", "execute",
            "attributes", "create", "read_composite", "observe_composite", "write_composite");

    private final JsonNode arguments;
    private final ContentFormat format;
    private final NodeReader nodes;

    RequestFactory(JsonNode arguments, LwM2mModel model) {
        this.arguments = arguments;
        format = Arguments.format(arguments, "format");
        nodes = new NodeReader(model, arguments.hasNonNull("type") ? Type.valueOf(arguments.get("type").asText()) : null);
    }

    DownlinkRequest<? extends LwM2mResponse> create(String op) throws Exception {
        return switch (op) {
        case "read_composite" -> new ReadCompositeRequest(format, accept(), paths());
        case "observe_composite" -> new ObserveCompositeRequest(format, accept(), paths().toArray(String[]::new));
        case "write_composite" -> new WriteCompositeRequest(format, values(), null);
        default -> create(op, Arguments.required(arguments, "path"));
        };
    }

    private DownlinkRequest<? extends LwM2mResponse> create(String op, String path) throws Exception {
        return switch (op) {
        case "read" -> new ReadRequest(format, path);
        case "observe" -> new ObserveRequest(format, path);
        case "discover" -> new DiscoverRequest(path);
        case "delete" -> new DeleteRequest(path);
        case "write" -> write(new LwM2mPath(path));
        case "create" -> create(new LwM2mPath(path));
        case "execute" -> new ExecuteRequest(path, arguments.path("args").asText(null));
        case "attributes" -> attributes(path);
        default -> throw new IllegalArgumentException("unknown op");
        };
    }

    private List<String> paths() {
        return Arguments.strings(arguments, "paths");
    }

    private ContentFormat accept() {
        return arguments.hasNonNull("accept") ? Arguments.format(arguments, "accept") : format;
    }

    private WriteRequest write(LwM2mPath path) throws LinkParseException {
        var mode = WriteRequest.Mode.valueOf(arguments.path("mode").asText("REPLACE"));
        return new WriteRequest(mode, format, path, nodes.node(path, arguments.path("value")), null);
    }

    private CreateRequest create(LwM2mPath path) throws LinkParseException {
        if (!arguments.hasNonNull("instances"))
            return new CreateRequest(format, path.toString(),
                    nodes.resources(path.append(0), arguments.path("resources")));
        List<LwM2mObjectInstance> instances = new ArrayList<>();
        for (Map.Entry<Integer, JsonNode> member : NodeReader.members(arguments.get("instances")).entrySet())
            instances.add((LwM2mObjectInstance) nodes.node(path.append(member.getKey()), member.getValue()));
        return new CreateRequest(format, path.toString(), instances.toArray(LwM2mObjectInstance[]::new));
    }

    private Map<LwM2mPath, LwM2mNode> values() throws LinkParseException {
        Map<LwM2mPath, LwM2mNode> values = new HashMap<>();
        for (Iterator<Map.Entry<String, JsonNode>> fields = arguments.path("values").fields(); fields.hasNext();) {
            Map.Entry<String, JsonNode> field = fields.next();
            LwM2mPath path = new LwM2mPath(field.getKey());
            values.put(path, nodes.node(path, field.getValue()));
        }
        return values;
    }

    private WriteAttributesRequest attributes(String path) throws Exception {
        String query = Arguments.required(arguments, "attributes");
        return new WriteAttributesRequest(path,
                new LwM2mAttributeSet(new DefaultLwM2mAttributeParser().parseUriQuery(query)));
    }
}
