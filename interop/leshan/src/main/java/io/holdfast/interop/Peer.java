package io.holdfast.interop;

/** A server under the control of a test. */
interface Peer extends AutoCloseable {

    /** Opens the sockets. */
    void start();

    /** @return host:port of the NoSec endpoint, after {@link #start()} */
    String coapAddress();

    /** @return host:port of the DTLS endpoint, after {@link #start()} */
    String coapsAddress();

    /** Registers the commands that this peer obeys. */
    void addCommands(CommandLoop commands);

    @Override
    void close();
}
