/* JetStream contexts, and the calls of its API: management of streams and consumers. Each method is a row of
 * a table: which call it makes, what it is given and what it gives. A call is an operation, so it blocks or
 * suspends as all do. */
#include "lnk.h"

#include <string.h>

/* Slots of a call. */
enum slot {
    S_OWNER = 1, /* the context, or the stream or consumer */
    S_JS,
    S_CALL, /* its name */
    S_DOC,  /* its arguments, or nil */
    S_DEADLINE,
    S_WAIT,
    S_ROOM, /* the wait for room, or nil */
    S_TOP = S_ROOM
};

/* Bytes that a call is taken to need in the outbox, beside what the library knows better. */
#define CALL_SIZE 4096
/* Names in a row: of what a method is given. */
#define GIVEN_MAX 4
#define GIVEN_NAME_MAX 32
/* No time that can be given. */
#define NOT_GIVEN_MS INT64_MIN

/* -- contexts -------------------------------------------------------------------------------------------- */

static const char *const js_others[] = {"prefix", "timeout", NULL};

/* Option `prefix`, which is short for api_prefix. */
static void set_prefix(lua_State *L, lnk_options *options)
{
    size_t len = 0;
    natskit_error err;
    if (!lua_istable(L, 2)) {
        return;
    }
    if (lua_getfield(L, 2, "prefix") != LUA_TNIL) {
        if (lua_type(L, -1) != LUA_TSTRING) {
            luaL_error(L, "option 'prefix': string expected, got %s", luaL_typename(L, -1));
        }
        const char *prefix = lua_tolstring(L, -1, &len);
        lnk_options_open(L, options, NATSKIT_OPTIONS_JETSTREAM);
        if (natskit_options_set(options->options, "api_prefix", NATSKIT_ZLEN, prefix, len, &err) !=
            NATSKIT_OK) {
            luaL_error(L, "option %s", err.text);
        }
    }
    lua_pop(L, 1);
}

/* The time of calls for which none is given. */
static int64_t context_timeout(lua_State *L)
{
    int64_t timeout_ms = LNK_JS_MS;
    if (lua_istable(L, 2)) {
        lua_getfield(L, 2, "timeout");
        int exact = lua_getfield(L, 2, "timeout_ms") != LUA_TNIL;
        timeout_ms = exact ? luaL_checkinteger(L, -1) : lnk_opt_ms(L, -2, "timeout", LNK_JS_MS);
        lua_pop(L, 2);
    }
    return timeout_ms;
}

/* nc:jetstream([{domain =, prefix =, timeout =, and those of the library}]) */
int lnk_jetstream(lua_State *L)
{
    const lnk_conn *conn = lnk_check(L, lnk_state_of(L), 1, LNK_CONN);
    natskit_error err;
    lua_settop(L, 2);
    lnk_options *options = lnk_begin_options(L);
    lnk_fill_options(L, options, 2, NATSKIT_OPTIONS_JETSTREAM, js_others);
    set_prefix(L, options);
    lnk_js *js = lnk_new(L, LNK_JS, sizeof *js, 1);
    js->timeout_ms = context_timeout(L);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, LNK_JS_CONN);
    natskit_status status = natskit_js_open(conn->conn, options->options, &js->js, &err);
    lnk_options_end(options);
    return status == NATSKIT_OK ? 1 : lnk_fail_or_raise(L, status, &err, "jetstream");
}

static int js_gc(lua_State *L)
{
    lnk_js *js = lua_touserdata(L, 1);
    natskit_js_close(js->js);
    js->js.id = 0;
    return 0;
}

/* js:close() */
static int js_close(lua_State *L)
{
    lnk_check(L, lnk_state_of(L), 1, LNK_JS);
    js_gc(L);
    lua_pushboolean(L, 1);
    return 1;
}

static int js_tostring(lua_State *L)
{
    const lnk_js *js = lnk_check(L, lnk_state_of(L), 1, LNK_JS);
    lua_pushfstring(L, js->js.id == 0 ? "natskit.js (closed): %p" : "natskit.js: %p", (const void *)js);
    return 1;
}

