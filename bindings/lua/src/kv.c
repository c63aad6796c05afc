/* Key-value buckets: their making, the changes and look-ups of keys, and watches, which are subscriptions
 * (sub.c) that yield entries (entry.c). What waits blocks or suspends as everywhere. */
#include "kv.h"

#include <string.h>

/* How old what stands for a delete is when it goes. */
#define OLDER_MS 1800000

/* How often kv:modify is done again. */
#define TRIES 10

/* Bytes that a call may need in the outbox beside key and value. */
#define CALL_SIZE 1024

static const char *const action_names[] = {"get",    "put", "delete", "purge",  "create",
                                           "update", "",    "status", "open_kv"};

/* -- options ----------------------------------------------------------------------------------------------
 */

uint64_t lnk_kv_read_revision(lua_State *L, int index)
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

static int is_open_option(const char *name)
{
    return strcmp(name, "codec") == 0 || strcmp(name, "read_only") == 0 || strcmp(name, "direct") == 0 ||
           strcmp(name, "origin") == 0 || strcmp(name, "key_codec") == 0 || strcmp(name, "value_codec") == 0;
}

static int read_elsewhere(const char *name, unsigned may)
{
    return ((may & MAY_KEYS) != 0 && strcmp(name, "keys") == 0) ||
           ((may & MAY_SWEEP) != 0 &&
            (strcmp(name, "in_flight") == 0 || strcmp(name, "older_than_ms") == 0)) ||
           ((may & MAY_OPEN) != 0 && is_open_option(name));
}

/* Reads the option whose name and value are on top. */
static void read_wish(lua_State *L, unsigned may, const char *what, struct lnk_kv_wishes *wishes)
{
    int value = lua_gettop(L);
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
    if (strcmp(name, "timeout") == 0) {
        wishes->timeout_ms = lnk_check_ms(L, value, "timeout");
    } else if (strcmp(name, "revision") == 0 && (may & MAY_REVISION) != 0) {
        wishes->revision = lnk_kv_read_revision(L, value);
    } else if (strcmp(name, "ttl") == 0 && (may & MAY_TTL) != 0) {
        int64_t ttl_ms = lnk_check_ms(L, value, "ttl");
        wishes->ttl_ms = ttl_ms < 0 ? 0 : ttl_ms; /* for ever is as without */
    } else if (strcmp(name, "older_than") == 0 && (may & MAY_OLDER) != 0) {
        wishes->older_ms = lnk_check_ms(L, value, "older_than");
    } else if (strcmp(name, "tries") == 0 && (may & MAY_TRIES) != 0) {
        wishes->tries = luaL_checkinteger(L, value);
    } else if (!read_elsewhere(name, may)) {
        luaL_error(L, "%s: unknown option '%s' (known: timeout%s%s%s%s%s%s)", what,
                   luaL_tolstring(L, -2, NULL), (may & MAY_REVISION) != 0 ? " revision" : "",
                   (may & MAY_TTL) != 0 ? " ttl" : "", (may & MAY_OLDER) != 0 ? " older_than" : "",
                   (may & MAY_KEYS) != 0 ? " keys" : "", (may & MAY_TRIES) != 0 ? " tries" : "",
                   (may & MAY_OPEN) != 0 ? " codec key_codec value_codec read_only direct origin" : "");
    }
}

/* Reads the table of options at `index`, which may be nil. */
struct lnk_kv_wishes lnk_kv_read_wishes(lua_State *L, int index, unsigned may, const char *what,
                                        int64_t timeout_ms)
{
    struct lnk_kv_wishes wishes = {.timeout_ms = timeout_ms, .older_ms = OLDER_MS, .tries = TRIES};
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
    .kind = LNK_JS, .name = "create_kv", .call = "kv.create", .gives = LNK_GIVES_OWNER};
static const lnk_method update_call = {
    .kind = LNK_JS, .name = "update_kv", .call = "kv.update", .gives = LNK_GIVES_OWNER};
static const lnk_method replace_call = {
    .kind = LNK_JS, .name = "create_or_update_kv", .call = "kv.create_or_update", .gives = LNK_GIVES_OWNER};

