package io.holdfast.interop;

import java.io.IOException;
import java.security.GeneralSecurityException;

import org.eclipse.leshan.core.endpoint.Protocol;
import org.eclipse.leshan.server.bootstrap.LeshanBootstrapServer;
import org.eclipse.leshan.server.bootstrap.LeshanBootstrapServerBuilder;
import org.eclipse.leshan.server.californium.bootstrap.endpoint.CaliforniumBootstrapServerEndpointsProvider;
import org.eclipse.leshan.server.californium.bootstrap.endpoint.coap.CoapBootstrapServerProtocolProvider;
import org.eclipse.leshan.server.californium.bootstrap.endpoint.coaps.CoapsBootstrapServerProtocolProvider;
import org.eclipse.leshan.server.security.BootstrapSecurityStoreAdapter;
import org.eclipse.leshan.server.security.InMemorySecurityStore;

/** Leshan's bootstrap server. */
final class BootstrapPeer implements Peer {

    private final InMemorySecurityStore security = new InMemorySecurityStore();
    private final BootstrapConfigs configs = new BootstrapConfigs();
    private final FinishGate gate;
    private final LeshanBootstrapServer server;

    BootstrapPeer(Options options, JsonLines out) throws IOException, GeneralSecurityException {
        gate = new FinishGate(out);
        LeshanBootstrapServerBuilder builder = new LeshanBootstrapServerBuilder();
        builder.setConfigStore(configs);
        builder.setSecurityStore(new BootstrapSecurityStoreAdapter(security));
        builder.setBootstrapHandlerFactory(
                (sender, manager, listener) -> new GatedBootstrapHandler(sender, manager, listener, gate));
        if (options.hasCertificate()) {
            Credentials own = Credentials.load(options);
            builder.setPrivateKey(own.key());
            builder.setCertificateChain(own.chain());
            builder.setTrustedCertificates(own.trusted());
        }
        builder.setEndpointsProviders(endpoints(options));
        server = builder.build();
        server.addListener(new BootstrapEvents(out));
    }

    private static CaliforniumBootstrapServerEndpointsProvider endpoints(Options options) {
        var builder = new CaliforniumBootstrapServerEndpointsProvider.Builder(
                new CoapBootstrapServerProtocolProvider(), new CoapsBootstrapServerProtocolProvider());
        builder.setConfiguration(configuration -> CaliforniumSettings.apply(configuration, options));
        builder.addEndpoint(options.coap(), Protocol.COAP);
        builder.addEndpoint(options.coaps(), Protocol.COAPS);
        return builder.build();
    }

    @Override
    public void start() {
        server.start();
    }

    @Override
    public void describe(JsonLines.Line ready) {
        ready.put("coap", server.getEndpoint(Protocol.COAP).getURI().getAuthority()).put("coaps", coapsAddress());
    }

    private String coapsAddress() {
        var endpoint = server.getEndpoint(Protocol.COAPS);
        // Leshan only warns, on stderr, when it cannot use its credentials.
        if (endpoint == null)
            throw new IllegalStateException("no DTLS endpoint");
        return endpoint.getURI().getAuthority();
    }

    @Override
    public void addCommands(CommandLoop commands) {
        new SecurityCommands(security).addTo(commands);
        configs.addTo(commands);
        gate.addTo(commands);
    }

    @Override
    public void close() {
        server.destroy();
    }
}
