/* Push consumers, and pull consumers as legacy clients make them: what is found or made by the library, and
 * waited for. What comes is taken from subscriptions as everywhere (sub.c). */
#include "lnk.h"

#include <stdlib.h>
#include <string.h>

/* Slots of a subscribe. */
enum slot { S_JS = 1, S_SUBJECT, S_OPTIONS, S_HANDLER, S_ON_ERROR, S_SUB, S_WAIT, S_TOP = S_WAIT };

static const char *const push_others[] = {"timeout", "handler", "on_error", "manual_ack", "config", NULL};

/* -- acks behind handlers -------------------------------------------------------------------------------- */

/* The handler has returned: acks its message, unless it has said something else, or it is a status. */
static int handled_k(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    (void)context;
    lua_settop(L, 1);
    if (lua_getfield(L, 1, "ack") == LUA_TFUNCTION) {
        lua_pushvalue(L, 1);
        lua_call(L, 1, 0); /* nil and why if it was acked before, which is no failure */
    }
    return 0;
}

/* The handler with an ack behind it; upvalue 1 is the program's. */
static int handle(lua_State *L)
{
    lua_settop(L, 1);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, 1);
    lua_callk(L, 1, 0, 0, handled_k);
    return handled_k(L, LUA_OK, 0);
}

/* -- options --------------------------------------------------------------------------------------------- */

/* Pushes a function of the table of options, or nil. */
static void push_function(lua_State *L, const char *name)
{
    int type = lua_getfield(L, S_OPTIONS, name);
    if (type != LUA_TNIL && type != LUA_TFUNCTION) {
        luaL_error(L, "option '%s': function expected, got %s", name, luaL_typename(L, -1));
    }
}

