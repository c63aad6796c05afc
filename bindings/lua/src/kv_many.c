/* Buckets as a whole: changing many keys, entries at hand, and changing a value by a function. */
#include "kv.h"

#include <math.h>
#include <string.h>

/* -- changing many keys -----------------------------------------------------------------------------------
 */

/* Slots of a sweep. */
enum { P_KV = S_KV, P_OPTIONS, P_WAIT };

/* A century: as option older_than_ms has it at most. */
#define OLDEST_MS INT64_C(3153600000000)

static int finish_sweep(lua_State *L, lnk_state *st, lnk_wait *wait, int index, natskit_status status,
                        const natskit_error *err)
{
    (void)st;
    (void)index;
    natskit_json answer = {0};
    natskit_error own;
    if (status == NATSKIT_OK) {
        status = natskit_op_json(wait->op, &answer, &own);
        err = &own;
    }
    if (status != NATSKIT_OK) {
        return lnk_js_fail(L, status, err);
    }
    lnk_json_push_value(L, answer, NULL);
    lua_getfield(L, -1, "keys");
    return 1;
}

static const char *const sweep_others[] = {"timeout", "older_than", NULL};

/* 0 seconds stand for all, and more than there are for none. */
static void set_older(lua_State *L, lnk_options *options, int64_t older_ms)
{
    natskit_error err;
    older_ms = older_ms == 0 ? -1 : older_ms < 0 ? OLDEST_MS : older_ms;
    lnk_options_open(L, options, NATSKIT_OPTIONS_KV_SWEEP);
    if (natskit_options_set_int(options->options, "older_than_ms", NATSKIT_ZLEN, older_ms, &err) !=
        NATSKIT_OK) {
        luaL_error(L, "option %s", err.text);
    }
}

/* The keys are at 2, the table of options at 3; each may be nil. */
static int sweep(lua_State *L, int32_t action, unsigned may, const char *what)
{
    const lnk_kv *kv = lnk_kv_check(L);
    natskit_error err;
    struct lnk_kv_wishes wishes = lnk_kv_read_wishes(L, 3, may | MAY_SWEEP, what, kv->timeout_ms);
    lnk_codec_options(L, S_KV, 3);
    lnk_options *options = lnk_begin_options(L);
    if (lua_istable(L, 3) && (may & MAY_OLDER) != 0) {
        lua_getfield(L, 3, "older_than");
        if (!lua_isnil(L, -1)) {
            set_older(L, options, wishes.older_ms);
        }
        lua_pop(L, 1);
    }
    lnk_fill_options(L, options, 3, NATSKIT_OPTIONS_KV_SWEEP, sweep_others);
    lnk_kv_add_keys(L, options, NATSKIT_OPTIONS_KV_SWEEP, 2);
    lua_replace(L, P_OPTIONS); /* they live until it has begun */
    lua_settop(L, P_OPTIONS);
    lnk_wait *wait = lnk_push_wait(L, S_KV);
    wait->finish = finish_sweep;
    natskit_status status =
        natskit_kv_sweep_start(kv->kv, action, lnk_options_of(options), wishes.timeout_ms, &wait->op, &err);
    lnk_options_end(options);
    return status == NATSKIT_OK ? lnk_await(L, P_WAIT) : lnk_fail_or_raise(L, status, &err, what);
}

static int sweep_keys(lua_State *L, int32_t action, const char *what)
{
    luaL_argexpected(L, lua_type(L, 2) == LUA_TSTRING || lua_istable(L, 2), 2, "string or list of strings");
    lua_settop(L, 3);
    return sweep(L, action, 0, what);
}

/* kv:delete_all(keys [, {in_flight =, timeout =}]) -> number of keys */
int lnk_kv_delete_all(lua_State *L)
{
    return sweep_keys(L, NATSKIT_KV_DELETE, "delete_all");
}

/* kv:purge_all(keys [, {in_flight =, timeout =}]) -> number of keys */
int lnk_kv_purge_all(lua_State *L)
{
    return sweep_keys(L, NATSKIT_KV_PURGE, "purge_all");
}

