package io.holdfast.interop;

import java.util.List;

import org.eclipse.leshan.client.LeshanClient;
import org.eclipse.leshan.client.LeshanClientBuilder;
import org.eclipse.leshan.client.californium.endpoint.CaliforniumClientEndpointsProvider;
import org.eclipse.leshan.client.californium.endpoint.coap.CoapClientProtocolProvider;
import org.eclipse.leshan.client.engine.DefaultRegistrationEngineFactory;
import org.eclipse.leshan.client.object.Device;
import org.eclipse.leshan.client.object.LwM2mTestObject;
import org.eclipse.leshan.client.object.Security;
import org.eclipse.leshan.client.object.Server;
import org.eclipse.leshan.client.resource.BaseInstanceEnablerFactory;
import org.eclipse.leshan.client.resource.LwM2mInstanceEnabler;
import org.eclipse.leshan.client.resource.LwM2mObjectEnabler;
import org.eclipse.leshan.client.resource.ObjectsInitializer;
import org.eclipse.leshan.client.send.ManualDataSender;
import org.eclipse.leshan.core.LwM2mId;
import org.eclipse.leshan.core.model.StaticModel;

/**
 * Leshan's own client, over NoSec: what the tests of this harness drive the server against, so that a failure with
 * another client is that client's. It has Security, Server, Device and the OMA's test object 3442 (which must be among
 * the models), of which servers may create and delete instances.
 */
final class ClientPeer implements Peer {

    private static final int SHORT_SERVER_ID = 1;
    private static final int LIFETIME_S = 300;
    private static final int TEST_OBJECT = 3442;

    private final LeshanClient client;

    ClientPeer(Options options, JsonLines out) {
        LeshanClientBuilder builder = new LeshanClientBuilder(options.endpoint());
        builder.setObjects(objects(options));
        builder.setDataSenders(new ManualDataSender());
        builder.setRegistrationEngineFactory(new DefaultRegistrationEngineFactory().setQueueMode(options.queue()));
        builder.setEndpointsProviders(
                new CaliforniumClientEndpointsProvider.Builder(new CoapClientProtocolProvider()).build());
        client = builder.build();
    }

    private static List<LwM2mObjectEnabler> objects(Options options) {
        ObjectsInitializer objects = new ObjectsInitializer(new StaticModel(Models.load(options.models())));
        objects.setInstancesForObject(LwM2mId.SECURITY, Security.noSec(options.server(), SHORT_SERVER_ID));
        objects.setInstancesForObject(LwM2mId.SERVER, new Server(SHORT_SERVER_ID, LIFETIME_S));
        objects.setInstancesForObject(LwM2mId.DEVICE, new Device("Leshan", "client", "1"));
        objects.setInstancesForObject(TEST_OBJECT, testObject(0));
        objects.setFactoryForObject(TEST_OBJECT, new BaseInstanceEnablerFactory() {
            @Override
            public LwM2mInstanceEnabler create() {
                return new LwM2mTestObject();
            }
        });
        return objects.createAll();
    }

    private static LwM2mInstanceEnabler testObject(int instance) {
        LwM2mTestObject object = new LwM2mTestObject();
        object.setId(instance);
        return object;
    }

    @Override
    public void start() {
        client.start();
    }

    @Override
    public void describe(JsonLines.Line ready) {
        // It listens nowhere: its address is what the server sees.
    }

    @Override
    public void addCommands(CommandLoop commands) {
        new ClientCommands(client).addTo(commands);
    }

    @Override
    public void close() {
        client.destroy(true);
    }
}
