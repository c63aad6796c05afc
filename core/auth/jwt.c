/* JWTs of NATS: base64url of a header, of claims and of an Ed25519 signature over both. Any thread. */
#include "auth/jwt.h"

#include "auth/base32.h"
#include "auth/nkey.h"
#include "base/alloc.h"
#include "base/base64.h"
#include "base/json.h"

#define JTI_LEN NKI_BASE32_LEN(NKI_SHA256_BYTES)

/* -- reading --------------------------------------------------------------------------------------------- */

static bool is_base64url(struct nki_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
              c == '_')) {
            return false;
        }
    }
    return text.len > 0;
}

/* The three parts; false if it has not exactly these. */
static bool cut(struct nki_str jwt, struct nki_str parts[3])
{
    for (int i = 0; i < 3; i++) {
        parts[i] = nki_str_cut(&jwt, '.');
        if (!is_base64url(parts[i]) || (jwt.ptr == NULL) != (i == 2)) {
            return false;
        }
    }
    return true;
}

bool nki_jwt_shape_ok(struct nki_str jwt)
{
    struct nki_str parts[3];
    return cut(jwt, parts);
}

/* `exp` of claims that were decoded; false if they are no claims. */
static bool read_expiry(struct nki_str claims, int64_t *expires_s)
{
    struct nki_json_value object;
    struct nki_json_value exp;
    *expires_s = 0;
    if (!nki_json_check(claims, &object) || object.type != NKI_JSON_OBJECT) {
        return false;
    }
    if (!nki_json_member(&object, NKI_STR("exp"), &exp) || exp.type == NKI_JSON_NULL) {
        return true;
    }
    return nki_json_i64(&exp, expires_s) && *expires_s >= 0;
}

int32_t nki_jwt_expiry(struct nki_str jwt, int64_t *expires_s, struct nki_error *err)
{
    struct nki_str parts[3];
    if (!cut(jwt, parts)) {
        return nki_error_set(err, NKI_CREDENTIALS, "the JWT is none: three parts in base64url");
    }
    size_t cap = parts[1].len;
    char *claims = nki_alloc(cap);
    if (claims == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    ptrdiff_t len = nki_base64_decode(NKI_BASE64_URL, parts[1], claims, cap);
    bool read = len >= 0 && read_expiry(nki_str_make(claims, (size_t)len), expires_s);
    nki_free_secret(claims, cap);
    return read ? NKI_OK : nki_error_set(err, NKI_CREDENTIALS, "the JWT is none: its claims cannot be read");
}

/* -- issuing --------------------------------------------------------------------------------------------- */

/* The claims of a user while they are written. */
struct claims {
    struct nki_buf *out;
    bool full; /* no memory was left for a part of them */
};

static void add(struct claims *claims, struct nki_str text)
{
    claims->full = claims->full || !nki_buf_append_str(claims->out, text);
}

static void add_json(struct claims *claims, struct nki_str before, struct nki_str text)
{
    add(claims, before);
    claims->full = claims->full || !nki_buf_append_json(claims->out, text);
}

static void add_number(struct claims *claims, struct nki_str before, int64_t number)
{
    add(claims, before);
    claims->full = claims->full || !nki_buf_append_u64(claims->out, (uint64_t)number);
}

static bool seen_before(const struct nki_jwt_user *user, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (nki_str_eq(nki_str_trim(user->tags[i]), nki_str_trim(user->tags[index]))) {
            return true;
        }
    }
    return false;
}

static void add_tags(struct claims *claims, const struct nki_jwt_user *user)
{
    bool any = false;
    for (size_t i = 0; i < user->tag_count; i++) {
        struct nki_str tag = nki_str_trim(user->tags[i]);
        if (tag.len > 0 && !seen_before(user, i)) {
            add_json(claims, any ? NKI_STR(",") : NKI_STR(",\"tags\":["), tag);
            any = true;
        }
    }
    if (any) {
        add(claims, NKI_STR("]"));
    }
}

/* Members in the order of the Go library, whose hash of them is the JWT's id. */
static bool write_claims(struct nki_buf *out, const struct nki_jwt_user *user, struct nki_str issuer,
                         struct nki_str id)
{
    struct claims claims = {out, false};
    out->len = 0;
    add(&claims, NKI_STR("{"));
    if (user->expires_s > 0) {
        add_number(&claims, NKI_STR("\"exp\":"), user->expires_s);
        add(&claims, NKI_STR(","));
    }
    add_json(&claims, NKI_STR("\"jti\":"), id);
    add_number(&claims, NKI_STR(",\"iat\":"), user->issued_s);
    add_json(&claims, NKI_STR(",\"iss\":"), issuer);
    add_json(&claims, NKI_STR(",\"name\":"), user->name.len > 0 ? user->name : user->user);
    add_json(&claims, NKI_STR(",\"sub\":"), user->user);
    add(&claims, NKI_STR(",\"nats\":{"));
    if (!user->scoped) { /* what is left out counts as 0: no subscription, no payload */
        add(&claims, NKI_STR("\"pub\":{},\"sub\":{},\"subs\":-1,\"data\":-1,\"payload\":-1,"));
    }
    add(&claims, NKI_STR("\"type\":\"user\",\"version\":2"));
    if (user->account.len > 0 && !nki_str_eq(user->account, issuer)) {
        add_json(&claims, NKI_STR(",\"issuer_account\":"), user->account);
    }
    add_tags(&claims, user);
    add(&claims, NKI_STR("}}"));
    return !claims.full;
}