/* kv:purge_deletes([{keys =, older_than =, in_flight =, timeout =}]) -> number of keys */
int lnk_kv_purge_deletes(lua_State *L)
{
    lua_settop(L, 2);
    lua_pushnil(L);
    lua_insert(L, 2);
    return sweep(L, NATSKIT_KV_PURGE_DELETES, MAY_OLDER | MAY_KEYS, "purge_deletes");
}

/* -- entries at hand --------------------------------------------------------------------------------------
 */

static const char *const cache_others[] = {"keys", NULL};

/* kv:cache([keys [, {headers_only =}]]) -> watch, whose first message says that it is complete */
int lnk_kv_cache(lua_State *L)
{
    lnk_kv_check(L);
    lua_settop(L, 3);
    lnk_options *options = lnk_begin_options(L);
    lnk_fill_options(L, options, 3, NATSKIT_OPTIONS_KV_WATCH, cache_others);
    lnk_kv_add_keys(L, options, NATSKIT_OPTIONS_KV_WATCH, 2);
    int failed = lnk_kv_begin_watch(L, options, natskit_kv_cache, "cache");
    return failed != 0 ? failed : 1;
}

/* kv:cached(key) -> entry */
int lnk_kv_cached(lua_State *L)
{
    const lnk_kv *kv = lnk_kv_check(L);
    size_t len;
    luaL_checkstring(L, S_KEY);
    lnk_codec_key(L, S_KV, S_KEY);
    const char *key = lua_tolstring(L, S_KEY, &len);
    lnk_msg *entry = lnk_push_entry(L, S_KV, LNK_KV_CODECS);
    natskit_status status = natskit_kv_cached(kv->kv, key, len, &entry->msg);
    if (status != NATSKIT_OK) {
        return lnk_fail_or_raise(L, status, NULL, "cached");
    }
    lnk_account(L, lnk_state_of(L), entry);
    return 1;
}