int lnk_js_fail(lua_State *L, natskit_status status, const natskit_error *err)
{
    int results = lnk_fail(L, status, err);
    if (err != NULL && err->status == status && (err->err_code != 0 || err->server_code != 0)) {
        lua_pushinteger(L, err->err_code);
        lua_pushinteger(L, err->server_code);
        results += 2;
    }
    return results;
}

/* -- room ------------------------------------------------------------------------------------------------ */

const lnk_conn *lnk_js_conn(lua_State *L, int js_index)
{
    lua_getiuservalue(L, js_index, LNK_JS_CONN);
    const lnk_conn *conn = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return conn; /* the context keeps it */
}

lnk_wait *lnk_room_start(lua_State *L, natskit_conn conn, int slot, uint64_t bytes, int64_t left)
{
    const natskit_options none = {0};
    if (lua_isnil(L, slot)) {
        lnk_push_wait(L, 1);
        lua_replace(L, slot);
    }
    lnk_wait *room = lua_touserdata(L, slot);
    if (room->op.id != 0) {
        natskit_op_close(room->op);
        room->op.id = 0;
    }
    return natskit_room_start(conn, none, bytes, left, &room->op, NULL) == NATSKIT_OK ? room : NULL;
}

void lnk_room_push(lua_State *L, lnk_state *st, const lnk_wait *room, int slot, int64_t left)
{
    uint64_t none = 0;
    uint64_t token = ++st->token;
    int64_t pause = left < 0 || left > LNK_ROOM_MS ? LNK_ROOM_MS : left;
    if (room != NULL && lnk_watch(L, st, room->op.id, token, slot, &none)) {
        pause = left;
    }
    lnk_push_suspend(L, token, pause);
}

void lnk_room_block(lua_State *L, const lnk_wait *room, int64_t left)
{
    if (room != NULL) {
        natskit_op_wait(room->op, left < 0 || left > LNK_SLICE_MS ? LNK_SLICE_MS : left);
    }
    lnk_breathe(L);
}

/* -- one call -------------------------------------------------------------------------------------------- */

static natskit_status try_call(lua_State *L, int64_t left, natskit_error *err)
{
    const natskit_options none = {0};
    const natskit_json no_args = {0};
    const lnk_js *js = lua_touserdata(L, S_JS);
    const lnk_doc *doc = lua_touserdata(L, S_DOC);
    lnk_wait *wait = lua_touserdata(L, S_WAIT);
    size_t len = 0;
    const char *call = lua_tolstring(L, S_CALL, &len);
    return natskit_js_call_start(js->js, call, len, doc != NULL ? doc->json : no_args, none, left, &wait->op,
                                 err);
}

/* The call has begun, or has not. */
static int called(lua_State *L, const lnk_method *method, natskit_status status, const natskit_error *err)
{
    lnk_doc *doc = lua_touserdata(L, S_DOC);
    if (doc != NULL) {
        natskit_json_close(doc->json);
        doc->json.id = 0;
    }
    if (status == NATSKIT_OK) {
        return lnk_await(L, S_WAIT);
    }
    return lnk_fail_or_raise(L, status, err, method->name);
}

static int call_k(lua_State *L, int resumed, lua_KContext context)
{
    lnk_state *st = lnk_state_of(L);
    int64_t deadline = (int64_t)lua_tointeger(L, S_DEADLINE);
    int suspend = resumed == LUA_YIELD ? lnk_suspended(L, st) : lnk_may_suspend(L, st);
    int waited = resumed == LUA_YIELD;
    natskit_error err;
    err.status = NATSKIT_OK;
    for (;; waited = 1) {
        int64_t left = lnk_left(deadline);
        natskit_status status = try_call(L, left, &err);
        if (status != NATSKIT_WOULD_BLOCK || left == 0 || lnk_js_conn(L, S_JS)->fail_fast) {
            const lnk_method *method = ((const lnk_wait *)lua_touserdata(L, S_WAIT))->method;
            return called(L, method, status == NATSKIT_WOULD_BLOCK && waited ? NATSKIT_TIMEOUT : status,
                          &err);
        }
        const lnk_wait *room = lnk_room_start(L, lnk_js_conn(L, S_JS)->conn, S_ROOM, CALL_SIZE, left);
        if (suspend) {
            lnk_room_push(L, st, room, S_ROOM, left);
            lua_callk(L, 2, 1, context, call_k);
            suspend = lnk_suspended(L, st);
        } else {
            lnk_room_block(L, room, left);
        }
    }
}

