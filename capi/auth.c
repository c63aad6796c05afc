/* Keys, JWTs and credentials. Nothing is kept; any thread. */
#include "auth/credentials.h"
#include "auth/nkey.h"
#include "base/alloc.h"
#include "capi/guard.h"

_Static_assert(NATSKIT_NKEY_PUBLIC_LEN == NKI_NKEY_PUBLIC_LEN && NATSKIT_NKEY_SEED_LEN == NKI_NKEY_SEED_LEN &&
                   NATSKIT_SIGNATURE_LEN == NKI_ED25519_SIGNATURE,
               "lengths are the same");

/* Whether there is room for a text that has `needed` bytes; tells them. */
static natskit_status room_for(size_t needed, size_t cap, size_t *len, natskit_error *err)
{
    *len = needed;
    return needed <= cap ? NATSKIT_OK
                         : nki_error_set(nki_capi_err(err), NATSKIT_LIMIT,
                                         "the text has %zu bytes, the buffer %zu", needed, cap);
}

static natskit_status check_room(const char *buf, size_t cap, const size_t *len, natskit_error *err)
{
    if (buf == NULL && cap > 0) {
        return nki_capi_invalid(err, "buf: the pointer is NULL");
    }
    return len != NULL ? NATSKIT_OK : nki_capi_invalid(err, "len: the pointer is NULL");
}

static natskit_status check_text(const char *what, const void *ptr, size_t len, struct nki_str *out,
                                 natskit_error *err)
{
    return nki_capi_str(ptr, len, out)
               ? NATSKIT_OK
               : nki_error_set(nki_capi_err(err), NATSKIT_INVALID, "%s: the pointer is NULL", what);
}

/* -- keys ------------------------------------------------------------------------------------------------ */

natskit_status natskit_nkey_create(int32_t role, char *buf, size_t cap, size_t *len, natskit_error *err)
{
    natskit_status status = check_room(buf, cap, len, err);
    if (status == NATSKIT_OK && !nki_nkey_role_ok(role)) {
        status = nki_capi_invalid(err, "role: not 'U', 'A', 'O', 'N' or 'C'");
    }
    if (status == NATSKIT_OK) {
        status = room_for(NKI_NKEY_SEED_LEN, cap, len, err);
    }
    if (status == NATSKIT_OK) {
        nki_nkey_create((char)role, buf);
    }
    return status;
}

natskit_status natskit_nkey_public(const char *seed, size_t seed_len, char *buf, size_t cap, size_t *len,
                                   natskit_error *err)
{
    struct nki_nkey key;
    struct nki_str text;
    natskit_status status = check_room(buf, cap, len, err);
    if (status == NATSKIT_OK) {
        status = check_text("seed", seed, seed_len, &text, err);
    }
    if (status != NATSKIT_OK) {
        return status;
    }
    status = nki_nkey_read_seed(text, &key, nki_capi_err(err));
    if (status == NATSKIT_OK) {
        status = room_for(NKI_NKEY_PUBLIC_LEN, cap, len, err);
    }
    if (status == NATSKIT_OK) {
        status = nki_nkey_public(&key, buf, nki_capi_err(err));
    }
    nki_nkey_wipe(&key);
    return status;
}

natskit_status natskit_nkey_sign(const char *seed, size_t seed_len, const void *data, size_t data_len,
                                 uint8_t *signature, natskit_error *err)
{
    struct nki_nkey key;
    struct nki_str text;
    struct nki_str bytes;
    natskit_status status = check_text("seed", seed, seed_len, &text, err);
    if (status == NATSKIT_OK) {
        status = check_text("data", data, data_len, &bytes, err);
    }
    if (status == NATSKIT_OK && signature == NULL) {
        status = nki_capi_invalid(err, "signature: the pointer is NULL");
    }
    if (status != NATSKIT_OK) {
        return status;
    }
    status = nki_nkey_read_seed(text, &key, nki_capi_err(err));
    if (status == NATSKIT_OK) {
        status = nki_ed25519_sign(key.bytes, bytes, signature, nki_capi_err(err));
    }
    nki_nkey_wipe(&key);
    return status;
}

natskit_status natskit_nkey_verify(const char *key, size_t key_len, const void *data, size_t data_len,
                                   const uint8_t *signature, size_t signature_len, natskit_error *err)
{
    struct nki_nkey public;
    struct nki_str text;
    struct nki_str bytes;
    natskit_status status = check_text("key", key, key_len, &text, err);
    if (status == NATSKIT_OK) {
        status = check_text("data", data, data_len, &bytes, err);
    }
    if (status == NATSKIT_OK && signature == NULL && signature_len > 0) {
        status = nki_capi_invalid(err, "signature: the pointer is NULL");
    }
    if (status == NATSKIT_OK) {
        status = nki_nkey_read_public(text, &public, nki_capi_err(err));
    }
    if (status == NATSKIT_OK && signature_len != NKI_ED25519_SIGNATURE) {
        status = nki_error_set(nki_capi_err(err), NATSKIT_SIGNATURE, "the signature has %zu bytes, not %d",
                               signature_len, NKI_ED25519_SIGNATURE);
    }
    return status == NATSKIT_OK ? nki_ed25519_verify(public.bytes, bytes, signature, nki_capi_err(err))
                                : status;
}

/* -- JWTs and credentials -------------------------------------------------------------------------------- */

/* Whole seconds now, and when `valid_ms` from now have passed; 0 for never. */
static void set_times(struct nki_jwt_user *user, int64_t valid_ms)
{
    int64_t now_ms = nki_clock_wall_ns() / NKI_NS_PER_MS;
    user->issued_s = now_ms / 1000;
    user->expires_s = valid_ms < 0 ? 0 : (now_ms + valid_ms + 999) / 1000;
}

