package io.holdfast.interop;

import java.io.IOException;
import java.security.GeneralSecurityException;

import org.eclipse.leshan.core.endpoint.Protocol;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.LeshanServerBuilder;
import org.eclipse.leshan.server.californium.endpoint.CaliforniumServerEndpointsProvider;
import org.eclipse.leshan.server.californium.endpoint.coap.CoapServerProtocolProvider;
import org.eclipse.leshan.server.californium.endpoint.coaps.CoapsServerProtocolProvider;
import org.eclipse.leshan.server.model.VersionedModelProvider;
import org.eclipse.leshan.server.queue.StaticClientAwakeTimeProvider;
import org.eclipse.leshan.server.security.InMemorySecurityStore;

/** Leshan's management server. */
final class ManagementPeer implements Peer {

    private final InMemorySecurityStore security = new InMemorySecurityStore();
    private final LeshanServer server;

    ManagementPeer(Options options, JsonLines out) throws IOException, GeneralSecurityException {
        LeshanServerBuilder builder = new LeshanServerBuilder();
        builder.setSecurityStore(security);
        builder.setObjectModelProvider(new VersionedModelProvider(Models.load(options.models())));
        builder.setClientAwakeTimeProvider(new StaticClientAwakeTimeProvider(options.awake()));
        if (options.hasCertificate()) {
            Credentials own = Credentials.load(options);
            builder.setPrivateKey(own.key());
            builder.setCertificateChain(own.chain());
            builder.setTrustedCertificates(own.trusted());
        }
        builder.setEndpointsProviders(endpoints(options));
        server = builder.build();
        new ManagementEvents(out).listenTo(server);
        server.getObservationService().addListener(new ObservationEvents(out, server.getRegistrationService()));
        server.getPresenceService().addListener(new PresenceEvents(out));
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
        DeviceCommands devices = new DeviceCommands(server);
        devices.addTo(commands);
        new ObservationCommands(devices, server).addTo(commands);
    }

    @Override
    public void close() {
        server.destroy();
    }
}
