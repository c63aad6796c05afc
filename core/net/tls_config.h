/* What TLS is spoken with: authorities, the client's own certificate, versions. Made by the helper thread
 * (parsing takes milliseconds), shared by the transports that use it, and kept as long as what it was made of
 * stays the same. */
#ifndef NKI_NET_TLS_CONFIG_H
#define NKI_NET_TLS_CONFIG_H

#include "base/status.h"
#include "base/str.h"

#define NKI_TLS_FINGERPRINT 32
#define NKI_TLS_PEER_MAX 544 /* of a name under which a session is kept */

struct nki_tls_material {
    struct nki_str ca[2];    /* certificates, PEM; with none of these and no folder: the system's */
    const char *ca_path;     /* folder of certificates; NULL or empty: none */
    struct nki_str cert;     /* the client's certificate and the chain above it, PEM; empty: none */
    struct nki_str key;      /* its private key, PEM */
    struct nki_str password; /* of an encrypted key */
    bool only_1_3;           /* TLS 1.3 only; else 1.2 and above */
    bool insecure;           /* any certificate is accepted */
};

struct nki_tls_config; /* reference counted; any thread */

/* `last` (may be NULL) is given out again if it was made of the same; one reference for the caller either
 * way. NKI_CREDENTIALS (the text names the option), NKI_NO_MEMORY. No error text holds any of the material.
 */
int32_t nki_tls_config_make(const struct nki_tls_material *material, struct nki_tls_config *last,
                            struct nki_tls_config **out, struct nki_error *err);
void nki_tls_config_retain(struct nki_tls_config *config);
/* NULL is allowed. */
void nki_tls_config_release(struct nki_tls_config *config);
bool nki_tls_config_insecure(const struct nki_tls_config *config);

#endif