static const char *const open_others[] = {"timeout", "key_codec", NULL};
static const char *const coded_others[] = {"timeout", "key_codec", "value_codec", NULL};

/* Whether the options at `index` have a codec of values of their own, not the name of one. */
static int codes_values(lua_State *L, int index)
{
    int is_own = lua_istable(L, index) && lua_getfield(L, index, "value_codec") == LUA_TTABLE;
    lua_pop(L, lua_istable(L, index));
    return is_own;
}

/* Pushes the bucket whose name is at `index`, of the context at 1, with the options at `options`, which may
 * be nil. Returns 0, or the number of results of a failure. */
static int open_bucket(lua_State *L, int index, int options, const char *what)
{
    const lnk_js *js = lua_touserdata(L, 1);
    natskit_error err;
    size_t len = 0;
    lnk_options *set = lnk_push_options(L, options, NATSKIT_OPTIONS_KV,
                                        codes_values(L, options) ? coded_others : open_others);
    lnk_kv *kv = lnk_new(L, LNK_KV, sizeof *kv, LNK_KV_VALUES);
    const char *name = lua_tolstring(L, index, &len);
    kv->timeout_ms = js->timeout_ms;
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, LNK_KV_JS);
    lua_pushvalue(L, index);
    lua_setiuservalue(L, -2, LNK_KV_NAME);
    lnk_codecs_push(L, options);
    lua_setiuservalue(L, -2, LNK_KV_CODECS);
    natskit_status status = natskit_kv_open_with(js->js, name, len, lnk_options_of(set), &kv->kv, &err);
    lnk_options_end(set);
    return status == NATSKIT_OK ? 0 : lnk_fail_or_raise(L, status, &err, what);
}

/* The context at 1 and the name at 2. */
static int check_bucket(lua_State *L, const char *what)
{
    lnk_check(L, lnk_state_of(L), 1, LNK_JS);
    luaL_argexpected(L, lua_type(L, 2) == LUA_TSTRING, 2, "string");
    lua_settop(L, 3);
    return open_bucket(L, 2, 3, what);
}

/* js:kv(bucket [, options]): sends nothing */
int lnk_js_kv(lua_State *L)
{
    int failed = check_bucket(L, "kv");
    return failed != 0 ? failed : 1;
}

/* js:open_kv(bucket [, options]): asks whether there is such a bucket, and what it is */
int lnk_js_open_kv(lua_State *L)
{
    int failed = check_bucket(L, "open_kv");
    if (failed != 0) {
        return failed;
    }
    const lnk_kv *kv = lua_touserdata(L, -1);
    struct lnk_kv_wishes wishes = lnk_kv_read_wishes(L, 3, MAY_OPEN, "open_kv", kv->timeout_ms);
    lua_replace(L, S_KV);
    lua_settop(L, S_KV);
    lua_pushliteral(L, "");
    return lnk_kv_use(L, LNK_KV_OPEN, &wishes);
}

/* Pushes the document of the arguments of a call with the configuration of a bucket that is at 2. */
static natskit_status push_config(lua_State *L, const char *what, natskit_error *err)
{
    natskit_json args = {0};
    natskit_status status = lnk_json_push_doc(L, what, 2, "bucket", err);
    if (status == NATSKIT_OK) {
        status = natskit_json_open(NATSKIT_JSON_OBJECT, &args);
        err->status = status;
        err->text[0] = '\0';
    }
    if (status == NATSKIT_OK) {
        lnk_doc *doc = lua_touserdata(L, -1);
        status = natskit_json_set_json(args, "/config", NATSKIT_ZLEN, doc->json, "", 0, err);
        natskit_json_close(doc->json);
        doc->json = args;
    }
    return status;
}

