package io.holdfast.interop;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

import com.fasterxml.jackson.databind.JsonNode;

import org.eclipse.leshan.core.link.LinkParseException;
import org.eclipse.leshan.core.model.LwM2mModel;
import org.eclipse.leshan.core.model.ResourceModel;
import org.eclipse.leshan.core.model.ResourceModel.Type;
import org.eclipse.leshan.core.node.LwM2mMultipleResource;
import org.eclipse.leshan.core.node.LwM2mNode;
import org.eclipse.leshan.core.node.LwM2mObjectInstance;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.node.LwM2mResource;
import org.eclipse.leshan.core.node.LwM2mResourceInstance;
import org.eclipse.leshan.core.node.LwM2mSingleResource;

/**
 * Makes Leshan's nodes out of JSON. An instance is {@code {"110": value, "1110": {"0": value}}}, a resource is a value,
 * or an object by resource instances when it is a multiple one. The model says of which type a value is; without one the
 * JSON does. A type that is forced counts for all of them.
 */
final class NodeReader {

    private final LwM2mModel model;
    private final Type forced;

    /** @param forced the type of all values, or null */
    NodeReader(LwM2mModel model, Type forced) {
        this.model = model;
        this.forced = forced;
    }

    LwM2mNode node(LwM2mPath path, JsonNode json) throws LinkParseException {
        if (path.isObjectInstance())
            return new LwM2mObjectInstance(path.getObjectInstanceId(), resources(path, json));
        if (path.isResource())
            return resource(path, json);
        if (path.isResourceInstance())
            return instance(path, json);
        throw new IllegalArgumentException("path " + path + " is no instance, resource or resource instance");
    }

    /** @param path the object instance, of which only the object matters */
    List<LwM2mResource> resources(LwM2mPath path, JsonNode json) throws LinkParseException {
        List<LwM2mResource> resources = new ArrayList<>();
        for (Map.Entry<Integer, JsonNode> member : members(json).entrySet())
            resources.add(resource(path.append(member.getKey()), member.getValue()));
        return resources;
    }

    private LwM2mResource resource(LwM2mPath path, JsonNode json) throws LinkParseException {
        if (!json.isObject()) {
            Type type = type(path, json);
            return LwM2mSingleResource.newResource(path.getResourceId(), Values.fromJson(json, type), type);
        }
        List<LwM2mResourceInstance> instances = new ArrayList<>();
        for (Map.Entry<Integer, JsonNode> member : members(json).entrySet())
            instances.add(instance(path.append(member.getKey()), member.getValue()));
        return new LwM2mMultipleResource(path.getResourceId(), instances.isEmpty() ? type(path, json)
                : instances.get(0).getType(), instances);
    }

    private LwM2mResourceInstance instance(LwM2mPath path, JsonNode json) throws LinkParseException {
        Type type = type(path, json);
        return LwM2mResourceInstance.newInstance(path.getResourceInstanceId(), Values.fromJson(json, type), type);
    }

    private Type type(LwM2mPath path, JsonNode json) {
        if (forced != null)
            return forced;
        ResourceModel resource = model.getResourceModel(path.getObjectId(), path.getResourceId());
        return resource == null || resource.type == Type.NONE ? Values.guess(json) : resource.type;
    }

    static Map<Integer, JsonNode> members(JsonNode json) {
        if (!json.isObject())
            throw new IllegalArgumentException(json + " is no object by IDs");
        Map<Integer, JsonNode> members = new LinkedHashMap<>();
        for (Iterator<Map.Entry<String, JsonNode>> fields = json.fields(); fields.hasNext();) {
            Map.Entry<String, JsonNode> field = fields.next();
            members.put(Integer.valueOf(field.getKey()), field.getValue());
        }
        return members;
    }
}
