package io.holdfast.interop;

/**
 * Entry point: {@code Main server|bootstrap|client [--option value]...}. Starts it, reports {@code ready} with its
 * addresses and obeys commands until stdin closes. Exit status: 0 when stdin closed, 1 when it could not be
 * started, 2 when the command line is wrong.
 */
public final class Main {

    private Main() {
    }

    public static void main(String[] args) {
        JsonLines out = new JsonLines(System.out);
        try {
            run(Options.parse(args), out);
        } catch (IllegalArgumentException e) {
            System.err.println(e.getMessage());
            System.exit(2);
        } catch (Exception e) {
            e.printStackTrace();
            System.exit(1);
        }
        // Californium keeps threads of its own; the process ends with its input all the same.
        System.exit(0);
    }

    private static void run(Options options, JsonLines out) throws Exception {
        CommandLoop commands = new CommandLoop(out);
        try (Peer peer = create(options, out)) {
            peer.start();
            peer.addCommands(commands);
            JsonLines.Line ready = out.event("ready");
            peer.describe(ready);
            ready.send();
            commands.run(System.in);
        }
    }

    private static Peer create(Options options, JsonLines out) throws Exception {
        return switch (options.kind()) {
        case SERVER -> new ManagementPeer(options, out);
        case BOOTSTRAP -> new BootstrapPeer(options, out);
        case CLIENT -> new ClientPeer(options, out);
        };
    }
}