static int is_true(lua_State *L, const char *name)
{
    int type = lua_getfield(L, S_OPTIONS, name);
    if (type != LUA_TNIL && type != LUA_TBOOLEAN) {
        luaL_error(L, "option '%s': boolean expected, got %s", name, luaL_typename(L, -1));
    }
    int value = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

/* Sets option `config` to the text of a document. */
static natskit_status set_config(lnk_options *options, natskit_json json, natskit_error *err)
{
    size_t len = 0;
    natskit_status status = natskit_json_text(json, "/config", NATSKIT_ZLEN, NULL, 0, &len, err);
    char *text = status == NATSKIT_LIMIT ? malloc(len) : NULL;
    if (text == NULL) {
        return status == NATSKIT_LIMIT ? NATSKIT_NO_MEMORY : status;
    }
    status = natskit_json_text(json, "/config", NATSKIT_ZLEN, text, len, &len, err);
    if (status == NATSKIT_OK) {
        status = natskit_options_set(options->options, "config", NATSKIT_ZLEN, text, len, err);
    }
    free(text);
    return status;
}

/* A configuration that is given as a table, as those of add_consumer are. */
static natskit_status add_config(lua_State *L, lnk_options *options, natskit_error *err)
{
    int top = lua_gettop(L);
    if (lua_getfield(L, S_OPTIONS, "config") == LUA_TNIL) {
        lua_settop(L, top);
        return NATSKIT_OK;
    }
    luaL_argexpected(L, lua_istable(L, -1), S_OPTIONS, "a table as config");
    lua_createtable(L, 0, 1);
    lua_insert(L, -2);
    lua_setfield(L, -2, "config");
    natskit_status status = lnk_json_push_doc(L, "subscribe", top + 1, "consumer_args", err);
    if (status == NATSKIT_OK) {
        lnk_options_open(L, options, NATSKIT_OPTIONS_PUSH);
        status = set_config(options, ((const lnk_doc *)lua_touserdata(L, -1))->json, err);
    }
    lua_settop(L, top);
    return status;
}

/* -- js:subscribe ---------------------------------------------------------------------------------------- */

/* Whether messages of the consumer are to be acked. */
static int wants_acks(natskit_json info)
{
    char text[16] = "";
    size_t len = 0;
    natskit_status status =
        natskit_json_text(info, "/config/ack_policy", NATSKIT_ZLEN, text, sizeof text - 1, &len, NULL);
    return status == NATSKIT_OK && strcmp(text, "\"none\"") != 0;
}

/* The consumer is there, or will not be. */
static int finish_subscribe(lua_State *L, lnk_state *st, lnk_wait *wait, int index, natskit_status status,
                            const natskit_error *err)
{
    (void)index;
    natskit_json info = {0};
    natskit_error own;
    if (status == NATSKIT_OK) {
        status = natskit_op_json(wait->op, &info, &own);
        err = &own;
    }
    if (status != NATSKIT_OK) {
        const lnk_sub *sub = lua_touserdata(L, S_SUB);
        natskit_sub_close(sub->sub);
        return lnk_js_fail(L, status, err);
    }
    int acks = !is_true(L, "manual_ack") && wants_acks(info);
    natskit_json_close(info);
    if (!lua_isnil(L, S_HANDLER)) {
        if (acks) {
            lua_pushvalue(L, S_HANDLER);
            lua_pushcclosure(L, handle, 1);
            lua_replace(L, S_HANDLER);
        }
        lnk_handler_begin(L, st, S_SUB, S_HANDLER, S_ON_ERROR);
    }
    lua_pushvalue(L, S_SUB);
    return 1;
}

/* js:subscribe(subject [, {handler =, on_error =, manual_ack =, timeout =, config =, and those of the
 * library}])
 * -> subscription */
int lnk_js_subscribe(lua_State *L)
{
    size_t len = 0;
    natskit_error err;
    lua_settop(L, S_OPTIONS);
    const lnk_js *js = lnk_check(L, lnk_state_of(L), S_JS, LNK_JS);
    const char *subject = luaL_optlstring(L, S_SUBJECT, "", &len);
    if (lua_isnil(L, S_OPTIONS)) {
        lua_newtable(L);
        lua_replace(L, S_OPTIONS);
    }
    luaL_checktype(L, S_OPTIONS, LUA_TTABLE);
    push_function(L, "handler");
    push_function(L, "on_error");
    luaL_argcheck(L, lua_isnil(L, S_ON_ERROR) || !lua_isnil(L, S_HANDLER), S_OPTIONS,
                  "on_error needs a handler");
    (void)is_true(L, "manual_ack");
    lua_getiuservalue(L, S_JS, LNK_JS_CONN);
    int conn = lua_gettop(L);
    lnk_sub *sub = lnk_push_sub(L, conn, lua_isnil(L, S_HANDLER) ? LNK_SUB_VALUES : LNK_SUB_HANDLED_VALUES);
    sub->pulls = 1;
    lua_replace(L, S_SUB);
    lnk_wait *wait = lnk_push_wait(L, S_JS);
    wait->finish = finish_subscribe;
    lnk_options *options = lnk_begin_options(L);
    lnk_fill_options(L, options, S_OPTIONS, NATSKIT_OPTIONS_PUSH, push_others);
    lua_getfield(L, S_OPTIONS, "timeout");
    int64_t timeout_ms = lnk_opt_ms(L, -1, "timeout", js->timeout_ms);
    natskit_status status = add_config(L, options, &err);
    if (status == NATSKIT_OK) {
        status = natskit_js_subscribe_start(js->js, subject, len, options->options, timeout_ms, &sub->sub,
                                            &wait->op, &err);
    }
    lnk_options_end(options);
    if (status != NATSKIT_OK) {
        return lnk_fail_or_raise(L, status, &err, "subscribe");
    }
    lua_settop(L, S_TOP);
    return lnk_await(L, S_WAIT);
}

/* -- js:pull_subscribe ----------------------------------------------------------------------------------- */

static const lnk_method pull_method = {.kind = LNK_JS,
                                       .name = "pull_subscribe",
                                       .call = "consumer.ensure",
                                       .given = "",
                                       .options = "stream durable config",
                                       .args_shape = "consumer_args",
                                       .shape = "consumer_info",
                                       .gives = LNK_GIVES_CONSUMER};

static void set_text(lua_State *L, int table, const char *name, int value)
{
    lua_pushvalue(L, value);
    lua_setfield(L, table, name);
}

/* Pushes the configuration that is wanted: the given one with subject and name. */
static void push_wanted(lua_State *L)
{
    lua_newtable(L);
    int copy = lua_gettop(L);
    if (lua_getfield(L, S_OPTIONS, "config") != LUA_TNIL) {
        luaL_argexpected(L, lua_istable(L, -1), S_OPTIONS, "a table as config");
        for (lua_pushnil(L); lua_next(L, copy + 1) != 0;) {
            lua_pushvalue(L, -2);
            lua_insert(L, -2);
            lua_rawset(L, copy);
        }
    }
    lua_settop(L, copy);
    int several = lua_getfield(L, copy, "filter_subjects") != LUA_TNIL;
    lua_pop(L, 1);
    if (!several && lua_rawlen(L, S_SUBJECT) > 0) {
        set_text(L, copy, "filter_subject", S_SUBJECT);
    }
    if (lua_getfield(L, S_OPTIONS, "durable") != LUA_TNIL) {
        luaL_argexpected(L, lua_type(L, -1) == LUA_TSTRING, S_OPTIONS, "a string as durable");
        set_text(L, copy, "durable_name", copy + 1);
        set_text(L, copy, "name", copy + 1);
    }
    lua_settop(L, copy);
}

/* js:pull_subscribe(subject [, {durable =, stream =, config =, timeout =}]) -> consumer */
int lnk_js_pull_subscribe(lua_State *L)
{
    natskit_error err;
    lua_settop(L, S_OPTIONS);
    const lnk_js *js = lnk_check(L, lnk_state_of(L), S_JS, LNK_JS);
    luaL_argexpected(L, lua_type(L, S_SUBJECT) == LUA_TSTRING, S_SUBJECT, "string");
    if (lua_isnil(L, S_OPTIONS)) {
        lua_newtable(L);
        lua_replace(L, S_OPTIONS);
    }
    luaL_checktype(L, S_OPTIONS, LUA_TTABLE);
    lua_getfield(L, S_OPTIONS, "timeout");
    int64_t timeout_ms = lnk_opt_ms(L, -1, "timeout", js->timeout_ms);
    lua_settop(L, S_OPTIONS);
    lua_newtable(L);
    int args = lua_gettop(L);
    push_wanted(L);
    lua_setfield(L, args, "config");
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "explicit"); /* the server's own is none: nothing were delivered again */
    lua_setfield(L, -2, "ack_policy");
    lua_setfield(L, args, "defaults");
    lua_pushboolean(L, 0);
    lua_setfield(L, args, "push");
    if (lua_getfield(L, S_OPTIONS, "stream") != LUA_TNIL) {
        luaL_argexpected(L, lua_type(L, -1) == LUA_TSTRING, S_OPTIONS, "a string as stream");
        lua_setfield(L, args, "stream");
    } else {
        set_text(L, args, "subject", S_SUBJECT);
    }
    lua_settop(L, args);
    lua_pushvalue(L, S_JS);
    lua_pushstring(L, pull_method.call);
    natskit_status status = lnk_json_push_doc(L, pull_method.name, args, pull_method.args_shape, &err);
    return status == NATSKIT_OK ? lnk_js_begin(L, &pull_method, timeout_ms) : lnk_fail(L, status, &err);
}

