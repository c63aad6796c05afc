/* Key-value buckets: their making, the changes and look-ups of keys, and watches, which are subscriptions
 * (sub.c) that yield entries (entry.c). What waits blocks or suspends as everywhere. */
#include "lnk.h"

#include <string.h>
#include <time.h>

/* Slots of a look-up or a change. */
enum slot {
    S_KV = 1,
    S_KEY,
    S_VALUE,
    S_ACTION, /* 0: a look-up */
    S_REVISION,
    S_TTL,
    S_DEADLINE,
    S_WAIT,
    S_ROOM, /* the wait for room, or nil */
    S_TOP = S_ROOM
};

/* How old what stands for a delete is when it goes. */
#define OLDER_MS 1800000

/* Bytes that a call may need in the outbox beside key and value. */
#define CALL_SIZE 1024

static const char *const action_names[] = {"get", "put", "delete", "purge", "create", "update"};

/* -- options ----------------------------------------------------------------------------------------------
 */

#define MAY_REVISION 1
#define MAY_TTL 2
#define MAY_OLDER 4

/* What the options of a call ask for. */
struct wishes {
    uint64_t revision;
    int64_t ttl_ms;
    int64_t older_ms;
    int64_t timeout_ms;
};

/* The revision at `index`, 0 for nil. */
static uint64_t read_revision(lua_State *L, int index)
{
    int integer = 0;
    lua_Integer revision = lua_tointegerx(L, index, &integer);
    if (lua_isnoneornil(L, index)) {
        return 0;
    }
    if (!integer || lua_type(L, index) != LUA_TNUMBER || revision < 0) {
        luaL_error(L, "revision: whole number expected, got %s", luaL_tolstring(L, index, NULL));
    }
    return (uint64_t)revision;
}

/* Reads the option whose name and value are on top. */
static void read_wish(lua_State *L, unsigned may, const char *what, struct wishes *wishes)
{
    int value = lua_gettop(L);
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
    if (strcmp(name, "timeout") == 0) {
        wishes->timeout_ms = lnk_check_ms(L, value, "timeout");
    } else if (strcmp(name, "revision") == 0 && (may & MAY_REVISION) != 0) {
        wishes->revision = read_revision(L, value);
    } else if (strcmp(name, "ttl") == 0 && (may & MAY_TTL) != 0) {
        int64_t ttl_ms = lnk_check_ms(L, value, "ttl");
        wishes->ttl_ms = ttl_ms < 0 ? 0 : ttl_ms; /* for ever is as without */
    } else if (strcmp(name, "older_than") == 0 && (may & MAY_OLDER) != 0) {
        wishes->older_ms = lnk_check_ms(L, value, "older_than");
    } else {
        luaL_error(L, "%s: unknown option '%s' (known: timeout%s%s%s)", what, luaL_tolstring(L, -2, NULL),
                   (may & MAY_REVISION) != 0 ? " revision" : "", (may & MAY_TTL) != 0 ? " ttl" : "",
                   (may & MAY_OLDER) != 0 ? " older_than" : "");
    }
}

/* Reads the table of options at `index`, which may be nil. */
static struct wishes read_wishes(lua_State *L, int index, unsigned may, const char *what, int64_t timeout_ms)
{
    struct wishes wishes = {.timeout_ms = timeout_ms, .older_ms = OLDER_MS};
    if (lua_isnoneornil(L, index)) {
        return wishes;
    }
    luaL_checktype(L, index, LUA_TTABLE);
    int top = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, index) != 0; lua_settop(L, top + 1)) {
        read_wish(L, may, what, &wishes);
    }
    return wishes;
}

/* -- buckets ----------------------------------------------------------------------------------------------
 */

static const lnk_method create_call = {
    .kind = LNK_JS, .name = "create_kv", .call = "stream.create", .gives = LNK_GIVES_OWNER};
static const lnk_method open_call = {
    .kind = LNK_JS, .name = "open_kv", .call = "stream.info", .gives = LNK_GIVES_OWNER};
static const lnk_method delete_call = {
    .kind = LNK_JS, .name = "delete_kv", .call = "stream.delete", .gives = LNK_GIVES_TRUE};
static const lnk_method purge_call = {
    .kind = LNK_KV, .name = "purge_deletes", .call = "stream.purge", .gives = LNK_GIVES_TRUE};
