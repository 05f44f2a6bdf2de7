package io.holdfast.interop;

import java.util.LinkedHashMap;
import java.util.Map;

import org.eclipse.leshan.core.link.Link;
import org.eclipse.leshan.core.link.attributes.Attribute;

/** Shows links as an object: the attributes, each the text that its link has, by the path. */
final class Links {

    private Links() {
    }

    static Map<String, Map<String, Object>> byPath(Link[] links) {
        if (links == null)
            return null;
        Map<String, Map<String, Object>> byPath = new LinkedHashMap<>();
        for (Link link : links)
            byPath.put(link.getUriReference(), attributes(link));
        return byPath;
    }

    private static Map<String, Object> attributes(Link link) {
        Map<String, Object> attributes = new LinkedHashMap<>();
        for (Attribute attribute : link.getAttributes())
            attributes.put(attribute.getName(), attribute.hasValue() ? attribute.getCoreLinkValue() : null);
        return attributes;
    }
}
