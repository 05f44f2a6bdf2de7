package io.holdfast.interop;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;

/**
 * The server's own X.509 credentials, read from PEM files.
 *
 * @param chain the server's certificates, leaf first
 * @param key the leaf's private key
 * @param trusted the authorities that clients' certificates must lead to
 */
record Credentials(X509Certificate[] chain, PrivateKey key, X509Certificate[] trusted) {

    static Credentials load(Options options) throws IOException, GeneralSecurityException {
        return new Credentials(certificates(options.cert()), key(options.key()), certificates(options.trust()));
    }

    private static X509Certificate[] certificates(Path file) throws IOException, GeneralSecurityException {
        try (InputStream in = Files.newInputStream(file)) {
            return CertificateFactory.getInstance("X.509").generateCertificates(in).toArray(new X509Certificate[0]);
        }
    }

    private static PrivateKey key(Path file) throws IOException, GeneralSecurityException {
        String body = Files.readString(file).replaceAll("-----[A-Z ]+-----", "").replaceAll("\\s", "");
        byte[] der = Base64.getDecoder().decode(body);
        return KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(der));
    }
}