static const lnk_method status_call = {.kind = LNK_KV,
                                       .name = "status",
                                       .call = "stream.info",
                                       .shape = "stream_info",
                                       .gives = LNK_GIVES_ANSWER};

/* Pushes the bucket whose name is at `index`, of the context at 1. Returns 0, or the number of results of a
 * failure. */
static int open_bucket(lua_State *L, int index, const char *what)
{
    const lnk_js *js = lua_touserdata(L, 1);
    natskit_error err;
    size_t len = 0;
    lnk_kv *kv = lnk_new(L, LNK_KV, sizeof *kv, LNK_KV_VALUES);
    const char *name = lua_tolstring(L, index, &len);
    kv->timeout_ms = js->timeout_ms;
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, LNK_KV_JS);
    lua_pushvalue(L, index);
    lua_setiuservalue(L, -2, LNK_KV_NAME);
    natskit_status status = natskit_kv_open(js->js, name, len, &kv->kv, &err);
    return status == NATSKIT_OK ? 0 : lnk_fail_or_raise(L, status, &err, what);
}

/* The context at 1 and the name at 2. */
static int check_bucket(lua_State *L, const char *what)
{
    lnk_check(L, lnk_state_of(L), 1, LNK_JS);
    luaL_argexpected(L, lua_type(L, 2) == LUA_TSTRING, 2, "string");
    lua_settop(L, 3);
    return open_bucket(L, 2, what);
}

/* js:kv(bucket): sends nothing */
int lnk_js_kv(lua_State *L)
{
    int failed = check_bucket(L, "kv");
    return failed != 0 ? failed : 1;
}

/* Makes a call about the stream of the bucket at 1. On top is the table of what else it is given. */
static int call_stream(lua_State *L, const lnk_method *method, int64_t timeout_ms)
{
    natskit_error err;
    int args = lua_gettop(L);
    lua_pushliteral(L, "KV_");
    lua_getiuservalue(L, 1, LNK_KV_NAME);
    lua_concat(L, 2);
    lua_setfield(L, args, "stream");
    lua_getiuservalue(L, 1, LNK_KV_JS);
    lua_pushstring(L, method->call);
    natskit_status status = lnk_json_push_doc(L, method->name, args, "args", &err);
    return status == NATSKIT_OK ? lnk_js_begin(L, method, timeout_ms) : lnk_fail(L, status, &err);
}

/* A call for a bucket by its name: (js, name [, options]). */
static int call_named(lua_State *L, const lnk_method *method)
{
    int failed = check_bucket(L, method->name);
    if (failed != 0) {
        return failed;
    }
    const lnk_kv *kv = lua_touserdata(L, 4);
    struct wishes wishes = read_wishes(L, 3, 0, method->name, kv->timeout_ms);
    lua_replace(L, 1);
    lua_createtable(L, 0, 1);
    return call_stream(L, method, wishes.timeout_ms);
}

/* js:open_kv(bucket [, {timeout =}]): asks whether there is such a bucket */
int lnk_js_open_kv(lua_State *L)
{
    return call_named(L, &open_call);
}

/* js:delete_kv(bucket [, {timeout =}]) */
int lnk_js_delete_kv(lua_State *L)
{
    return call_named(L, &delete_call);
}

/* Pushes the configuration of the stream behind the bucket that the table at 2 configures. */
static natskit_status push_config(lua_State *L, natskit_error *err)
{
    natskit_json stream = {0};
    natskit_status status = lnk_json_push_doc(L, "create_kv", 2, "bucket", err);
    if (status == NATSKIT_OK) {
        lnk_doc *bucket = lua_touserdata(L, -1);
        status = natskit_kv_config(bucket->json, &stream, err);
        natskit_json_close(bucket->json);
        bucket->json.id = 0;
    }
    if (status == NATSKIT_OK) {
        lnk_json_push_value(L, stream, NULL);
    }
    return status;
}

