package io.holdfast.interop;

import com.fasterxml.jackson.databind.JsonNode;

import org.eclipse.leshan.server.security.InMemorySecurityStore;
import org.eclipse.leshan.server.security.NonUniqueSecurityInfoException;
import org.eclipse.leshan.server.security.SecurityInfo;

/**
 * How clients may connect. An endpoint without an entry may use NoSec; one with an entry must use what it says.
 * <ul>
 * <li>{@code psk}: ep, id, key (hex)
 * <li>{@code x509}: ep, which must be the common name of the client's certificate
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

    private String remove(JsonNode arguments) {
        String endpoint = Arguments.required(arguments, "ep");
        store.remove(endpoint, true);
        return endpoint;
    }
}