/* kv:cached_all() -> list of entries */
int lnk_kv_cached_all(lua_State *L)
{
    const lnk_kv *kv = lnk_kv_check(L);
    natskit_msg **msgs = NULL;
    size_t cap = 0;
    size_t count = 0;
    natskit_status status;
    lua_settop(L, S_KV);
    /* What is written meanwhile may make it more than there is room for. */
    while ((status = natskit_kv_cached_all(kv->kv, msgs, cap, &count)) == NATSKIT_OK && count > cap) {
        natskit_msg_release_batch(msgs, cap);
        lua_settop(L, S_KV);
        cap = count + count / 8;
        msgs = lua_newuserdatauv(L, cap * sizeof(natskit_msg *), 0);
    }
    if (status != NATSKIT_OK) {
        return lnk_fail(L, status, NULL);
    }
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lnk_msg *entry = lnk_push_entry(L, S_KV, LNK_KV_CODECS);
        entry->msg = msgs[i];
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* kv:cache_info() -> table */
int lnk_kv_cache_info(lua_State *L)
{
    const lnk_kv *kv = lnk_kv_check(L);
    natskit_kv_cache_info info;
    natskit_status status = natskit_kv_cache_stats(kv->kv, &info, sizeof info);
    if (status != NATSKIT_OK) {
        return lnk_fail(L, status, NULL);
    }
    lua_createtable(L, 0, 4);
    lua_pushinteger(L, (lua_Integer)info.entries);
    lua_setfield(L, -2, "entries");
    lua_pushinteger(L, (lua_Integer)info.bytes);
    lua_setfield(L, -2, "bytes");
    lua_pushinteger(L, (lua_Integer)info.last_revision);
    lua_setfield(L, -2, "last_revision");
    lua_pushboolean(L, info.complete);
    lua_setfield(L, -2, "complete");
    return 1;
}

/* -- changing a value by a function ------------------------------------------------------------------------
 */

/* Slots. Getting and changing, which wait, are calls of the methods themselves. */
enum { M_KV = S_KV, M_KEY, M_FUNCTION, M_TRIES, M_TIMEOUT, M_REVISION, M_TOP = M_REVISION };

/* What comes next. */
enum step { ASK, LOOKED, MADE, CHANGED };

/* Results of a look-up or change that failed. */
#define RESULTS 6

/* Pushes a method of the bucket and the bucket. */
static void push_method(lua_State *L, const char *name)
{
    lua_getfield(L, M_KV, name);
    lua_pushvalue(L, M_KV);
}

static void push_timeout(lua_State *L)
{
    lua_createtable(L, 0, 1);
    lua_pushvalue(L, M_TIMEOUT);
    lua_setfield(L, -2, "timeout");
}

static int is_code(lua_State *L, int index, const char *code)
{
    const char *have = lua_tostring(L, index);
    return have != NULL && strcmp(have, code) == 0;
}

/* A look-up has given the results on top: pushes the function and what it gets. False if it has failed. */
static int push_call(lua_State *L)
{
    int first = lua_gettop(L) - RESULTS + 1;
    lua_pushinteger(L, 0);
    if (!lua_isnil(L, first)) {
        lua_getfield(L, first, "revision");
        lua_replace(L, -2);
        lua_getfield(L, first, "value");
    } else if (is_code(L, first + 2, "key_not_found") || is_code(L, first + 2, "key_deleted")) {
        lua_pushnil(L);
    } else {
        lua_settop(L, first + RESULTS - 1);
        return 0;
    }
    lua_pushvalue(L, M_FUNCTION);
    lua_insert(L, -2);
    lua_pushvalue(L, -3);
    lua_replace(L, M_REVISION);
    return 1;
}

/* The new value is on top: pushes what sets it. The number of arguments. */
static int push_change(lua_State *L)
{
    int value = lua_gettop(L);
    int fresh = lua_tointeger(L, M_REVISION) == 0;
    push_method(L, fresh ? "create" : "update");
    lua_pushvalue(L, M_KEY);
    lua_pushvalue(L, value);
    if (!fresh) {
        lua_pushvalue(L, M_REVISION);
    }
    push_timeout(L);
    return fresh ? 4 : 5;
}

/* Whether another was faster, and it is tried once more. */
static int once_more(lua_State *L)
{
    int code = lua_gettop(L) - RESULTS + 3;
    if (!lua_isnil(L, code - 2) || !(is_code(L, code, "wrong_last") || is_code(L, code, "key_exists"))) {
        return 0;
    }
    lua_Integer tries = lua_tointeger(L, M_TRIES) - 1;
    lua_pushinteger(L, tries);
    lua_replace(L, M_TRIES);
    return tries > 0;
}

static int modify_k(lua_State *L, int resumed, lua_KContext step)
{
    (void)resumed;
    for (;;) {
        switch ((enum step)step) {
        case ASK:
            lua_settop(L, M_TOP);
            push_method(L, "get");
            lua_pushvalue(L, M_KEY);
            push_timeout(L);
            step = LOOKED;
            lua_callk(L, 3, RESULTS, step, modify_k);
            break;
        case LOOKED:
            if (!push_call(L)) {
                return RESULTS;
            }
            step = MADE;
            lua_callk(L, 1, 1, step, modify_k);
            break;
        case MADE: {
            if (lua_isnil(L, -1)) {
                lua_pushboolean(L, 0); /* nothing was changed */
                return 1;
            }
            int args = push_change(L);
            step = CHANGED;
            lua_callk(L, args, RESULTS, step, modify_k);
            break;
        }
        case CHANGED:
            if (!once_more(L)) {
                return RESULTS;
            }
            step = ASK;
            break;
        }
    }
}

/* kv:modify(key, function(value) [, {tries =, timeout =}]) -> revision, or false if it gave nil */
int lnk_kv_modify(lua_State *L)
{
    const lnk_kv *kv = lnk_kv_check(L);
    luaL_checkstring(L, M_KEY);
    luaL_checktype(L, M_FUNCTION, LUA_TFUNCTION);
    lua_settop(L, 4);
    struct lnk_kv_wishes wishes = lnk_kv_read_wishes(L, 4, MAY_TRIES, "modify", kv->timeout_ms);
    luaL_argcheck(L, wishes.tries >= 1, 4, "tries is less than 1");
    lua_pushinteger(L, wishes.tries);
    lua_replace(L, M_TRIES);
    lua_pushnumber(L, wishes.timeout_ms < 0 ? HUGE_VAL : (lua_Number)wishes.timeout_ms / 1000);
    lua_settop(L, M_TOP);
    return modify_k(L, LUA_OK, ASK);
}
