/* CONNECT: what the client tells of itself. Pure. */
#ifndef NKI_WIRE_CONNECT_H
#define NKI_WIRE_CONNECT_H

#include "base/buf.h"

struct nki_connect_params {
    struct nki_str name; /* empty texts are left out */
    struct nki_str user;
    struct nki_str password;
    struct nki_str token;
    struct nki_str jwt;
    struct nki_str nkey;
    struct nki_str signature; /* of the nonce, base64 */
    struct nki_str version;
    bool verbose;
    bool pedantic;
    bool echo;
    bool tls_required;
};

/* Appends "CONNECT {...} CRLF" with a fixed list of keys: verbose, pedantic, tls_required, name, lang
 * ("natskit"), version, protocol 1, echo, headers true, no_responders true, user, pass, auth_token, jwt,
 * nkey, sig (ADR-40). Every text is escaped. False if there is no memory. */
bool nki_connect_emit(struct nki_buf *out, const struct nki_connect_params *params)
    __attribute__((warn_unused_result));

#endif