/* js:create_kv(config [, {timeout =}]) */
int lnk_js_create_kv(lua_State *L)
{
    natskit_error err;
    lnk_check(L, lnk_state_of(L), 1, LNK_JS);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 3);
    const lnk_js *js = lua_touserdata(L, 1);
    struct wishes wishes = read_wishes(L, 3, 0, "create_kv", js->timeout_ms);
    lua_createtable(L, 0, 1);
    natskit_status status = push_config(L, &err);
    if (status != NATSKIT_OK) {
        return lnk_fail_or_raise(L, status, &err, "create_kv");
    }
    lua_setfield(L, 4, "config");
    lua_settop(L, 4);
    status = lnk_json_push_doc(L, "create_kv", 4, NULL, &err);
    if (status != NATSKIT_OK) {
        return lnk_fail(L, status, &err);
    }
    lua_replace(L, 3);
    lua_getfield(L, 2, "bucket");
    lua_replace(L, 2);
    lua_settop(L, 3); /* context, name, document */
    int failed = open_bucket(L, 2, "create_kv");
    if (failed != 0) {
        return failed;
    }
    lua_pushvalue(L, 1);
    lua_pushstring(L, create_call.call);
    lua_pushvalue(L, 3);
    lua_copy(L, 4, 1);
    return lnk_js_begin(L, &create_call, wishes.timeout_ms);
}

static const lnk_kv *check_kv(lua_State *L)
{
    return lnk_check(L, lnk_state_of(L), S_KV, LNK_KV);
}

/* kv:status([{timeout =}]) -> info of the stream behind it */
static int kv_status(lua_State *L)
{
    const lnk_kv *kv = check_kv(L);
    if (kv->kv.id == 0) {
        return lnk_fail(L, NATSKIT_CLOSED, NULL);
    }
    struct wishes wishes = read_wishes(L, 2, 0, "status", kv->timeout_ms);
    lua_createtable(L, 0, 1);
    return call_stream(L, &status_call, wishes.timeout_ms);
}

static int kv_gc(lua_State *L)
{
    lnk_kv *kv = lua_touserdata(L, 1);
    natskit_kv_close(kv->kv);
    kv->kv.id = 0;
    return 0;
}

/* kv:close(); watches live on */
static int kv_close(lua_State *L)
{
    check_kv(L);
    kv_gc(L);
    lua_pushboolean(L, 1);
    return 1;
}

static int kv_tostring(lua_State *L)
{
    const lnk_kv *kv = check_kv(L);
    lua_getiuservalue(L, 1, LNK_KV_NAME);
    lua_pushfstring(L, kv->kv.id == 0 ? "natskit.kv (%s, closed): %p" : "natskit.kv (%s): %p",
                    lua_tostring(L, -1), (const void *)kv);
    return 1;
}

/* -- look-ups and changes ---------------------------------------------------------------------------------
 */

static natskit_status try_use(lua_State *L, int64_t left, natskit_error *err)
{
    const natskit_options none = {0};
    const lnk_kv *kv = lua_touserdata(L, S_KV);
    lnk_wait *wait = lua_touserdata(L, S_WAIT);
    int32_t action = (int32_t)lua_tointeger(L, S_ACTION);
    uint64_t revision = (uint64_t)lua_tointeger(L, S_REVISION);
    size_t key_len = 0;
    size_t value_len = 0;
    const char *key = lua_tolstring(L, S_KEY, &key_len);
    const char *value = lua_tolstring(L, S_VALUE, &value_len);
    if (action == 0) {
        return natskit_kv_get_start(kv->kv, key, key_len, revision, none, left, &wait->op, err);
    }
    return natskit_kv_write_start(kv->kv, action, key, key_len, value, value_len, revision,
                                  lua_tointeger(L, S_TTL), none, left, &wait->op, err);
}

/* The connection, which the bucket at S_KV keeps. */
static const lnk_conn *conn_of(lua_State *L)
{
    lua_getiuservalue(L, S_KV, LNK_KV_JS);
    const lnk_conn *conn = lnk_js_conn(L, lua_gettop(L));
    lua_pop(L, 1);
    return conn;
}

/* It has begun, or has not. */
static int begun(lua_State *L, natskit_status status, const natskit_error *err)
{
    if (status == NATSKIT_OK) {
        return lnk_await(L, S_WAIT);
    }
    return lnk_fail_or_raise(L, status, err, action_names[lua_tointeger(L, S_ACTION)]);
}