/* -- what a call gives ----------------------------------------------------------------------------------- */

/* Replaces the answer on top by a list that it holds. */
static void take_list(lua_State *L, const char *member)
{
    if (lua_getfield(L, -1, member) != LUA_TTABLE) { /* null if there is none */
        lua_pop(L, 1);
        lua_newtable(L);
        lnk_push_slot(L, LNK_UV_JSON_ARRAY);
        lua_setmetatable(L, -2);
    }
}

/* The wait at `index` is in a call of the owner at slot 1. */
static int finish_call(lua_State *L, lnk_state *st, lnk_wait *wait, int index, natskit_status status,
                       const natskit_error *err)
{
    (void)st;
    (void)index;
    const lnk_method *method = wait->method;
    natskit_json answer = {0};
    natskit_error own;
    if (status == NATSKIT_OK) {
        status = natskit_op_json(wait->op, &answer, &own);
        err = &own;
    }
    if (status != NATSKIT_OK) {
        return lnk_js_fail(L, status, err);
    }
    lnk_json_push_value(L, answer, method->shape);
    switch (method->gives) {
    case LNK_GIVES_TRUE:
        lua_pushboolean(L, 1);
        break;
    case LNK_GIVES_OWNER:
        lua_pushvalue(L, S_OWNER);
        break;
    case LNK_GIVES_MEMBER:
        lua_getfield(L, -1, method->member);
        break;
    case LNK_GIVES_LIST:
        take_list(L, method->member);
        break;
    case LNK_GIVES_STORES:
        take_list(L, method->member);
        lnk_stores_of_streams(L);
        break;
    case LNK_GIVES_STREAM:
    case LNK_GIVES_CONSUMER:
        lnk_push_object(L, S_JS, method->gives == LNK_GIVES_STREAM ? LNK_STREAM : LNK_CONSUMER);
        break;
    case LNK_GIVES_INFO:
        lnk_keep_info(L, S_OWNER);
        break;
    default:
        break;
    }
    return 1;
}

/* -- what it is given ------------------------------------------------------------------------------------ */

/* Takes the next of the names in `*list`, which are cut at blanks; false at the end. A name with a '?' may be
 * left out. */
static int next_name(const char **list, char name[GIVEN_NAME_MAX], int *optional)
{
    size_t len = strcspn(*list, " ");
    if (len == 0) {
        return 0;
    }
    *optional = (*list)[len - 1] == '?';
    size_t kept = len - (size_t)*optional;
    kept = kept < GIVEN_NAME_MAX ? kept : GIVEN_NAME_MAX - 1;
    memcpy(name, *list, kept);
    name[kept] = '\0';
    *list += len + strspn(*list + len, " ");
    return 1;
}

/* Whether a list has a name. */
static int has_name(const char *list, const char *wanted)
{
    char name[GIVEN_NAME_MAX];
    int optional = 0;
    while (next_name(&list, name, &optional)) {
        if (strcmp(name, wanted) == 0) {
            return 1;
        }
    }
    return 0;
}

/* Pushes a copy of the configuration at `index`, with what the method adds. */
static void push_config(lua_State *L, const lnk_method *method, int index)
{
    luaL_checktype(L, index, LUA_TTABLE);
    lua_newtable(L);
    int copy = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, index) != 0;) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, copy);
    }
    if (method->acks && lua_getfield(L, copy, "ack_policy") == LUA_TNIL) {
        lua_pushliteral(L, "explicit"); /* the server's own is none: nothing were delivered again */
        lua_setfield(L, copy, "ack_policy");
    }
    lua_settop(L, copy);
    if (method->gives == LNK_GIVES_INFO) { /* of the object that it is called for */
        lua_getiuservalue(L, S_OWNER, LNK_OBJECT_NAME);
        lua_setfield(L, copy, "name");
    }
}

