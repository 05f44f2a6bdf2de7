package io.holdfast.interop;

import java.util.concurrent.TimeUnit;

import org.eclipse.californium.core.config.CoapConfig;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.californium.scandium.config.DtlsConfig;

/** Applies the options to the configuration of the CoAP and DTLS layers. */
final class CaliforniumSettings {

    private CaliforniumSettings() {
    }

    static void apply(Configuration configuration, Options options) {
        // Without this, PSK with CCM_8, the suite that LwM2M mandates, is not offered beside the others.
        configuration.set(DtlsConfig.DTLS_RECOMMENDED_CIPHER_SUITES_ONLY, false);
        configuration.set(DtlsConfig.DTLS_CONNECTION_ID_LENGTH, options.cidLength());
        if (options.ackTimeout() > 0)
            configuration.set(CoapConfig.ACK_TIMEOUT, options.ackTimeout(), TimeUnit.MILLISECONDS);
        if (options.blockSize() > 0) {
            // A body above the largest message goes block by block (RFC 7959).
            configuration.set(CoapConfig.MAX_MESSAGE_SIZE, options.blockSize());
            configuration.set(CoapConfig.PREFERRED_BLOCK_SIZE, options.blockSize());
        }
    }
}