static int use_k(lua_State *L, int resumed, lua_KContext context)
{
    lnk_state *st = lnk_state_of(L);
    int64_t deadline = (int64_t)lua_tointeger(L, S_DEADLINE);
    int suspend = resumed == LUA_YIELD ? lnk_suspended(L, st) : lnk_may_suspend(L, st);
    int waited = resumed == LUA_YIELD;
    natskit_error err;
    err.status = NATSKIT_OK;
    for (;; waited = 1) {
        int64_t left = lnk_left(deadline);
        natskit_status status = try_use(L, left, &err);
        const lnk_conn *conn = conn_of(L);
        if (status != NATSKIT_WOULD_BLOCK || left == 0 || conn->fail_fast) {
            return begun(L, status == NATSKIT_WOULD_BLOCK && waited ? NATSKIT_TIMEOUT : status, &err);
        }
        uint64_t bytes = lua_rawlen(L, S_KEY) + lua_rawlen(L, S_VALUE) + CALL_SIZE;
        const lnk_wait *room = lnk_room_start(L, conn->conn, S_ROOM, bytes, left);
        if (suspend) {
            lnk_room_push(L, st, room, S_ROOM, left);
            lua_callk(L, 2, 1, context, use_k);
            suspend = lnk_suspended(L, st);
        } else {
            lnk_room_block(L, room, left);
        }
    }
}

static int finish_get(lua_State *L, lnk_state *st, lnk_wait *wait, int index, natskit_status status,
                      const natskit_error *err)
{
    (void)index;
    lnk_msg *entry = lnk_push_entry(L);
    if (status == NATSKIT_OK) {
        status = natskit_op_take_msg(wait->op, &entry->msg);
        err = NULL;
    }
    if (status != NATSKIT_OK) {
        return lnk_js_fail(L, status, err);
    }
    lnk_account(L, st, entry);
    return 1;
}

/* A failure tells whether the key may be changed all the same, as of js:publish. */
static int finish_change(lua_State *L, lnk_state *st, lnk_wait *wait, int index, natskit_status status,
                         const natskit_error *err)
{
    (void)st;
    (void)index;
    natskit_msg *reply = NULL;
    natskit_pub_ack ack;
    int32_t outcome = 0;
    if (status == NATSKIT_OK) {
        status = natskit_op_take_msg(wait->op, &reply);
        err = NULL;
    }
    if (status == NATSKIT_OK) {
        status = natskit_msg_pub_ack(reply, &ack, sizeof ack);
        natskit_msg_release(reply);
    }
    if (status == NATSKIT_OK) {
        lua_pushinteger(L, (lua_Integer)ack.seq);
        return 1;
    }
    natskit_op_result(wait->op, &outcome, NULL);
    int base = lua_gettop(L);
    lnk_js_fail(L, status, err);
    lua_settop(L, base + 5);
    lnk_push_outcome_name(L, outcome);
    return 6;
}

/* Begins what is done to the key at S_KEY; a value stands at S_VALUE, or nil does. */
static int use(lua_State *L, int32_t action, const struct wishes *wishes)
{
    lua_settop(L, S_VALUE);
    if (lua_isnil(L, S_VALUE)) {
        lua_pushliteral(L, "");
        lua_replace(L, S_VALUE);
    }
    lua_pushinteger(L, action);
    lua_pushinteger(L, (lua_Integer)wishes->revision);
    lua_pushinteger(L, (lua_Integer)wishes->ttl_ms);
    lua_pushinteger(L, (lua_Integer)lnk_deadline(wishes->timeout_ms));
    lnk_push_wait(L, S_KV)->finish = action == 0 ? finish_get : finish_change;
    lua_settop(L, S_TOP);
    return use_k(L, LUA_OK, 0);
}

/* Of a method without a value: (kv, key [, options]). */
static int use_key(lua_State *L, int32_t action, unsigned may)
{
    const lnk_kv *kv = check_kv(L);
    luaL_checkstring(L, S_KEY);
    lua_settop(L, 3);
    struct wishes wishes = read_wishes(L, 3, may, action_names[action], kv->timeout_ms);
    lua_settop(L, S_KEY);
    return use(L, action, &wishes);
}

/* kv:get(key [, {revision =, timeout =}]) -> entry */
static int kv_get(lua_State *L)
{
    return use_key(L, 0, MAY_REVISION);
}