/* Pushes the argument at `index`. */
static void push_argument(lua_State *L, const lnk_method *method, int index, const char *name)
{
    if (strcmp(name, "config") == 0) {
        push_config(L, method, index);
        return;
    }
    if (strcmp(name, "seq") == 0) {
        luaL_checkinteger(L, index);
    } else if (strcmp(name, "pause_until") == 0) {
        luaL_argexpected(L, lua_type(L, index) == LUA_TSTRING || lua_type(L, index) == LUA_TNUMBER, index,
                         "RFC 3339 text or seconds since 1970");
    } else {
        luaL_argexpected(L, lua_type(L, index) == LUA_TSTRING, index, "string");
    }
    lua_pushvalue(L, index);
}

/* Adds the options at `index` to the arguments on top. Returns the time for the call. */
static int64_t add_options(lua_State *L, const lnk_method *method, int index, int64_t timeout_ms)
{
    int args = lua_gettop(L);
    if (lua_isnoneornil(L, index)) {
        return timeout_ms;
    }
    luaL_checktype(L, index, LUA_TTABLE);
    for (lua_pushnil(L); lua_next(L, index) != 0; lua_settop(L, args + 1)) {
        const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL;
        if (name != NULL && strcmp(name, "timeout") == 0) {
            timeout_ms = lnk_check_ms(L, lua_gettop(L), "timeout");
        } else if (name != NULL && has_name(method->options, name)) {
            lua_setfield(L, args, name);
        } else {
            luaL_error(L, "%s: unknown option '%s' (known: timeout%s%s)", method->name,
                       luaL_tolstring(L, -2, NULL), method->options[0] != '\0' ? " " : "", method->options);
        }
    }
    return timeout_ms;
}

/* Adds the names of the stream or consumer that the method is called for. */
static void add_object(lua_State *L, enum lnk_kind kind)
{
    if (kind == LNK_CONSUMER) {
        lua_getiuservalue(L, S_OWNER, LNK_OBJECT_STREAM);
        lua_setfield(L, -2, "stream");
    }
    if (kind != LNK_JS) {
        lua_getiuservalue(L, S_OWNER, LNK_OBJECT_NAME);
        lua_setfield(L, -2, kind == LNK_CONSUMER ? "consumer" : "stream");
    }
}

int lnk_js_begin(lua_State *L, const lnk_method *method, int64_t timeout_ms)
{
    int at = lua_gettop(L) - 2;
    lua_copy(L, at, S_JS);
    lua_copy(L, at + 1, S_CALL);
    lua_copy(L, at + 2, S_DOC);
    lua_settop(L, S_DOC);
    lua_pushinteger(L, (lua_Integer)lnk_deadline(timeout_ms));
    lnk_wait *wait = lnk_push_wait(L, S_JS);
    wait->finish = finish_call;
    wait->method = method;
    lua_settop(L, S_TOP);
    return call_k(L, LUA_OK, 0);
}

/* Begins a call. Its arguments (a table, or nil) are at the slot `at`, behind them the context and the name.
 */
static int begin_call(lua_State *L, const lnk_method *method, int at, int64_t timeout_ms)
{
    natskit_error err;
    lua_pushnil(L);
    if (lua_istable(L, at)) {
        lua_pop(L, 1);
        natskit_status status = lnk_json_push_doc(L, method->name, at, method->args_shape, &err);
        if (status != NATSKIT_OK) {
            return lnk_fail(L, status, &err);
        }
    }
    return lnk_js_begin(L, method, timeout_ms);
}

/* Pushes the context of the owner. */
static const lnk_js *push_context(lua_State *L, enum lnk_kind kind)
{
    if (kind == LNK_JS) {
        lua_pushvalue(L, S_OWNER);
    } else {
        lua_getiuservalue(L, S_OWNER, LNK_OBJECT_JS);
    }
    return lua_touserdata(L, -1);
}

