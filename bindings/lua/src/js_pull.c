/* Messages of consumers: a fetch, one message, subscriptions that ask again and again, and streams that are
 * read in their order. The library asks; what comes is taken from subscriptions as everywhere (sub.c). */
#include "lnk.h"

#include <string.h>

static const char *const fetch_others[] = {"timeout", NULL};
static const char *const consume_others[] = {"timeout", "handler", "on_error", NULL};

/* What is pulled from, of the consumer at 1; the texts live as long as that. */
struct target {
    natskit_js js;
    const char *stream;
    size_t stream_len;
    const char *consumer;
    size_t consumer_len;
    int bound;
};

/* Pushes the connection of the consumer at 1. */
static struct target push_target(lua_State *L)
{
    struct target target;
    const lnk_object *object = lnk_check(L, lnk_state_of(L), 1, LNK_CONSUMER);
    target.bound = object->bound;
    lua_getiuservalue(L, 1, LNK_OBJECT_STREAM);
    target.stream = lua_tolstring(L, -1, &target.stream_len);
    lua_getiuservalue(L, 1, LNK_OBJECT_NAME);
    target.consumer = lua_tolstring(L, -1, &target.consumer_len);
    lua_getiuservalue(L, 1, LNK_OBJECT_JS);
    const lnk_js *js = lua_touserdata(L, -1);
    target.js = js->js;
    lua_getiuservalue(L, -1, LNK_JS_CONN);
    lua_replace(L, -4);
    lua_pop(L, 2);
    return target;
}

static void set_int(lua_State *L, lnk_options *options, int32_t scope, const char *name, int64_t value)
{
    natskit_error err;
    lnk_options_open(L, options, scope);
    if (natskit_options_set_int(options->options, name, NATSKIT_ZLEN, value, &err) != NATSKIT_OK) {
        luaL_error(L, "option %s", err.text);
    }
}

/* Pushes the options of the table at `index`, over those that the consumer brings. */
static lnk_options *push_options(lua_State *L, const struct target *target, int index, int32_t scope,
                                 const char *const *others)
{
    lnk_options *options = lnk_begin_options(L);
    if (target->bound) {
        set_int(L, options, scope, "bind", 1);
    }
    lnk_fill_options(L, options, index, scope, others);
    return options;
}

/* The time that the table of options at `index`, or a number there, gives. */
static int64_t read_timeout(lua_State *L, int index, int64_t absent)
{
    int64_t timeout_ms = absent;
    if (lua_istable(L, index)) {
        lua_getfield(L, index, "timeout");
        timeout_ms = lnk_opt_ms(L, -1, "timeout", absent);
        lua_pop(L, 1);
    }
    return timeout_ms;
}

/* Begins a fetch with the options at 3, and waits for its end. */
static int fetch(lua_State *L, lua_Integer max, int one)
{
    const int64_t not_given = INT64_MIN;
    const char *what = one ? "next" : "fetch";
    struct target target = push_target(L);
    int conn = lua_gettop(L);
    lnk_options *options = push_options(L, &target, 3, NATSKIT_OPTIONS_FETCH, fetch_others);
    int64_t timeout_ms = read_timeout(L, 3, not_given);
    if (max != 0) {
        set_int(L, options, NATSKIT_OPTIONS_FETCH, "max_msgs", max);
    }
    if (timeout_ms == 0) {
        set_int(L, options, NATSKIT_OPTIONS_FETCH, "no_wait", 1);
    } else if (timeout_ms != not_given) {
        set_int(L, options, NATSKIT_OPTIONS_FETCH, "expires_ms", timeout_ms);
    }
    natskit_error err;
    lnk_sub *sub = lnk_push_sub(L, conn, LNK_SUB_VALUES);
    natskit_status status = natskit_js_fetch(target.js, target.stream, target.stream_len, target.consumer,
                                             target.consumer_len, options->options, &sub->sub, &err);
    lnk_options_end(options);
    return status == NATSKIT_OK ? lnk_sub_fetch(L, one) : lnk_fail_or_raise(L, status, &err, what);
}

/* consumer:fetch([n [, {timeout =, and those of the library}]]) -> list, text and code of why it has ended */
static int consumer_fetch(lua_State *L)
{
    lua_settop(L, 3);
    if (lua_isnil(L, 2)) {
        return fetch(L, 0, 0);
    }
    lua_Integer max = luaL_checkinteger(L, 2);
    luaL_argcheck(L, max >= 1, 2, "a fetch asks for at least one message");
    return fetch(L, max, 0);
}

/* consumer:next([timeout or {timeout =, and those of the library}]) -> message */
static int consumer_next(lua_State *L)
{
    lua_settop(L, 2);
    if (lua_type(L, 2) == LUA_TNUMBER) {
        lua_createtable(L, 0, 1);
        lua_pushvalue(L, 2);
        lua_setfield(L, -2, "timeout");
        lua_replace(L, 2);
    }
    lua_pushnil(L);
    lua_insert(L, 2);
    return fetch(L, 1, 1);
}

/* Pushes a function that the table of options at 2 holds, or nil. Returns its slot. */
static int push_function(lua_State *L, const char *name)
{
    int type = LUA_TNIL;
    if (lua_istable(L, 2)) {
        type = lua_getfield(L, 2, name);
    } else {
        lua_pushnil(L);
    }
    if (type != LUA_TNIL && type != LUA_TFUNCTION) {
        luaL_error(L, "option '%s': function expected, got %s", name, luaL_typename(L, -1));
    }
    return lua_gettop(L);
}