/* -- what a subscription says of itself ------------------------------------------------------------------ */

static void set_count(lua_State *L, const char *name, uint64_t count)
{
    lua_pushinteger(L, (lua_Integer)count);
    lua_setfield(L, -2, name);
}

/* sub:push_info() -> table */
int lnk_sub_push_info(lua_State *L)
{
    const lnk_sub *sub = lnk_check(L, lnk_state_of(L), 1, LNK_SUB);
    natskit_push_info info;
    memset(&info, 0, sizeof info);
    natskit_status status = natskit_sub_push_info(sub->sub, &info, sizeof info);
    if (status != NATSKIT_OK) {
        return lnk_fail(L, status, NULL);
    }
    lua_createtable(L, 0, 11);
    lua_pushstring(L, info.stream);
    lua_setfield(L, -2, "stream");
    lua_pushstring(L, info.consumer);
    lua_setfield(L, -2, "consumer");
    set_count(L, "msgs", info.msgs);
    set_count(L, "heartbeats", info.heartbeats);
    set_count(L, "flow_requests", info.flow_requests);
    set_count(L, "missed", info.missed);
    set_count(L, "recreated", info.recreated);
    set_count(L, "lost", info.lost);
    set_count(L, "unknown", info.unknown);
    lua_pushboolean(L, info.live);
    lua_setfield(L, -2, "live");
    lua_pushboolean(L, info.made);
    lua_setfield(L, -2, "made");
    return 1;
}
