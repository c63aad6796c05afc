/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates for tests: one certificate and its key in memory, signed by another or by itself. One thread.
 */
#ifndef TS_WALLET_CERTS_H
#define TS_WALLET_CERTS_H

#include <openssl/x509.h>
#include <stdbool.h>

struct ts_cert {
    X509 *cert;
    EVP_PKEY *key;
};

struct ts_cert_opts {
    const char *name;             /* common name */
    const char *alt;              /* subject alternative names ("DNS:a,IP:127.0.0.1"), or NULL */
    const char *usage;            /* extended key usage, or NULL */
    const struct ts_cert *issuer; /* NULL: signs itself */
    bool authority;
    int from_days, to_days; /* validity, counted from now */
};

/* False with OpenSSL's reason printed. */
bool ts_cert_make(struct ts_cert *made, const struct ts_cert_opts *opts);
void ts_cert_free(struct ts_cert *made);

/* Writes DIR/NAME.pem, with the certificate of `also` after it if that is given, and DIR/NAME.key, encrypted
 * if there is a password. */
bool ts_cert_write(const struct ts_cert *made, const char *dir, const char *name, const struct ts_cert *also,
                   const char *password);

/* Writes the certificate into a folder under the name by which OpenSSL looks for it (tls_ca_path). */
bool ts_cert_write_hashed(const struct ts_cert *made, const char *folder);

#endif