/* Fills what the options say; the texts are theirs. `tags` is to be freed. */
static int32_t read_options(const struct nki_options *options, struct nki_jwt_user *user,
                            struct nki_str **tags, struct nki_error *err)
{
    size_t count = nki_options_list_len(options, NKI_OPT_USER_JWT_tags);
    *tags = count > 0 ? nki_alloc(count * sizeof **tags) : NULL;
    if (count > 0 && *tags == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    for (size_t i = 0; i < count; i++) {
        (*tags)[i] = nki_options_list_at(options, NKI_OPT_USER_JWT_tags, i);
    }
    user->tags = *tags;
    user->tag_count = count;
    user->account = nki_options_str(options, NKI_OPT_USER_JWT_account);
    user->name = nki_options_str(options, NKI_OPT_USER_JWT_name);
    user->scoped = nki_options_bool(options, NKI_OPT_USER_JWT_scoped);
    set_times(user, nki_options_int(options, NKI_OPT_USER_JWT_valid_ms));
    return NKI_OK;
}

static int32_t issue_user(struct nki_buf *out, struct nki_str seed, struct nki_str public, natskit_options id,
                          natskit_error *err)
{
    struct nki_jwt_user user = {.user = public};
    struct nki_capi_options use;
    struct nki_str *tags = NULL;
    int32_t status = nki_capi_options_use(id, NATSKIT_OPTIONS_USER_JWT, &use, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    set_times(&user, -1);
    if (use.options != NULL) {
        status = read_options(use.options, &user, &tags, nki_capi_err(err));
    }
    if (status == NATSKIT_OK) {
        status = nki_jwt_issue_user(out, seed, &user, nki_capi_err(err));
    }
    nki_free(tags);
    nki_capi_options_done(&use);
    return status;
}

natskit_status natskit_jwt_issue_user(const char *seed, size_t seed_len, const char *user, size_t user_len,
                                      natskit_options options, char *buf, size_t cap, size_t *len,
                                      natskit_error *err)
{
    struct nki_buf jwt = {0};
    struct nki_str seed_text;
    struct nki_str public;
    natskit_status status = check_room(buf, cap, len, err);
    if (status == NATSKIT_OK) {
        status = check_text("seed", seed, seed_len, &seed_text, err);
    }
    if (status == NATSKIT_OK) {
        status = check_text("user", user, user_len, &public, err);
    }
    if (status == NATSKIT_OK) {
        status = issue_user(&jwt, seed_text, public, options, err);
    }
    if (status == NATSKIT_OK) {
        status = room_for(jwt.len, cap, len, err);
    }
    if (status == NATSKIT_OK) {
        memcpy(buf, jwt.data, jwt.len);
    }
    nki_buf_free(&jwt);
    return status;
}

natskit_status natskit_jwt_expiry(const char *jwt, size_t jwt_len, int64_t *expires_ns, natskit_error *err)
{
    int64_t seconds;
    struct nki_str text;
    if (expires_ns == NULL) {
        return nki_capi_invalid(err, "expires_ns: the pointer is NULL");
    }
    natskit_status status = check_text("jwt", jwt, jwt_len, &text, err);
    if (status == NATSKIT_OK) {
        status = nki_jwt_expiry(text, &seconds, nki_capi_err(err));
    }
    if (status == NATSKIT_OK && __builtin_mul_overflow(seconds, INT64_C(1000000000), expires_ns)) {
        *expires_ns = INT64_MAX; /* after the year 2262 */
    }
    return status;
}

static natskit_status check_user_seed(struct nki_str seed, natskit_error *err)
{
    struct nki_nkey key;
    natskit_status status = nki_nkey_read_seed(seed, &key, nki_capi_err(err));
    if (status == NATSKIT_OK && key.role != 'U') {
        status = nki_error_set(nki_capi_err(err), NATSKIT_CREDENTIALS, "the seed is %s, but users connect",
                               nki_nkey_role_name(key.role));
    }
    nki_nkey_wipe(&key);
    return status;
}

natskit_status natskit_creds_format(const char *jwt, size_t jwt_len, const char *seed, size_t seed_len,
                                    char *buf, size_t cap, size_t *len, natskit_error *err)
{
    struct nki_str jwt_text;
    struct nki_str seed_text;
    natskit_status status = check_room(buf, cap, len, err);
    if (status == NATSKIT_OK) {
        status = check_text("jwt", jwt, jwt_len, &jwt_text, err);
    }
    if (status == NATSKIT_OK) {
        status = check_text("seed", seed, seed_len, &seed_text, err);
    }
    if (status == NATSKIT_OK && !nki_jwt_shape_ok(jwt_text)) {
        status = nki_error_set(nki_capi_err(err), NATSKIT_CREDENTIALS,
                               "the JWT is none: three parts in base64url");
    }
    if (status == NATSKIT_OK) {
        status = check_user_seed(seed_text, err);
    }
    if (status != NATSKIT_OK) {
        return status;
    }
    size_t needed = nki_creds_format(jwt_text, seed_text, NULL, 0);
    if (needed > NKI_CREDENTIALS_TEXT_MAX) {
        return nki_error_set(nki_capi_err(err), NATSKIT_CREDENTIALS, "the JWT is too long for credentials");
    }
    status = room_for(needed, cap, len, err);
    if (status == NATSKIT_OK) {
        (void)nki_creds_format(jwt_text, seed_text, buf, cap);
    }
    return status;
}
