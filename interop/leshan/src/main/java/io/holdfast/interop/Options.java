package io.holdfast.interop;

import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * The command line.
 *
 * @param kind which server to run
 * @param coap address of the NoSec endpoint, port 0 for any free one
 * @param coaps address of the DTLS endpoint, port 0 for any free one
 * @param cidLength length in bytes of the DTLS connection ID that this server asks for; 0 supports the extension but
 *            asks for none; null does not support it
 * @param blockSize preferred CoAP block size in bytes and largest body sent in one message, 0 for Californium's own
 * @param cert PEM file with the server's certificate chain, leaf first, or null for no X.509
 * @param key PEM file with the leaf's PKCS#8 key
 * @param trust PEM file with the trusted authorities
 * @param models directory of object definitions beside Leshan's own, or null
 * @param awake how long in milliseconds a client in queue mode is taken to be awake after its last message
 * @param server URI of the server that a client registers with
 * @param endpoint name of a client
 * @param queue whether a client asks for queue mode
 * @param ackTimeout ACK_TIMEOUT of RFC 7252 in milliseconds, 0 for Californium's own
 */
record Options(Kind kind, InetSocketAddress coap, InetSocketAddress coaps, Integer cidLength, int blockSize, Path cert,
        Path key, Path trust, Path models, int awake, String server, String endpoint, boolean queue,
        int ackTimeout) {

    private static final String USAGE = "usage: Main server|bootstrap [--coap HOST:PORT] [--coaps HOST:PORT]"
            + " [--cid BYTES|none] [--block-size 16|32|...|1024] [--cert PEM --key PEM --trust PEM] [--models DIRECTORY]"
            + " [--awake MILLISECONDS] [--ack-timeout MILLISECONDS]\n       Main client --server coap://HOST:PORT --endpoint NAME"
            + " [--queue true] [--models DIRECTORY]";
    private static final Set<String> NAMES = Set.of("coap", "coaps", "cid", "block-size", "cert", "key", "trust",
            "models", "awake", "server", "endpoint", "queue", "ack-timeout");
    /** MAX_TRANSMIT_WAIT of RFC 7252, which LwM2M says for queue mode. */
    private static final String AWAKE_MS = "93000";

    enum Kind {
        SERVER, BOOTSTRAP, CLIENT
    }

    static Options parse(String[] args) {
        if (args.length % 2 != 1)
            throw new IllegalArgumentException(USAGE);
        Map<String, String> values = new HashMap<>();
        for (int i = 1; i < args.length; i += 2) {
            String name = args[i].startsWith("--") ? args[i].substring(2) : args[i];
            if (!NAMES.contains(name))
                throw new IllegalArgumentException("unknown option " + args[i] + "\n" + USAGE);
            values.put(name, args[i + 1]);
        }
        return new Options(kind(args[0]), address(values.get("coap")), address(values.get("coaps")),
                cidLength(values.getOrDefault("cid", "6")), blockSize(values.getOrDefault("block-size", "0")),
                path(values, "cert"), path(values, "key"), path(values, "trust"), path(values, "models"),
                Integer.parseInt(values.getOrDefault("awake", AWAKE_MS)), values.get("server"),
                values.get("endpoint"), Boolean.parseBoolean(values.get("queue")),
                Integer.parseInt(values.getOrDefault("ack-timeout", "0"))).checked();
    }

    boolean hasCertificate() {
        return cert != null;
    }

    private Options checked() {
        if ((cert == null) != (key == null) || (cert == null) != (trust == null))
            throw new IllegalArgumentException("--cert, --key and --trust go together\n" + USAGE);
        if (kind == Kind.CLIENT && (server == null || endpoint == null))
            throw new IllegalArgumentException("a client needs --server and --endpoint\n" + USAGE);
        return this;
    }

    private static Kind kind(String name) {
        try {
            return Kind.valueOf(name.toUpperCase(Locale.ROOT));
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("unknown kind " + name + "\n" + USAGE, e);
        }
    }

    private static Integer cidLength(String text) {
        return text.equals("none") ? null : Integer.valueOf(text);
    }

    private static int blockSize(String text) {
        int size = Integer.parseInt(text);
        boolean powerOfTwo = Integer.bitCount(size) == 1;
        if (size != 0 && (!powerOfTwo || size < 16 || size > 1024))
            throw new IllegalArgumentException("--block-size " + text + " is not a block size of RFC 7959\n" + USAGE);
        return size;
    }

    private static InetSocketAddress address(String text) {
        if (text == null)
            return new InetSocketAddress("127.0.0.1", 0);
        int colon = text.lastIndexOf(':');
        if (colon < 0)
            throw new IllegalArgumentException(text + " is not HOST:PORT\n" + USAGE);
        return new InetSocketAddress(text.substring(0, colon), Integer.parseInt(text.substring(colon + 1)));
    }

    private static Path path(Map<String, String> values, String name) {
        String value = values.get(name);
        return value == null ? null : Path.of(value);
    }
}
