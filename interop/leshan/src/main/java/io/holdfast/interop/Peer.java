package io.holdfast.interop;

/** A server, or a client, under the control of a test. */
interface Peer extends AutoCloseable {

    /** Opens the sockets. */
    void start();

    /** Says where it listens, after {@link #start()}. */
    void describe(JsonLines.Line ready);

    /** Registers the commands that this peer obeys. */
    void addCommands(CommandLoop commands);

    @Override
    void close();
}