/* kv:put(key, value [, {timeout =}]) -> revision */
static int kv_put(lua_State *L)
{
    const lnk_kv *kv = check_kv(L);
    luaL_checkstring(L, S_KEY);
    luaL_checkstring(L, S_VALUE);
    struct wishes wishes = read_wishes(L, 4, 0, "put", kv->timeout_ms);
    return use(L, NATSKIT_KV_PUT, &wishes);
}

/* kv:create(key [, value [, {ttl =, timeout =}]]) -> revision */
static int kv_create(lua_State *L)
{
    const lnk_kv *kv = check_kv(L);
    luaL_checkstring(L, S_KEY);
    luaL_optstring(L, S_VALUE, "");
    struct wishes wishes = read_wishes(L, 4, MAY_TTL, "create", kv->timeout_ms);
    return use(L, NATSKIT_KV_CREATE, &wishes);
}

/* kv:update(key, value, revision [, {timeout =}]) -> revision */
static int kv_update(lua_State *L)
{
    const lnk_kv *kv = check_kv(L);
    luaL_checkstring(L, S_KEY);
    luaL_checkstring(L, S_VALUE);
    luaL_checkinteger(L, 4);
    struct wishes wishes = read_wishes(L, 5, 0, "update", kv->timeout_ms);
    wishes.revision = read_revision(L, 4);
    return use(L, NATSKIT_KV_UPDATE, &wishes);
}

/* kv:delete(key [, {revision =, timeout =}]) -> revision */
static int kv_delete(lua_State *L)
{
    return use_key(L, NATSKIT_KV_DELETE, MAY_REVISION);
}

/* kv:purge(key [, {ttl =, revision =, timeout =}]) -> revision */
static int kv_purge(lua_State *L)
{
    return use_key(L, NATSKIT_KV_PURGE, MAY_REVISION | MAY_TTL);
}

/* -- watches ----------------------------------------------------------------------------------------------
 */

static const char *const watch_others[] = {"meta_only", NULL};

static void set_flag(lua_State *L, lnk_options *options, const char *name, int value)
{
    natskit_error err;
    lnk_options_open(L, options, NATSKIT_OPTIONS_KV_WATCH);
    if (natskit_options_set_int(options->options, name, NATSKIT_ZLEN, value, &err) != NATSKIT_OK) {
        luaL_error(L, "option %s", err.text);
    }
}

/* Adds the pattern, or the list of them, at `index`, which may be nil. */
static void add_keys(lua_State *L, lnk_options *options, int index)
{
    if (lua_isnoneornil(L, index)) {
        return;
    }
    luaL_argexpected(L, lua_type(L, index) == LUA_TSTRING || lua_istable(L, index), index,
                     "string or list of strings");
    lnk_options_open(L, options, NATSKIT_OPTIONS_KV_WATCH);
    if (lua_istable(L, index)) {
        lnk_options_add_list(L, options, "keys", index);
        return;
    }
    lua_createtable(L, 1, 0);
    lua_pushvalue(L, index);
    lua_rawseti(L, -2, 1);
    lnk_options_add_list(L, options, "keys", lua_gettop(L));
    lua_pop(L, 1);
}

/* Opens a watch and pushes it. Returns 0, or the number of results of a failure. */
static int begin_watch(lua_State *L, lnk_options *options, const char *what)
{
    const lnk_kv *kv = lua_touserdata(L, S_KV);
    natskit_error err;
    lua_getiuservalue(L, S_KV, LNK_KV_JS);
    lua_getiuservalue(L, -1, LNK_JS_CONN);
    lnk_sub *sub = lnk_push_sub(L, lua_gettop(L), LNK_SUB_VALUES);
    sub->watches = 1;
    natskit_status status = natskit_kv_watch(kv->kv, options->options, &sub->sub, &err);
    lnk_options_end(options);
    return status == NATSKIT_OK ? 0 : lnk_fail_or_raise(L, status, &err, what);
}

/* Sets option headers_only by its other name, which the table at `index` may have. */
static void set_meta_only(lua_State *L, lnk_options *options, int index)
{
    if (lua_getfield(L, index, "meta_only") != LUA_TNIL) {
        if (!lua_isboolean(L, -1)) {
            luaL_error(L, "option 'meta_only': boolean expected, got %s", luaL_typename(L, -1));
        }
        set_flag(L, options, "headers_only", lua_toboolean(L, -1));
    }
    lua_pop(L, 1);
}

