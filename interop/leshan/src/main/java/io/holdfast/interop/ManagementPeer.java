package io.holdfast.interop;

import java.io.IOException;
import java.security.GeneralSecurityException;

import org.eclipse.leshan.core.endpoint.Protocol;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.LeshanServerBuilder;
import org.eclipse.leshan.server.californium.endpoint.CaliforniumServerEndpointsProvider;
import org.eclipse.leshan.server.californium.endpoint.coap.CoapServerProtocolProvider;
import org.eclipse.leshan.server.californium.endpoint.coaps.CoapsServerProtocolProvider;
import org.eclipse.leshan.server.security.InMemorySecurityStore;

/** Leshan's management server. */
final class ManagementPeer implements Peer {

    private final InMemorySecurityStore security = new InMemorySecurityStore();
    private final LeshanServer server;

    ManagementPeer(Options options, JsonLines out) throws IOException, GeneralSecurityException {
        LeshanServerBuilder builder = new LeshanServerBuilder();
        builder.setSecurityStore(security);
        if (options.hasCertificate()) {
            Credentials own = Credentials.load(options);
            builder.setPrivateKey(own.key());
            builder.setCertificateChain(own.chain());
            builder.setTrustedCertificates(own.trusted());
        }
        builder.setEndpointsProviders(endpoints(options));
        server = builder.build();
        new ManagementEvents(out).listenTo(server);
    }

    private static CaliforniumServerEndpointsProvider endpoints(Options options) {
        var builder = new CaliforniumServerEndpointsProvider.Builder(new CoapServerProtocolProvider(),
                new CoapsServerProtocolProvider());
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
    public String coapAddress() {
        return server.getEndpoint(Protocol.COAP).getURI().getAuthority();
    }

    @Override
    public String coapsAddress() {
        var endpoint = server.getEndpoint(Protocol.COAPS);
        // Leshan only warns, on stderr, when it cannot use its credentials.
        if (endpoint == null)
            throw new IllegalStateException("no DTLS endpoint");
        return endpoint.getURI().getAuthority();
    }

    @Override
    public void addCommands(CommandLoop commands) {
        new SecurityCommands(security).addTo(commands);
        new DeviceCommands(server).addTo(commands);
    }

    @Override
    public void close() {
        server.destroy();
    }
}
