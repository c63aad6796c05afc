/* Keys, JWTs of users and credentials: nats.nkeys and nats.jwt. Runs on the thread of the Lua state. */
#include "lnk.h"

#include <math.h>
#include <string.h>

#define CREDS_CAP ((size_t)66 * 1024) /* more than the library writes */

/* nats.nkeys.create([role]) -> seed */
static int nkeys_create(lua_State *L)
{
    static const char *const roles[] = {"user", "account", "operator", "server", "cluster", NULL};
    static const char letters[] = "UAONC";
    char seed[NATSKIT_NKEY_SEED_LEN];
    size_t len = 0;
    natskit_error err;
    int role = luaL_checkoption(L, 1, "user", roles);
    natskit_status status = natskit_nkey_create(letters[role], seed, sizeof seed, &len, &err);
    if (status != NATSKIT_OK) {
        return lnk_fail(L, status, &err);
    }
    lua_pushlstring(L, seed, len);
    explicit_bzero(seed, sizeof seed);
    return 1;
}

/* nats.nkeys.public_key(seed) -> public key */
static int nkeys_public_key(lua_State *L)
{
    char key[NATSKIT_NKEY_PUBLIC_LEN];
    size_t seed_len;
    size_t len = 0;
    natskit_error err;
    const char *seed = luaL_checklstring(L, 1, &seed_len);
    natskit_status status = natskit_nkey_public(seed, seed_len, key, sizeof key, &len, &err);
    if (status != NATSKIT_OK) {
        return lnk_fail(L, status, &err);
    }
    lua_pushlstring(L, key, len);
    return 1;
}

/* nats.nkeys.sign(seed, data) -> signature */
static int nkeys_sign(lua_State *L)
{
    uint8_t signature[NATSKIT_SIGNATURE_LEN];
    size_t seed_len;
    size_t data_len;
    natskit_error err;
    const char *seed = luaL_checklstring(L, 1, &seed_len);
    const char *data = luaL_checklstring(L, 2, &data_len);
    natskit_status status = natskit_nkey_sign(seed, seed_len, data, data_len, signature, &err);
    if (status != NATSKIT_OK) {
        return lnk_fail(L, status, &err);
    }
    lua_pushlstring(L, (const char *)signature, sizeof signature);
    return 1;
}

/* nats.nkeys.verify(public key, data, signature) -> boolean */
static int nkeys_verify(lua_State *L)
{
    size_t key_len;
    size_t data_len;
    size_t signature_len;
    natskit_error err;
    const char *key = luaL_checklstring(L, 1, &key_len);
    const char *data = luaL_checklstring(L, 2, &data_len);
    const char *signature = luaL_checklstring(L, 3, &signature_len);
    natskit_status status =
        natskit_nkey_verify(key, key_len, data, data_len, (const uint8_t *)signature, signature_len, &err);
    if (status != NATSKIT_OK && status != NATSKIT_SIGNATURE) {
        return lnk_fail(L, status, &err);
    }
    lua_pushboolean(L, status == NATSKIT_OK);
    return 1;
}

/* nats.jwt.issue_user(seed, public key [, options]) -> JWT */
static int jwt_issue_user(lua_State *L)
{
    size_t seed_len;
    size_t user_len;
    natskit_error err;
    natskit_status status = NATSKIT_LIMIT;
    const char *seed = luaL_checklstring(L, 1, &seed_len);
    const char *user = luaL_checklstring(L, 2, &user_len);
    lua_settop(L, 3);
    lnk_options *options = lnk_push_options(L, 3, NATSKIT_OPTIONS_USER_JWT, NULL);
    /* Made larger until it fits: with many tags it is long, and the next second has another length. */
    for (size_t cap = 4096; status == NATSKIT_LIMIT;) {
        luaL_Buffer out;
        size_t len = 0;
        char *text = luaL_buffinitsize(L, &out, cap);
        status = natskit_jwt_issue_user(seed, seed_len, user, user_len, lnk_options_of(options), text, cap,
                                        &len, &err);
        if (status == NATSKIT_OK) {
            luaL_pushresultsize(&out, len);
        } else {
            luaL_pushresultsize(&out, 0);
            cap = len + 64;
        }
    }
    lnk_options_end(options);
    return status == NATSKIT_OK ? 1 : lnk_fail_or_raise(L, status, &err, "issue_user");
}

/* nats.jwt.expiry(jwt) -> seconds since 1970, math.huge for never */
static int jwt_expiry(lua_State *L)
{
    size_t len;
    int64_t expires_ns = 0;
    natskit_error err;
    const char *jwt = luaL_checklstring(L, 1, &len);
    natskit_status status = natskit_jwt_expiry(jwt, len, &expires_ns, &err);
    if (status != NATSKIT_OK) {
        return lnk_fail(L, status, &err);
    }
    if (expires_ns == 0) {
        lua_pushnumber(L, (lua_Number)HUGE_VAL);
    } else {
        lua_pushinteger(L, expires_ns / 1000000000);
    }
    return 1;
}

/* nats.jwt.format_creds(jwt, seed) -> text of a credentials file */
static int jwt_format_creds(lua_State *L)
{
    size_t jwt_len;
    size_t seed_len;
    size_t len = 0;
    luaL_Buffer out;
    natskit_error err;
    const char *jwt = luaL_checklstring(L, 1, &jwt_len);
    const char *seed = luaL_checklstring(L, 2, &seed_len);
    char *text = luaL_buffinitsize(L, &out, CREDS_CAP);
    natskit_status status = natskit_creds_format(jwt, jwt_len, seed, seed_len, text, CREDS_CAP, &len, &err);
    luaL_pushresultsize(&out, status == NATSKIT_OK ? len : 0);
    return status == NATSKIT_OK ? 1 : lnk_fail(L, status, &err);
}

static const luaL_Reg nkeys_funcs[] = {
    {"create", nkeys_create},
    {"public_key", nkeys_public_key},
    {"sign", nkeys_sign},
    {"verify", nkeys_verify},
    {NULL, NULL},
};

static const luaL_Reg jwt_funcs[] = {
    {"issue_user", jwt_issue_user},
    {"expiry", jwt_expiry},
    {"format_creds", jwt_format_creds},
    {NULL, NULL},
};

void lnk_auth_push_nkeys(lua_State *L, int state_index)
{
    lua_newtable(L);
    lnk_set_funcs(L, state_index, nkeys_funcs);
}

void lnk_auth_push_jwt(lua_State *L, int state_index)
{
    lua_newtable(L);
    lnk_set_funcs(L, state_index, jwt_funcs);
}