/* Opens a subscription with the options at 2 and pushes it. Returns 0, or the number of results of a failure.
 */
static int consume(lua_State *L, const char *what, int user_values)
{
    struct target target = push_target(L);
    int conn = lua_gettop(L);
    lnk_options *options = push_options(L, &target, 2, NATSKIT_OPTIONS_CONSUME, consume_others);
    natskit_error err;
    lnk_sub *sub = lnk_push_sub(L, conn, user_values);
    sub->pulls = 1;
    natskit_status status = natskit_js_consume(target.js, target.stream, target.stream_len, target.consumer,
                                               target.consumer_len, options->options, &sub->sub, &err);
    lnk_options_end(options);
    return status == NATSKIT_OK ? 0 : lnk_fail_or_raise(L, status, &err, what);
}

/* consumer:consume([{handler =, on_error =, and those of the library}]) -> subscription */
static int consumer_consume(lua_State *L)
{
    lua_settop(L, 2);
    int handler = push_function(L, "handler");
    int on_error = push_function(L, "on_error");
    luaL_argcheck(L, lua_isnil(L, on_error) || !lua_isnil(L, handler), 2, "on_error needs a handler");
    if (lua_istable(L, 2)) {
        luaL_argcheck(L, lua_getfield(L, 2, "timeout") == LUA_TNIL, 2,
                      "timeout is for loops: sub:messages(timeout)");
    }
    int failed = consume(L, "consume", lua_isnil(L, handler) ? LNK_SUB_VALUES : LNK_SUB_HANDLED_VALUES);
    if (failed == 0 && !lua_isnil(L, handler)) {
        lnk_handler_begin(L, lnk_state_of(L), lua_gettop(L), handler, on_error);
    }
    return failed != 0 ? failed : 1;
}

/* for msg in consumer:messages([{timeout =, and those of the library}]) do */
static int consumer_messages(lua_State *L)
{
    lua_settop(L, 2);
    int64_t timeout_ms = read_timeout(L, 2, -1);
    if (lua_istable(L, 2)) {
        luaL_argcheck(L, lua_getfield(L, 2, "handler") == LUA_TNIL, 2, "a handler is for consumer:consume");
    }
    int failed = consume(L, "messages", LNK_SUB_VALUES);
    return failed != 0 ? failed : lnk_sub_loop(L, timeout_ms);
}

/* for msg in js:ordered(stream [, options]) do */
int lnk_js_ordered(lua_State *L)
{
    static const char *const others[] = {NULL};
    size_t len = 0;
    natskit_error err;
    lua_settop(L, 3);
    const lnk_js *js = lnk_check(L, lnk_state_of(L), 1, LNK_JS);
    const char *stream = luaL_checklstring(L, 2, &len);
    lnk_options *options = lnk_begin_options(L);
    lnk_fill_options(L, options, 3, NATSKIT_OPTIONS_ORDERED, others);
    lua_getiuservalue(L, 1, LNK_JS_CONN);
    lnk_sub *sub = lnk_push_sub(L, lua_gettop(L), LNK_SUB_VALUES);
    sub->ordered = 1;
    natskit_status status = natskit_js_ordered(js->js, stream, len, options->options, &sub->sub, &err);
    lnk_options_end(options);
    return status == NATSKIT_OK ? lnk_sub_watch(L) : lnk_fail_or_raise(L, status, &err, "ordered");
}

const luaL_Reg lnk_pull_methods[] = {{"fetch", consumer_fetch},
                                     {"next", consumer_next},
                                     {"consume", consumer_consume},
                                     {"messages", consumer_messages},
                                     {NULL, NULL}};

/* -- what a subscription says of its requests --------------------------------------------------------------
 */

static void set_count(lua_State *L, const char *name, uint64_t count)
{
    lua_pushinteger(L, (lua_Integer)count);
    lua_setfield(L, -2, name);
}

/* sub:pull_info() -> table */
int lnk_sub_pull_info(lua_State *L)
{
    const lnk_sub *sub = lnk_check(L, lnk_state_of(L), 1, LNK_SUB);
    natskit_pull_info info;
    memset(&info, 0, sizeof info);
    natskit_status status = natskit_sub_pull_info(sub->sub, &info, sizeof info);
    if (status != NATSKIT_OK) {
        return lnk_fail(L, status, NULL);
    }
    lua_createtable(L, 0, 16);
    set_count(L, "open_pulls", info.open_pulls);
    set_count(L, "ahead_msgs", info.ahead_msgs);
    set_count(L, "ahead_bytes", info.ahead_bytes);
    set_count(L, "pulls", info.pulls);
    set_count(L, "msgs", info.msgs);
    set_count(L, "bytes", info.bytes);
    set_count(L, "heartbeats", info.heartbeats);
    set_count(L, "statuses", info.statuses);
    set_count(L, "unknown", info.unknown);
    set_count(L, "missed", info.missed);
    set_count(L, "given_up", info.given_up);
    set_count(L, "infos", info.infos);
    lua_pushboolean(L, info.missing);
    lua_setfield(L, -2, "missing");
    lua_pushboolean(L, info.paused);
    lua_setfield(L, -2, "paused");
    set_count(L, "last_code", (uint64_t)info.last_code);
    lua_pushstring(L, info.last_text);
    lua_setfield(L, -2, "last_text");
    return 1;
}