/* Every method that is a row. Upvalue 2 holds the row. */
static int run_method(lua_State *L)
{
    const lnk_method *method = *(const lnk_method **)lua_touserdata(L, lua_upvalueindex(2));
    const int args = S_OWNER + GIVEN_MAX + 1;
    char name[GIVEN_NAME_MAX];
    int optional = 0;
    int index = S_OWNER + 1;
    const char *given = method->given;
    lnk_check(L, lnk_state_of(L), S_OWNER, method->kind);
    lua_settop(L, args - 1);
    lua_newtable(L);
    add_object(L, method->kind);
    for (; next_name(&given, name, &optional); index++) {
        if (!optional || !lua_isnil(L, index)) {
            push_argument(L, method, index, name);
            lua_setfield(L, args, name);
        }
    }
    int64_t given_ms = add_options(L, method, index, NOT_GIVEN_MS);
    const lnk_js *js = push_context(L, method->kind);
    lua_pushstring(L, method->call);
    return begin_call(L, method, args, given_ms != NOT_GIVEN_MS ? given_ms : js->timeout_ms);
}

static const lnk_method raw_call = {.kind = LNK_JS, .name = "call", .options = ""};

/* js:call(name [, arguments [, {timeout =}]]): as the library takes and gives it */
static int js_call(lua_State *L)
{
    const lnk_js *js = lnk_check(L, lnk_state_of(L), S_OWNER, LNK_JS);
    luaL_checkstring(L, 2);
    lua_settop(L, 4);
    luaL_argexpected(L, lua_isnil(L, 3) || lua_istable(L, 3), 3, "table");
    int64_t timeout_ms = add_options(L, &raw_call, 4, js->timeout_ms);
    lua_settop(L, 3);
    lua_pushvalue(L, S_OWNER);
    lua_pushvalue(L, 2);
    return begin_call(L, &raw_call, 3, timeout_ms);
}

/* -- methods --------------------------------------------------------------------------------------------- */

static const luaL_Reg js_funcs[] = {{"call", js_call},
                                    {"publish", lnk_js_publish},
                                    {"increment", lnk_js_increment},
                                    {"publisher", lnk_js_publisher},
                                    {"ingest", lnk_js_ingest},
                                    {"bind_consumer", lnk_js_bind_consumer},
                                    {"ordered", lnk_js_ordered},
                                    {"batch", lnk_js_batch},
                                    {"snapshot", lnk_js_snapshot},
                                    {"restore", lnk_js_restore},
                                    {"subscribe", lnk_js_subscribe},
                                    {"pull_subscribe", lnk_js_pull_subscribe},
                                    {"kv", lnk_js_kv},
                                    {"open_kv", lnk_js_open_kv},
                                    {"create_kv", lnk_js_create_kv},
                                    {"update_kv", lnk_js_update_kv},
                                    {"create_or_update_kv", lnk_js_create_or_update_kv},
                                    {"object_store", lnk_js_object_store},
                                    {"open_object_store", lnk_js_open_object_store},
                                    {"create_object_store", lnk_js_create_object_store},
                                    {"update_object_store", lnk_js_update_object_store},
                                    {"object_store_names", lnk_js_object_store_names},
                                    {"delete_object_store", lnk_js_delete_object_store},
                                    {"close", js_close},
                                    {NULL, NULL}};

static const luaL_Reg js_meta[] = {
    {"__gc", js_gc}, {"__close", js_close}, {"__tostring", js_tostring}, {NULL, NULL}};

void lnk_js_add_methods(lua_State *L, int state_index, const lnk_method *methods)
{
    for (; methods->name != NULL; methods++) {
        lua_pushvalue(L, state_index);
        const lnk_method **row = lua_newuserdatauv(L, sizeof(const lnk_method *), 0);
        *row = methods;
        lua_pushcclosure(L, run_method, 2);
        lua_setfield(L, -2, methods->name);
    }
}

void lnk_js_register(lua_State *L, int state_index)
{
    luaL_newmetatable(L, lnk_names[LNK_JS]);
    lnk_set_funcs(L, state_index, js_meta);
    lua_newtable(L);
    lnk_set_funcs(L, state_index, js_funcs);
    lnk_set_funcs(L, state_index, lnk_direct_methods);
    lnk_js_add_methods(L, state_index, lnk_js_methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