/* for entry in kv:watch([keys [, options]]) do; kv:watch(options) */
static int kv_watch(lua_State *L)
{
    check_kv(L);
    lua_settop(L, 3);
    if (lua_istable(L, 2) && lua_isnil(L, 3) && lua_rawlen(L, 2) == 0) { /* no list */
        lua_pushnil(L);
        lua_insert(L, 2);
        lua_settop(L, 3);
    }
    lnk_options *options = lnk_begin_options(L);
    set_flag(L, options, "marker", 0); /* an entry is what a loop expects; who wants it says so */
    lnk_fill_options(L, options, 3, NATSKIT_OPTIONS_KV_WATCH, watch_others);
    if (lua_istable(L, 3)) {
        set_meta_only(L, options, 3);
    }
    add_keys(L, options, 2);
    int failed = begin_watch(L, options, "watch");
    return failed != 0 ? failed : lnk_sub_watch(L);
}

/* What there is: (kv, keys [, {timeout =}]). */
static int list(lua_State *L, int keys, const char *what)
{
    const lnk_kv *kv = lua_touserdata(L, S_KV);
    lua_settop(L, 3);
    struct wishes wishes = read_wishes(L, 3, 0, what, kv->timeout_ms);
    lnk_options *options = lnk_begin_options(L);
    set_flag(L, options, "ends", 1);
    set_flag(L, options, keys ? "ignore_deletes" : "history", 1);
    set_flag(L, options, "headers_only", keys);
    add_keys(L, options, 2);
    int failed = begin_watch(L, options, what);
    return failed != 0 ? failed : lnk_sub_entries(L, keys, wishes.timeout_ms);
}

/* kv:keys([filters [, {timeout =}]]) -> list of the keys that have a value */
static int kv_keys(lua_State *L)
{
    check_kv(L);
    return list(L, 1, "keys");
}

/* kv:history(key [, {timeout =}]) -> list of entries, the oldest first */
static int kv_history(lua_State *L)
{
    check_kv(L);
    luaL_checkany(L, 2);
    return list(L, 0, "history");
}

/* -- what deletes leave -----------------------------------------------------------------------------------
 */

/* Slots of a purge of deletes. The steps, which wait, are calls of their own. */
enum purge_slot { P_KV = S_KV, P_OLDER, P_DEADLINE, P_LIST, P_TOP = P_LIST };

/* Results of a step: those of a failure. */
#define STEP_RESULTS 5

/* (kv, timeout) -> list of the last entries of all keys, without their values */
static int list_last(lua_State *L)
{
    int64_t timeout_ms = (int64_t)lua_tointeger(L, 2);
    lnk_options *options = lnk_begin_options(L);
    set_flag(L, options, "ends", 1);
    set_flag(L, options, "headers_only", 1);
    int failed = begin_watch(L, options, "purge_deletes");
    return failed != 0 ? failed : lnk_sub_entries(L, 0, timeout_ms);
}

/* (kv, timeout, key, seq): removes what the key has below a sequence. Not the whole key, which may have a
 * value again by now. */
static int purge_below(lua_State *L)
{
    int64_t timeout_ms = (int64_t)lua_tointeger(L, 2);
    lua_createtable(L, 0, 3);
    lua_pushliteral(L, "$KV.");
    lua_getiuservalue(L, P_KV, LNK_KV_NAME);
    lua_pushliteral(L, ".");
    lua_pushvalue(L, 3);
    lua_concat(L, 4);
    lua_setfield(L, -2, "filter");
    lua_pushvalue(L, 4);
    lua_setfield(L, -2, "seq");
    return call_stream(L, &purge_call, timeout_ms);
}

/* Milliseconds since 1970, by this computer's clock. */
static int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Pushes the step that follows the one for the entry `*at`, and its arguments. Their number, or 0 at the end.
 */
