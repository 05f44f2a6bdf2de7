package io.holdfast.interop;

import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

import com.fasterxml.jackson.databind.JsonNode;

import org.eclipse.leshan.core.CertificateUsage;
import org.eclipse.leshan.core.MatchingType;
import org.eclipse.leshan.core.SecurityMode;
import org.eclipse.leshan.core.util.datatype.ULong;
import org.eclipse.leshan.server.bootstrap.BootstrapConfig;
import org.eclipse.leshan.server.bootstrap.BootstrapConfig.ACLConfig;
import org.eclipse.leshan.server.bootstrap.BootstrapConfig.ServerConfig;
import org.eclipse.leshan.server.bootstrap.BootstrapConfig.ServerSecurity;
import org.eclipse.leshan.server.bootstrap.BootstrapConfigStore;
import org.eclipse.leshan.server.bootstrap.BootstrapSession;

/**
 * What each endpoint is given, by the command {@code config}: ep, delete (paths), security, servers, access, format,
 * auto_id.
 * Unlike Leshan's own store it does not check a configuration, so that a test can send a wrong one.
 * <p>
 * An element of {@code security}: instance, uri, mode (NO_SEC, PSK, RPK, X509), ssid, bs, id (text) or cert (hex) for
 * resource 3, server_cert (hex, of any length) for resource 4, key (hex) for resource 5, hold_off, account_timeout,
 * usage (CA_CONSTRAINT, SERVICE_CERTIFICATE_CONSTRAINT, TRUST_ANCHOR_ASSERTION, DOMAIN_ISSUER_CERTIFICATE), matching
 * (EXACT_MATCH, SHA256, SHA384, SHA512), sni. An element
 * of {@code servers}: instance, ssid, lifetime, retry_count, retry_timer, sequence_delay, sequence_count. An element of
 * {@code access} is an instance of object 2: instance, object, object_instance, owner, rights by short server ID (1 read,
 * 2 write, 4 execute, 8 delete, 16 create; ID 0 for the others).
 */
final class BootstrapConfigs implements BootstrapConfigStore {

    private static final int LIFETIME_S = 86400;

    private final Map<String, BootstrapConfig> byEndpoint = new ConcurrentHashMap<>();

    void addTo(CommandLoop commands) {
        commands.add("config",
                (arguments, reply) -> byEndpoint.put(Arguments.required(arguments, "ep"), config(arguments)));
    }

    @Override
    public BootstrapConfig get(BootstrapSession session) {
        return byEndpoint.get(session.getEndpoint());
    }

    private static BootstrapConfig config(JsonNode arguments) {
        BootstrapConfig config = new BootstrapConfig();
        config.contentFormat = Arguments.format(arguments, "format");
        config.autoIdForSecurityObject = arguments.path("auto_id").asBoolean(false);
        config.toDelete = Arguments.strings(arguments, "delete");
        for (JsonNode entry : arguments.path("security"))
            config.security.put(entry.path("instance").asInt(config.security.size()), security(entry));
        for (JsonNode entry : arguments.path("servers"))
            config.servers.put(entry.path("instance").asInt(config.servers.size()), server(entry));
        for (JsonNode entry : arguments.path("access"))
            config.acls.put(entry.path("instance").asInt(config.acls.size()), access(entry));
        return config;
    }

    private static ServerSecurity security(JsonNode entry) {
        ServerSecurity security = new ServerSecurity();
        security.uri = Arguments.required(entry, "uri");
        security.bootstrapServer = entry.path("bs").asBoolean(false);
        security.securityMode = SecurityMode.valueOf(entry.path("mode").asText("NO_SEC"));
        security.publicKeyOrId = entry.has("cert") ? Arguments.hex(entry, "cert")
                : entry.path("id").asText("").getBytes(StandardCharsets.UTF_8);
        security.serverPublicKey = Arguments.hex(entry, "server_cert");
        security.secretKey = Arguments.hex(entry, "key");
        security.serverId = integer(entry, "ssid");
        security.clientOldOffTime = integer(entry, "hold_off");
        if (entry.has("account_timeout"))
            security.bootstrapServerAccountTimeout = integer(entry, "account_timeout");
        if (entry.has("usage"))
            security.certificateUsage = CertificateUsage.valueOf(entry.get("usage").asText());
        if (entry.has("matching"))
            security.matchingType = MatchingType.valueOf(entry.get("matching").asText());
        if (entry.has("sni"))
            security.sni = entry.get("sni").asText();
        return security;
    }

    private static ServerConfig server(JsonNode entry) {
        ServerConfig server = new ServerConfig();
        server.shortId = entry.path("ssid").asInt();
        server.lifetime = entry.path("lifetime").asInt(LIFETIME_S);
        server.communicationRetryCount = unsigned(entry, "retry_count");
        server.CommunicationRetryTimer = unsigned(entry, "retry_timer");
        server.SequenceDelayTimer = unsigned(entry, "sequence_delay");
        server.SequenceRetryCount = unsigned(entry, "sequence_count");
        return server;
    }

    private static ACLConfig access(JsonNode entry) {
        ACLConfig access = new ACLConfig();
        access.objectId = entry.path("object").asInt();
        access.objectInstanceId = entry.path("object_instance").asInt();
        access.AccessControlOwner = integer(entry, "owner");
        access.acls = new HashMap<>();
        NodeReader.members(entry.path("rights")).forEach((ssid, rights) -> access.acls.put(ssid, rights.asLong()));
        return access;
    }

    private static Integer integer(JsonNode entry, String name) {
        return entry.has(name) ? entry.get(name).asInt() : null;
    }

    private static ULong unsigned(JsonNode entry, String name) {
        return entry.has(name) ? ULong.valueOf(entry.get(name).asLong()) : null;
    }
}
