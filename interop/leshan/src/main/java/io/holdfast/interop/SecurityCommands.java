package io.holdfast.interop;

import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.spec.X509EncodedKeySpec;

import com.fasterxml.jackson.databind.JsonNode;

import org.eclipse.leshan.server.security.InMemorySecurityStore;
import org.eclipse.leshan.server.security.NonUniqueSecurityInfoException;
import org.eclipse.leshan.server.security.SecurityInfo;

/**
 * How clients may connect. An endpoint without an entry may use NoSec; one with an entry must use what it says.
 * <ul>
 * <li>{@code psk}: ep, id, key (hex)
 * <li>{@code x509}: ep, which must be the common name of the client's certificate
 * <li>{@code rpk}: ep, key (hex), the client's public key as a SubjectPublicKeyInfo
 * <li>{@code nosec}: ep
 * </ul>
 */
final class SecurityCommands {

    private final InMemorySecurityStore store;

    SecurityCommands(InMemorySecurityStore store) {
        this.store = store;
    }

    void addTo(CommandLoop commands) {
        commands.add("psk", (arguments, reply) -> psk(arguments));
        commands.add("x509", (arguments, reply) -> x509(arguments));
        commands.add("rpk", (arguments, reply) -> rpk(arguments));
        commands.add("nosec", (arguments, reply) -> remove(arguments));
    }

    private void psk(JsonNode arguments) throws NonUniqueSecurityInfoException {
        String endpoint = remove(arguments);
        String identity = Arguments.required(arguments, "id");
        store.add(SecurityInfo.newPreSharedKeyInfo(endpoint, identity, Arguments.hex(arguments, "key")));
    }

    private void x509(JsonNode arguments) throws NonUniqueSecurityInfoException {
        store.add(SecurityInfo.newX509CertInfo(remove(arguments)));
    }

    private void rpk(JsonNode arguments) throws NonUniqueSecurityInfoException, GeneralSecurityException {
        String endpoint = remove(arguments);
        var encoded = new X509EncodedKeySpec(Arguments.hex(arguments, "key"));
        PublicKey key = KeyFactory.getInstance("EC").generatePublic(encoded);
        store.add(SecurityInfo.newRawPublicKeyInfo(endpoint, key));
    }

    private String remove(JsonNode arguments) {
        String endpoint = Arguments.required(arguments, "ep");
        store.remove(endpoint, true);
        return endpoint;
    }
}
