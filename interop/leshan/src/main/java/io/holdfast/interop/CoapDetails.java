package io.holdfast.interop;

import java.util.HexFormat;

import org.eclipse.californium.core.coap.Response;
import org.eclipse.leshan.core.request.ContentFormat;
import org.eclipse.leshan.core.response.LwM2mResponse;

/**
 * What Leshan's responses do not show of the CoAP message that they came in: {@code type} (ACK, CON, NON),
 * {@code token}, {@code format} by Leshan's name, {@code observe}, the number in the Observe option. A part that the
 * message does not have is left out.
 */
final class CoapDetails {

    private CoapDetails() {
    }

    static void put(LwM2mResponse response, JsonLines.Line line) {
        if (!(response.getCoapResponse() instanceof Response coap))
            return;
        line.put("type", String.valueOf(coap.getType())).put("token", HexFormat.of().formatHex(coap.getTokenBytes()));
        if (coap.getOptions().hasContentFormat())
            line.put("format", ContentFormat.fromCode(coap.getOptions().getContentFormat()).getName());
        if (coap.getOptions().hasObserve())
            line.put("observe", coap.getOptions().getObserve());
    }
}
