/* JWTs of NATS: users' ones are issued as ADR-14 has it, and the little that a client reads of its own. Any
 * thread; nothing is shared. */
#ifndef NKI_AUTH_JWT_H
#define NKI_AUTH_JWT_H

#include "base/buf.h"
#include "base/status.h"

#define NKI_JWT_NAME_MAX ((size_t)1024) /* of a name, and of a tag */

/* Three parts of base64url, none empty, with dots between. */
bool nki_jwt_shape_ok(struct nki_str jwt);

/* Instant at which it expires, in seconds since 1970 UTC; 0 if never. The signature is not checked.
 * NKI_CREDENTIALS if it is no JWT, NKI_NO_MEMORY. */
int32_t nki_jwt_expiry(struct nki_str jwt, int64_t *expires_s, struct nki_error *err);

/* What a user's JWT says. */
struct nki_jwt_user {
    struct nki_str user;    /* public key */
    struct nki_str account; /* public key; empty: the issuer's own */
    struct nki_str name;    /* empty: the user's public key */
    const struct nki_str *tags;
    size_t tag_count;
    int64_t issued_s;
    int64_t expires_s; /* 0: never */
    bool scoped;       /* the issuer is a signing key with a scope, which sets permissions and limits */
};

/* Appends the JWT, signed with `seed`, which is an account's. Tags are trimmed; empty and repeated ones are
 * left out. A user that is not scoped has all permissions of its account and no limits.
 *
 * NKI_CREDENTIALS (a key is malformed, or not of its role), NKI_INVALID (name, tags), NKI_NO_MEMORY,
 * NKI_INTERNAL; `out` may hold a part then. */
int32_t nki_jwt_issue_user(struct nki_buf *out, struct nki_str seed, const struct nki_jwt_user *user,
                           struct nki_error *err);

#endif