/* js:create_kv(config [, {timeout =}]), and its kin */
static int configure(lua_State *L, const lnk_method *method)
{
    natskit_error err;
    lnk_check(L, lnk_state_of(L), 1, LNK_JS);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 3);
    const lnk_js *js = lua_touserdata(L, 1);
    struct lnk_kv_wishes wishes = lnk_kv_read_wishes(L, 3, 0, method->name, js->timeout_ms);
    natskit_status status = push_config(L, method->name, &err);
    if (status != NATSKIT_OK) {
        return lnk_fail_or_raise(L, status, &err, method->name);
    }
    lua_replace(L, 3);
    if (lua_getfield(L, 2, "bucket") != LUA_TSTRING) {
        return luaL_error(L, "%s: member bucket: string expected, got %s", method->name,
                          luaL_typename(L, -1));
    }
    lua_replace(L, 2);
    lua_pushnil(L);
    lua_settop(L, 4); /* context, name, document, nil */
    int failed = open_bucket(L, 2, 4, method->name);
    if (failed != 0) {
        return failed;
    }
    lua_pushvalue(L, 1);
    lua_pushstring(L, method->call);
    lua_pushvalue(L, 3);
    lua_copy(L, -4, 1);
    return lnk_js_begin(L, method, wishes.timeout_ms);
}

int lnk_js_create_kv(lua_State *L)
{
    return configure(L, &create_call);
}

int lnk_js_update_kv(lua_State *L)
{
    return configure(L, &update_call);
}

int lnk_js_create_or_update_kv(lua_State *L)
{
    return configure(L, &replace_call);
}

const lnk_kv *lnk_kv_check(lua_State *L)
{
    return lnk_check(L, lnk_state_of(L), S_KV, LNK_KV);
}

/* kv:status([{timeout =}]) -> what the bucket is */
static int kv_status(lua_State *L)
{
    const lnk_kv *kv = lnk_kv_check(L);
    struct lnk_kv_wishes wishes = lnk_kv_read_wishes(L, 2, 0, "status", kv->timeout_ms);
    lua_settop(L, S_KV);
    lua_pushliteral(L, "");
    return lnk_kv_use(L, LNK_KV_STATUS, &wishes);
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
    lnk_kv_check(L);
    kv_gc(L);
    lua_pushboolean(L, 1);
    return 1;
}