static int push_step(lua_State *L, lua_KContext *at, int64_t left)
{
    int64_t older_ms = (int64_t)lua_tointeger(L, P_OLDER);
    while (lua_rawgeti(L, P_LIST, (lua_Integer)++ * at) != LUA_TNIL) {
        natskit_kv_view view;
        const lnk_msg *entry = lua_touserdata(L, -1);
        natskit_status status = natskit_msg_kv(entry->msg, &view, sizeof view);
        lua_pop(L, 1);
        if (status == NATSKIT_OK && view.operation != NATSKIT_KV_PUT) {
            int old = older_ms == 0 || (older_ms > 0 && view.time_ns / 1000000 <= wall_ms() - older_ms);
            lua_pushvalue(L, lua_upvalueindex(1));
            lua_pushcclosure(L, purge_below, 1);
            lua_pushvalue(L, P_KV);
            lua_pushinteger(L, (lua_Integer)left);
            lua_pushlstring(L, view.key, view.key_len);
            lua_pushinteger(L, (lua_Integer)view.revision + old);
            return 4;
        }
    }
    return 0;
}

/* After a step: for the list (0), or for the entry of that number. */
static int purge_deletes_k(lua_State *L, int resumed, lua_KContext at)
{
    (void)resumed;
    for (;;) {
        int64_t left = lnk_left((int64_t)lua_tointeger(L, P_DEADLINE));
        if (lua_isnil(L, -STEP_RESULTS)) {
            return STEP_RESULTS;
        }
        if (at == 0) {
            lua_pushvalue(L, -STEP_RESULTS);
            lua_replace(L, P_LIST);
        }
        lua_settop(L, P_TOP);
        int args = push_step(L, &at, left);
        if (args == 0) {
            lua_pushboolean(L, 1);
            return 1;
        }
        if (left == 0) {
            return lnk_fail(L, NATSKIT_TIMEOUT, NULL);
        }
        lua_callk(L, args, STEP_RESULTS, at, purge_deletes_k);
    }
}

/* kv:purge_deletes([{older_than =, timeout =}]) */
static int kv_purge_deletes(lua_State *L)
{
    const lnk_kv *kv = check_kv(L);
    lua_settop(L, 2);
    struct wishes wishes = read_wishes(L, 2, MAY_OLDER, "purge_deletes", kv->timeout_ms);
    lua_pushinteger(L, (lua_Integer)wishes.older_ms);
    lua_replace(L, P_OLDER);
    lua_pushinteger(L, (lua_Integer)lnk_deadline(wishes.timeout_ms));
    lua_settop(L, P_TOP);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushcclosure(L, list_last, 1);
    lua_pushvalue(L, P_KV);
    lua_pushinteger(L, (lua_Integer)wishes.timeout_ms);
    lua_callk(L, 2, STEP_RESULTS, 0, purge_deletes_k);
    return purge_deletes_k(L, LUA_OK, 0);
}

/* -- registration -----------------------------------------------------------------------------------------
 */

/* kv.bucket or kv:method; upvalue 2 is the table of methods */
static int kv_index(lua_State *L)
{
    lua_settop(L, 2);
    if (lua_rawget(L, lua_upvalueindex(2)) == LUA_TBOOLEAN) {
        check_kv(L);
        lua_getiuservalue(L, 1, LNK_KV_NAME);
    }
    return 1;
}

static const luaL_Reg kv_methods[] = {
    {"get", kv_get},       {"put", kv_put},       {"create", kv_create},
    {"update", kv_update}, {"delete", kv_delete}, {"purge", kv_purge},
    {"watch", kv_watch},   {"keys", kv_keys},     {"history", kv_history},
    {"status", kv_status}, {"close", kv_close},   {"purge_deletes", kv_purge_deletes},
    {NULL, NULL}};

static const luaL_Reg kv_meta[] = {
    {"__gc", kv_gc}, {"__close", kv_close}, {"__tostring", kv_tostring}, {NULL, NULL}};

void lnk_kv_register(lua_State *L, int state_index)
{
    luaL_newmetatable(L, lnk_names[LNK_KV]);
    lnk_set_funcs(L, state_index, kv_meta);
    lua_newtable(L);
    lnk_set_funcs(L, state_index, kv_methods);
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, "bucket"); /* the one field */
    /* Under a name of its own as well, for the test that compares it with the documents. */
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "fields");
    lua_pushvalue(L, state_index);
    lua_insert(L, -2);
    lua_pushcclosure(L, kv_index, 2);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