/* Writes the claims twice: the id is a hash of them with an empty id. */
static int32_t make_claims(struct nki_buf *out, const struct nki_jwt_user *user, struct nki_str issuer,
                           struct nki_error *err)
{
    uint8_t hash[NKI_SHA256_BYTES];
    char id[JTI_LEN];
    if (!write_claims(out, user, issuer, nki_str_make("", 0))) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    int32_t status = nki_sha256(nki_str_make((const char *)out->data, out->len), hash, err);
    if (status != NKI_OK) {
        return status;
    }
    nki_base32_encode(hash, sizeof hash, id);
    return write_claims(out, user, issuer, nki_str_make(id, sizeof id))
               ? NKI_OK
               : nki_error_set(err, NKI_NO_MEMORY, NULL);
}

static bool append_base64url(struct nki_buf *out, const void *data, size_t len)
{
    if (!nki_buf_reserve(out, NKI_BASE64_LEN(len))) {
        return false;
    }
    out->len += nki_base64_encode(NKI_BASE64_URL, data, len, (char *)out->data + out->len);
    return true;
}

/* Appends header, claims and signature. */
static int32_t append_signed(struct nki_buf *out, const struct nki_buf *claims, const struct nki_nkey *key,
                             struct nki_error *err)
{
    static const char header[] = "{\"typ\":\"JWT\",\"alg\":\"ed25519-nkey\"}";
    uint8_t signature[NKI_ED25519_SIGNATURE];
    size_t begin = out->len;
    if (!append_base64url(out, header, sizeof header - 1) || !nki_buf_append_str(out, NKI_STR(".")) ||
        !append_base64url(out, claims->data, claims->len)) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    struct nki_str covered = nki_str_make((const char *)out->data + begin, out->len - begin);
    int32_t status = nki_ed25519_sign(key->bytes, covered, signature, err);
    if (status != NKI_OK) {
        return status;
    }
    if (!nki_buf_append_str(out, NKI_STR(".")) || !append_base64url(out, signature, sizeof signature)) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    return NKI_OK;
}

static int32_t check_key(const char *what, struct nki_str text, char role, struct nki_error *err)
{
    struct nki_nkey key;
    struct nki_error why;
    int32_t status = nki_nkey_read_public(text, &key, &why);
    if (status != NKI_OK) {
        return nki_error_set(err, status, "%s: %s", what, why.text);
    }
    if (key.role != role) {
        return nki_error_set(err, NKI_CREDENTIALS, "%s: the key is %s, not %s", what,
                             nki_nkey_role_name(key.role), nki_nkey_role_name(role));
    }
    return NKI_OK;
}

static int32_t check_text(const char *what, struct nki_str text, struct nki_error *err)
{
    bool clean = text.len <= NKI_JWT_NAME_MAX && nki_str_utf8_valid(text);
    for (size_t i = 0; clean && i < text.len; i++) {
        clean = (unsigned char)text.ptr[i] >= 0x20 && text.ptr[i] != 0x7F;
    }
    return clean
               ? NKI_OK
               : nki_error_set(err, NKI_INVALID, "%s: more than %zu bytes, control characters, or not UTF-8",
                               what, NKI_JWT_NAME_MAX);
}

static int32_t check_user(const struct nki_jwt_user *user, struct nki_error *err)
{
    int32_t status = check_key("user", user->user, 'U', err);
    if (status == NKI_OK && user->account.len > 0) {
        status = check_key("account", user->account, 'A', err);
    }
    if (status == NKI_OK) {
        status = check_text("name", user->name, err);
    }
    for (size_t i = 0; status == NKI_OK && i < user->tag_count; i++) {
        status = check_text("tag", user->tags[i], err);
    }
    return status;
}

static int32_t issue(struct nki_buf *out, struct nki_buf *claims, const struct nki_nkey *key,
                     const struct nki_jwt_user *user, struct nki_error *err)
{
    char issuer[NKI_NKEY_PUBLIC_LEN];
    int32_t status = nki_nkey_public(key, issuer, err);
    if (status != NKI_OK) {
        return status;
    }
    struct nki_jwt_user filled = *user;
    if (user->account.len == 0 || nki_str_eq(user->account, nki_str_make(issuer, sizeof issuer))) {
        filled.scoped = false; /* an account's own key has no scope */
    }
    status = make_claims(claims, &filled, nki_str_make(issuer, sizeof issuer), err);
    return status == NKI_OK ? append_signed(out, claims, key, err) : status;
}

int32_t nki_jwt_issue_user(struct nki_buf *out, struct nki_str seed, const struct nki_jwt_user *user,
                           struct nki_error *err)
{
    struct nki_nkey key;
    struct nki_buf claims = {0};
    int32_t status = nki_nkey_read_seed(seed, &key, err);
    if (status == NKI_OK && key.role != 'A') {
        status = nki_error_set(err, NKI_CREDENTIALS, "the seed is %s, but accounts issue users",
                               nki_nkey_role_name(key.role));
    }
    if (status == NKI_OK) {
        status = check_user(user, err);
    }
    if (status == NKI_OK) {
        status = issue(out, &claims, &key, user, err);
    }
    nki_nkey_wipe(&key);
    nki_buf_free(&claims);
    return status;
}