static int kv_tostring(lua_State *L)
{
    const lnk_kv *kv = lnk_kv_check(L);
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
    if (action == LNK_KV_STATUS || action == LNK_KV_OPEN) {
        return natskit_kv_status_start(kv->kv, none, left, &wait->op, err);
    }
    if (action == LNK_KV_GET) {
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
    lnk_msg *entry = lnk_push_entry(L, S_KV, LNK_KV_CODECS);
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

/* What a bucket is, or that it is there. */
static int finish_status(lua_State *L, lnk_state *st, lnk_wait *wait, int index, natskit_status status,
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
    if (lua_tointeger(L, S_ACTION) == LNK_KV_OPEN) {
        natskit_json_close(answer);
        lua_pushvalue(L, S_KV);
    } else {
        lnk_json_push_value(L, answer, "bucket_status");
    }
    return 1;
}

int lnk_kv_use(lua_State *L, int32_t action, const struct lnk_kv_wishes *wishes)
{
    lua_settop(L, S_VALUE);
    if (lua_isnil(L, S_VALUE)) {
        lua_pushliteral(L, "");
        lua_replace(L, S_VALUE);
    }
    if (action == NATSKIT_KV_PUT || action == NATSKIT_KV_CREATE || action == NATSKIT_KV_UPDATE) {
        lnk_codec_value(L, S_KV, S_KEY, S_VALUE);
    }
    if (action != LNK_KV_STATUS && action != LNK_KV_OPEN) {
        lnk_codec_key(L, S_KV, S_KEY);
    }
    lua_pushinteger(L, action);
    lua_pushinteger(L, (lua_Integer)wishes->revision);
    lua_pushinteger(L, (lua_Integer)wishes->ttl_ms);
    lua_pushinteger(L, (lua_Integer)lnk_deadline(wishes->timeout_ms));
    lnk_push_wait(L, S_KV)->finish = action == LNK_KV_GET                               ? finish_get
                                     : action == LNK_KV_STATUS || action == LNK_KV_OPEN ? finish_status
                                                                                        : finish_change;
    lua_settop(L, S_TOP);
    return use_k(L, LUA_OK, 0);
}

/* Of a method without a value: (kv, key [, options]). */
static int use_key(lua_State *L, int32_t action, unsigned may)
{
    const lnk_kv *kv = lnk_kv_check(L);
    luaL_checkstring(L, S_KEY);
    lua_settop(L, 3);
    struct lnk_kv_wishes wishes = lnk_kv_read_wishes(L, 3, may, action_names[action], kv->timeout_ms);
    lua_settop(L, S_KEY);
    return lnk_kv_use(L, action, &wishes);
}

/* kv:get(key [, {revision =, timeout =}]) -> entry */
static int kv_get(lua_State *L)
{
    return use_key(L, 0, MAY_REVISION);
}

/* kv:put(key, value [, {timeout =}]) -> revision */
static int kv_put(lua_State *L)
{
    const lnk_kv *kv = lnk_kv_check(L);
    luaL_checkstring(L, S_KEY);
    luaL_checkstring(L, S_VALUE);
    struct lnk_kv_wishes wishes = lnk_kv_read_wishes(L, 4, 0, "put", kv->timeout_ms);
    return lnk_kv_use(L, NATSKIT_KV_PUT, &wishes);
}

/* kv:create(key [, value [, {ttl =, timeout =}]]) -> revision */
static int kv_create(lua_State *L)
{
    const lnk_kv *kv = lnk_kv_check(L);
    luaL_checkstring(L, S_KEY);
    luaL_optstring(L, S_VALUE, "");
    struct lnk_kv_wishes wishes = lnk_kv_read_wishes(L, 4, MAY_TTL, "create", kv->timeout_ms);
    return lnk_kv_use(L, NATSKIT_KV_CREATE, &wishes);
}

/* kv:update(key, value, revision [, {timeout =}]) -> revision */
static int kv_update(lua_State *L)
{
    const lnk_kv *kv = lnk_kv_check(L);
    luaL_checkstring(L, S_KEY);
    luaL_checkstring(L, S_VALUE);
    luaL_checkinteger(L, 4);
    struct lnk_kv_wishes wishes = lnk_kv_read_wishes(L, 5, 0, "update", kv->timeout_ms);
    wishes.revision = lnk_kv_read_revision(L, 4);
    return lnk_kv_use(L, NATSKIT_KV_UPDATE, &wishes);
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

void lnk_kv_set_flag(lua_State *L, lnk_options *options, const char *name, int value)
{
    natskit_error err;
    lnk_options_open(L, options, NATSKIT_OPTIONS_KV_WATCH);
    if (natskit_options_set_int(options->options, name, NATSKIT_ZLEN, value, &err) != NATSKIT_OK) {
        luaL_error(L, "option %s", err.text);
    }
}

void lnk_kv_add_keys(lua_State *L, lnk_options *options, int32_t scope, int index)
{
    if (lua_isnoneornil(L, index)) {
        return;
    }
    luaL_argexpected(L, lua_type(L, index) == LUA_TSTRING || lua_istable(L, index), index,
                     "string or list of strings");
    lnk_codec_patterns(L, S_KV, index);
    lnk_options_open(L, options, scope);
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

int lnk_kv_begin_watch(lua_State *L, lnk_options *options, lnk_kv_begin begin, const char *what)
{
    const lnk_kv *kv = lua_touserdata(L, S_KV);
    natskit_error err;
    lua_getiuservalue(L, S_KV, LNK_KV_JS);
    lua_getiuservalue(L, -1, LNK_JS_CONN);
    lnk_sub *sub = lnk_push_sub(L, lua_gettop(L), LNK_SUB_WATCH_VALUES);
    sub->watches = 1;
    sub->coded = lua_getiuservalue(L, S_KV, LNK_KV_CODECS) == LUA_TTABLE;
    lua_setiuservalue(L, -2, LNK_SUB_CODECS);
    natskit_status status = begin(kv->kv, options->options, &sub->sub, &err);
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
        lnk_kv_set_flag(L, options, "headers_only", lua_toboolean(L, -1));
    }
    lua_pop(L, 1);
}

/* for entry in kv:watch([keys [, options]]) do; kv:watch(options) */
static int kv_watch(lua_State *L)
{
    lnk_kv_check(L);
    lua_settop(L, 3);
    if (lua_istable(L, 2) && lua_isnil(L, 3) && lua_rawlen(L, 2) == 0) { /* no list */
        lua_pushnil(L);
        lua_insert(L, 2);
        lua_settop(L, 3);
    }
    lnk_codec_options(L, S_KV, 3);
    lnk_options *options = lnk_begin_options(L);
    lnk_kv_set_flag(L, options, "marker", 0); /* an entry is what a loop expects; who wants it says so */
    lnk_fill_options(L, options, 3, NATSKIT_OPTIONS_KV_WATCH, watch_others);
    if (lua_istable(L, 3)) {
        set_meta_only(L, options, 3);
    }
    lnk_kv_add_keys(L, options, NATSKIT_OPTIONS_KV_WATCH, 2);
    int failed = lnk_kv_begin_watch(L, options, natskit_kv_watch, "watch");
    return failed != 0 ? failed : lnk_sub_watch(L);
}

/* What there is: (kv, keys [, {timeout =}]). */
static int list(lua_State *L, int keys, const char *what)
{
    const lnk_kv *kv = lua_touserdata(L, S_KV);
    lua_settop(L, 3);
    struct lnk_kv_wishes wishes = lnk_kv_read_wishes(L, 3, 0, what, kv->timeout_ms);
    lnk_options *options = lnk_begin_options(L);
    lnk_kv_set_flag(L, options, "ends", 1);
    lnk_kv_set_flag(L, options, keys ? "ignore_deletes" : "history", 1);
    lnk_kv_set_flag(L, options, "headers_only", keys);
    lnk_kv_add_keys(L, options, NATSKIT_OPTIONS_KV_WATCH, 2);
    int failed = lnk_kv_begin_watch(L, options, natskit_kv_watch, what);
    return failed != 0 ? failed : lnk_sub_entries(L, keys ? LNK_KEYS : LNK_ENTRIES, wishes.timeout_ms);
}

/* kv:keys([filters [, {timeout =}]]) -> list of the keys that have a value */
static int kv_keys(lua_State *L)
{
    lnk_kv_check(L);
    return list(L, 1, "keys");
}

/* kv:history(key [, {timeout =}]) -> list of entries, the oldest first */
static int kv_history(lua_State *L)
{
    lnk_kv_check(L);
    luaL_checkany(L, 2);
    return list(L, 0, "history");
}

/* -- registration -----------------------------------------------------------------------------------------
 */

/* kv.bucket or kv:method; upvalue 2 is the table of methods */
static int kv_index(lua_State *L)
{
    lua_settop(L, 2);
    if (lua_rawget(L, lua_upvalueindex(2)) == LUA_TBOOLEAN) {
        lnk_kv_check(L);
        lua_getiuservalue(L, 1, LNK_KV_NAME);
    }
    return 1;
}

static const luaL_Reg kv_methods[] = {{"get", kv_get},
                                      {"put", kv_put},
                                      {"create", kv_create},
                                      {"update", kv_update},
                                      {"delete", kv_delete},
                                      {"purge", kv_purge},
                                      {"watch", kv_watch},
                                      {"keys", kv_keys},
                                      {"history", kv_history},
                                      {"status", kv_status},
                                      {"close", kv_close},
                                      {"delete_all", lnk_kv_delete_all},
                                      {"purge_all", lnk_kv_purge_all},
                                      {"purge_deletes", lnk_kv_purge_deletes},
                                      {"cache", lnk_kv_cache},
                                      {"cached", lnk_kv_cached},
                                      {"cached_all", lnk_kv_cached_all},
                                      {"cache_info", lnk_kv_cache_info},
                                      {"modify", lnk_kv_modify},
                                      {"get_many", lnk_kv_get_many},
                                      {"batch", lnk_kv_batch},
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
