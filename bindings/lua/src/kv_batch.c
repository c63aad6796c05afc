/* Several keys of a bucket at once: getting them, all of one moment, and changing them together or not at
 * all. */
#include "kv.h"

/* -- getting -------------------------------------------------------------------------------------------- */

static const char *const many_others[] = {"timeout", NULL};

static void ignore_deletes(lua_State *L, lnk_options *options)
{
    natskit_error err;
    lnk_options_open(L, options, NATSKIT_OPTIONS_KV_MANY);
    if (natskit_options_set_int(options->options, "ignore_deletes", NATSKIT_ZLEN, 1, &err) != NATSKIT_OK) {
        luaL_error(L, "option %s", err.text);
    }
}

/* kv:get_many(keys [, {ignore_deletes =, timeout =}]) -> table of entries by key */
int lnk_kv_get_many(lua_State *L)
{
    const lnk_kv *kv = lnk_kv_check(L);
    luaL_argexpected(L, lua_type(L, 2) == LUA_TSTRING || lua_istable(L, 2), 2, "string or list of strings");
    lua_settop(L, 3);
    int64_t timeout_ms = kv->timeout_ms;
    if (lua_istable(L, 2) && lua_rawlen(L, 2) == 0) {
        lua_newtable(L); /* of no key there is none */
        return 1;
    }
    if (!lua_isnil(L, 3)) {
        luaL_checktype(L, 3, LUA_TTABLE);
        lua_getfield(L, 3, "timeout");
        timeout_ms = lnk_opt_ms(L, lua_gettop(L), "timeout", timeout_ms);
        lua_pop(L, 1);
    }
    lnk_codec_options(L, S_KV, 3);
    lnk_options *options = lnk_begin_options(L);
    ignore_deletes(L, options); /* which the table may say otherwise */
    lnk_fill_options(L, options, 3, NATSKIT_OPTIONS_KV_MANY, many_others);
    lnk_kv_add_keys(L, options, NATSKIT_OPTIONS_KV_MANY, 2);
    int failed = lnk_kv_begin_watch(L, options, natskit_kv_get_many, "get_many");
    return failed != 0 ? failed : lnk_sub_entries(L, LNK_BY_KEY, timeout_ms);
}

/* -- changing ------------------------------------------------------------------------------------------- */

/* kv:batch([options as of js:batch]) */
int lnk_kv_batch(lua_State *L)
{
    lnk_kv_check(L);
    lua_settop(L, 2);
    lua_getiuservalue(L, S_KV, LNK_KV_JS);
    int failed = lnk_batch_open(L, 3, 2);
    if (failed != 0) {
        return failed;
    }
    lnk_batch *batch = lua_touserdata(L, -1);
    batch->changes = 1;
    lua_pushvalue(L, S_KV);
    lua_setiuservalue(L, -2, LNK_BATCH_KV);
    return 1;
}

int lnk_finish_changes(lua_State *L, lnk_state *st, lnk_wait *wait, int index, natskit_status status,
                       const natskit_error *err)
{
    int results = lnk_finish_publish(L, st, wait, index, status, err);
    if (results != 1) {
        return results;
    }
    lua_getfield(L, -1, "seq");
    lua_getfield(L, -2, "count");
    lua_Integer count = lua_tointeger(L, -1);
    lua_Integer first = lua_tointeger(L, -2) - count + 1;
    lua_createtable(L, (int)count, 0);
    for (lua_Integer i = 0; i < count; i++) {
        lua_pushinteger(L, first + i);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* Of the batch at 1 the key at 2, and a value that stands at 3 or an empty one; the table of options at
 * `options`. */
static int add(lua_State *L, int32_t action, uint64_t revision, int options, unsigned may, const char *what)
{
    const lnk_batch *batch = lnk_check(L, lnk_state_of(L), 1, LNK_BATCH);
    natskit_error err;
    size_t key_len;
    size_t value_len;
    luaL_argcheck(L, batch->changes, 1, "this batch is of no bucket: add");
    luaL_checkstring(L, 2);
    int has_value = options > 3 && !lua_isnoneornil(L, 3);
    if (has_value) {
        luaL_checkstring(L, 3);
    }
    struct lnk_kv_wishes wishes = lnk_kv_read_wishes(L, options, may, what, INT64_MIN);
    luaL_argcheck(L, wishes.timeout_ms == INT64_MIN, options, "this sends nothing, and takes no timeout");
    lua_getiuservalue(L, 1, LNK_BATCH_KV);
    const lnk_kv *kv = lua_touserdata(L, -1);
    int bucket = lua_gettop(L);
    lua_pushvalue(L, 2);
    lua_pushstring(L, "");
    if (has_value) {
        lua_pushvalue(L, 3);
        lua_replace(L, bucket + 2);
    }
    if (options > 3) {
        lnk_codec_value(L, bucket, bucket + 1, bucket + 2);
    }
    lnk_codec_key(L, bucket, bucket + 1);
    const char *key = lua_tolstring(L, bucket + 1, &key_len);
    const char *value = lua_tolstring(L, bucket + 2, &value_len);
    natskit_status status =
        natskit_kv_batch_add(kv->kv, batch->batch, action, key, key_len, value, value_len,
                             revision > 0 ? revision : wishes.revision, wishes.ttl_ms, &err);
    if (status != NATSKIT_OK) {
        return lnk_fail_or_raise(L, status, &err, what);
    }
    lua_pushboolean(L, 1);
    return 1;
}

/* batch:put(key, value) -> true */
int lnk_batch_put(lua_State *L)
{
    luaL_checkstring(L, 3);
    return add(L, NATSKIT_KV_PUT, 0, 4, 0, "put");
}

/* batch:create(key [, value [, {ttl =}]]) -> true */
int lnk_batch_create(lua_State *L)
{
    return add(L, NATSKIT_KV_CREATE, 0, 4, MAY_TTL, "create");
}

/* batch:update(key, value, revision) -> true */
int lnk_batch_update(lua_State *L)
{
    luaL_checkstring(L, 3);
    luaL_checkinteger(L, 4);
    return add(L, NATSKIT_KV_UPDATE, lnk_kv_read_revision(L, 4), 5, 0, "update");
}

/* batch:delete(key [, {revision =}]) -> true */
int lnk_batch_delete(lua_State *L)
{
    return add(L, NATSKIT_KV_DELETE, 0, 3, MAY_REVISION, "delete");
}

/* batch:purge(key [, {revision =, ttl =}]) -> true */
int lnk_batch_purge(lua_State *L)
{
    return add(L, NATSKIT_KV_PURGE, 0, 3, MAY_REVISION | MAY_TTL, "purge");
}
