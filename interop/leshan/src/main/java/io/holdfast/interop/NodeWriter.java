package io.holdfast.interop;

import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

import org.eclipse.leshan.core.node.LwM2mNode;
import org.eclipse.leshan.core.node.LwM2mObject;
import org.eclipse.leshan.core.node.LwM2mObjectInstance;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.node.LwM2mResource;
import org.eclipse.leshan.core.node.LwM2mResourceInstance;
import org.eclipse.leshan.core.node.LwM2mRoot;
import org.eclipse.leshan.core.node.TimestampedLwM2mNode;
import org.eclipse.leshan.core.node.TimestampedLwM2mNodes;

/**
 * Shows Leshan's nodes flat: a value by the path of its resource or resource instance, {@code {"/3/0/0": "Holdfast"}}. A
 * sample is {@code {"time": "2026-01-01T00:00:00Z", "values": {...}}}, without {@code time} when the client gave none.
 */
final class NodeWriter {

    private NodeWriter() {
    }

    /** @param node what Leshan has read there, null when it has read nothing */
    static Map<String, Object> values(LwM2mPath path, LwM2mNode node) {
        Map<String, Object> values = new TreeMap<>();
        collect(path, node, values);
        return values;
    }

    static Map<String, Object> values(Map<LwM2mPath, ? extends LwM2mNode> nodes) {
        Map<String, Object> values = new TreeMap<>();
        if (nodes != null)
            nodes.forEach((path, node) -> collect(path, node, values));
        return values;
    }

    static List<Map<String, Object>> samples(LwM2mPath path, List<TimestampedLwM2mNode> nodes) {
        List<Map<String, Object>> samples = new ArrayList<>();
        for (TimestampedLwM2mNode node : nodes)
            samples.add(sample(node.getTimestamp(), values(path, node.getNode())));
        return samples;
    }

    static List<Map<String, Object>> samples(TimestampedLwM2mNodes nodes) {
        List<Map<String, Object>> samples = new ArrayList<>();
        for (Instant time : nodes.getTimestamps())
            samples.add(sample(time, values(nodes.getNodesAt(time))));
        return samples;
    }

    private static Map<String, Object> sample(Instant time, Map<String, Object> values) {
        Map<String, Object> sample = new LinkedHashMap<>();
        if (time != null)
            sample.put("time", time.toString());
        sample.put("values", values);
        return sample;
    }

    private static void collect(LwM2mPath path, LwM2mNode node, Map<String, Object> into) {
        if (node instanceof LwM2mRoot root)
            root.getObjects().forEach((id, child) -> collect(path.append(id), child, into));
        else if (node instanceof LwM2mObject object)
            object.getInstances().forEach((id, child) -> collect(path.append(id), child, into));
        else if (node instanceof LwM2mObjectInstance instance)
            instance.getResources().forEach((id, child) -> collect(path.append(id), child, into));
        else if (node instanceof LwM2mResource resource && resource.isMultiInstances())
            resource.getInstances().forEach((id, child) -> collect(path.append(id), child, into));
        else if (node instanceof LwM2mResource resource)
            into.put(path.toString(), Values.toJson(resource.getValue(), resource.getType()));
        else if (node instanceof LwM2mResourceInstance instance)
            into.put(path.toString(), Values.toJson(instance.getValue(), instance.getType()));
    }
}
