/* Messages as a stream keeps them, as tables: getting one, and reading several without a consumer, which is a
 * subscription (sub.c) that yields them. What waits blocks or suspends as everywhere. */
#include "lnk.h"

#include <string.h>

/* Slots of a get. */
enum slot {
    S_JS = 1,
    S_STREAM,
    S_SUBJECT, /* "": none */
    S_SEQ,
    S_START, /* nanoseconds */
    S_FLAGS,
    S_DEADLINE,
    S_WAIT,
    S_ROOM, /* the wait for room, or nil */
    S_TOP = S_ROOM
};

/* Bytes that a get may need in the outbox. */
#define CALL_SIZE 1024

/* -- messages ---------------------------------------------------------------------------------------------
 */

/* Sets the publisher's headers, name -> list of values, as msg.headers; nothing if there are none. */
static void set_headers(lua_State *L, const natskit_msg *msg)
{
    const char *name;
    const char *value;
    size_t name_len;
    size_t value_len;
    int table = lua_gettop(L);
    for (size_t i = 0; natskit_msg_header_at(msg, i, &name, &name_len, &value, &value_len) == NATSKIT_OK;
         i++) {
        if (i == 0) {
            lua_newtable(L);
        }
        lua_pushlstring(L, name, name_len);
        lua_pushvalue(L, -1);
        if (lua_rawget(L, table + 1) != LUA_TTABLE) {
            lua_pop(L, 1);
            lua_newtable(L);
            lua_pushvalue(L, -2);
            lua_pushvalue(L, -2);
            lua_rawset(L, table + 1);
        }
        lua_pushlstring(L, value, value_len);
        lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
        lua_settop(L, table + 1);
    }
    if (lua_gettop(L) > table) {
        lua_setfield(L, table, "headers");
    }
}

/* Sets what a counter holds in the table at the top. */
static void set_counter(lua_State *L, const natskit_msg *msg)
{
    const char *value;
    size_t len;
    int table = lua_gettop(L);
    if (natskit_msg_header(msg, NATSKIT_HEADER_INCREMENT, NATSKIT_ZLEN, NATSKIT_MATCH_EXACT, 0, &value,
                           &len) != NATSKIT_OK) {
        return; /* any other message */
    }
    int count = lnk_counter_push(L, msg);
    if (count == 2) {
        lua_setfield(L, table, "counter_sources");
    }
    if (count < 3) {
        lua_setfield(L, table, "counter");
    }
    lua_settop(L, table);
}

void lnk_stored_push(lua_State *L, const natskit_msg *msg)
{
    natskit_stored_view view;
    memset(&view, 0, sizeof view);
    (void)natskit_msg_stored(msg, &view, sizeof view); /* it is of that kind */
    lua_createtable(L, 0, 10);
    lua_pushlstring(L, view.stream, view.stream_len);
    lua_setfield(L, -2, "stream");
    lua_pushlstring(L, view.subject, view.subject_len);
    lua_setfield(L, -2, "subject");
    lua_pushlstring(L, view.data, view.data_len);
    lua_setfield(L, -2, "data");
    lua_pushinteger(L, (lua_Integer)view.seq);
    lua_setfield(L, -2, "seq");
    lua_pushinteger(L, (lua_Integer)view.time_ns);
    lua_setfield(L, -2, "time_ns");
    lua_pushnumber(L, (lua_Number)view.time_ns / 1e9);
    lua_setfield(L, -2, "time");
    lua_pushinteger(L, (lua_Integer)view.pending);
    lua_setfield(L, -2, "pending");
    set_counter(L, msg);
    set_headers(L, msg);
}

/* -- one --------------------------------------------------------------------------------------------------
 */

/* What a query asks for. */
struct query {
    int64_t timeout_ms;
    lua_Integer seq;
    int64_t start_ns;
    uint32_t flags;
    int subjects; /* how many are given */
};

/* The time on top, in nanoseconds. */
static int64_t read_start(lua_State *L)
{
    size_t len = 0;
    int64_t ns = 0;
    if (lua_type(L, -1) == LUA_TNUMBER) {
        lua_Number seconds = lua_tonumber(L, -1);
        luaL_argcheck(L, seconds > -9e9 && seconds < 9e9, 3, "start_time: seconds since 1970 expected");
        return (int64_t)(seconds * 1e9);
    }
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &len) : NULL;
    if (text == NULL || !lnk_parse_time(text, len, &ns)) {
        luaL_error(L, "start_time: seconds since 1970 or a time of RFC 3339 expected, got %s",
                   luaL_tolstring(L, -1, NULL));
    }
    return ns;
}

/* Reads the option whose name and value are on top; a subject goes to slot `subject`. */
static void read_option(lua_State *L, struct query *query, int subject)
{
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
    int next = strcmp(name, "next_by_subj") == 0;
    if (strcmp(name, "timeout") == 0) {
        query->timeout_ms = lnk_opt_ms(L, lua_gettop(L), "timeout", query->timeout_ms);
    } else if (strcmp(name, "seq") == 0) {
        int integer = 0;
        query->seq = lua_tointegerx(L, -1, &integer);
        if (!integer || lua_type(L, -1) != LUA_TNUMBER || query->seq < 0) {
            luaL_error(L, "seq: whole number expected, got %s", luaL_tolstring(L, -1, NULL));
        }
    } else if (next || strcmp(name, "last_by_subj") == 0) {
        if (lua_type(L, -1) != LUA_TSTRING) {
            luaL_error(L, "%s: string expected, got %s", name, luaL_typename(L, -1));
        }
        query->subjects++;
        query->flags |= next ? NATSKIT_GET_NEXT : 0;
        lua_copy(L, -1, subject);
    } else if (strcmp(name, "start_time") == 0) {
        query->start_ns = read_start(L);
    } else if (strcmp(name, "direct") == 0) {
        query->flags = lua_toboolean(L, -1) ? query->flags & ~NATSKIT_GET_BY_LEADER
                                            : query->flags | NATSKIT_GET_BY_LEADER;
    } else {
        luaL_error(L, "unknown option '%s' (known: timeout seq last_by_subj next_by_subj start_time direct)",
                   luaL_tolstring(L, -2, NULL));
    }
}

/* Leaves the context and a stream's name at 1 and 2, of a context and a name, or of a stream. */
static const lnk_js *check_target(lua_State *L)
{
    lnk_state *st = lnk_state_of(L);
    if (lnk_test(L, st, 1, LNK_STREAM) != NULL) {
        lua_getiuservalue(L, 1, LNK_OBJECT_JS);
        lua_getiuservalue(L, 1, LNK_OBJECT_NAME);
        lua_insert(L, 2);
        lua_replace(L, 1);
    }
    const lnk_js *js = lnk_check(L, st, 1, LNK_JS);
    luaL_argexpected(L, lua_type(L, 2) == LUA_TSTRING, 2, "string");
    return js;
}

static int finish_get(lua_State *L, lnk_state *st, lnk_wait *wait, int index, natskit_status status,
                      const natskit_error *err)
{
    (void)st;
    (void)index;
    lnk_msg *owner = lnk_push_msg(L); /* while strings are made */
    if (status == NATSKIT_OK) {
        status = natskit_op_take_msg(wait->op, &owner->msg);
        err = NULL;
    }
    if (status != NATSKIT_OK) {
        return lnk_js_fail(L, status, err);
    }
    lnk_stored_push(L, owner->msg);
    natskit_msg_release(owner->msg);
    owner->msg = NULL;
    return 1;
}

static natskit_status try_get(lua_State *L, int64_t left, natskit_error *err)
{
    const natskit_options none = {0};
    const lnk_js *js = lua_touserdata(L, S_JS);
    lnk_wait *wait = lua_touserdata(L, S_WAIT);
    size_t stream_len = 0;
    size_t subject_len = 0;
    const char *stream = lua_tolstring(L, S_STREAM, &stream_len);
    const char *subject = lua_tolstring(L, S_SUBJECT, &subject_len);
    return natskit_js_get_msg_start(js->js, stream, stream_len, (uint64_t)lua_tointeger(L, S_SEQ), subject,
                                    subject_len, lua_tointeger(L, S_START),
                                    (uint32_t)lua_tointeger(L, S_FLAGS), none, left, &wait->op, err);
}

static int get_k(lua_State *L, int resumed, lua_KContext context)
{
    lnk_state *st = lnk_state_of(L);
    int64_t deadline = (int64_t)lua_tointeger(L, S_DEADLINE);
    int suspend = resumed == LUA_YIELD ? lnk_suspended(L, st) : lnk_may_suspend(L, st);
    int waited = resumed == LUA_YIELD;
    natskit_error err;
    err.status = NATSKIT_OK;
    for (;; waited = 1) {
        int64_t left = lnk_left(deadline);
        natskit_status status = try_get(L, left, &err);
        const lnk_conn *conn = lnk_js_conn(L, S_JS);
        if (status == NATSKIT_OK) {
            return lnk_await(L, S_WAIT);
        }
        if (status != NATSKIT_WOULD_BLOCK || left == 0 || conn->fail_fast) {
            status = status == NATSKIT_WOULD_BLOCK && waited ? NATSKIT_TIMEOUT : status;
            return lnk_fail_or_raise(L, status, &err, "get_msg");
        }
        const lnk_wait *room = lnk_room_start(L, conn->conn, S_ROOM, CALL_SIZE, left);
        if (suspend) {
            lnk_room_push(L, st, room, S_ROOM, left);
            lua_callk(L, 2, 1, context, get_k);
            suspend = lnk_suspended(L, st);
        } else {
            lnk_room_block(L, room, left);
        }
    }
}

/* (js, stream, query) or (stream, query) */
static int get(lua_State *L, uint32_t flags)
{
    const lnk_js *js = check_target(L);
    struct query query = {.timeout_ms = js->timeout_ms, .flags = flags};
    lua_settop(L, 3);
    luaL_argexpected(L, lua_isnil(L, 3) || lua_istable(L, 3), 3, "table");
    lua_pushliteral(L, "");
    if (lua_istable(L, 3)) {
        for (lua_pushnil(L); lua_next(L, 3) != 0; lua_settop(L, 5)) {
            read_option(L, &query, 4);
        }
    }
    luaL_argcheck(L, query.subjects < 2, 3, "last_by_subj and next_by_subj exclude each other");
    lua_replace(L, S_SUBJECT);
    lua_settop(L, S_SUBJECT);
    lua_pushinteger(L, query.seq);
    lua_pushinteger(L, (lua_Integer)query.start_ns);
    lua_pushinteger(L, (lua_Integer)query.flags);
    lua_pushinteger(L, (lua_Integer)lnk_deadline(query.timeout_ms));
    lnk_push_wait(L, S_JS)->finish = finish_get;
    lua_settop(L, S_TOP);
    return get_k(L, LUA_OK, 0);
}

/* js:get_msg(stream, query), stream:get_msg(query) -> table */
static int get_msg(lua_State *L)
{
    return get(L, NATSKIT_GET_BY_LEADER);
}

/* js:direct_get(stream, query), stream:direct_get(query) -> table */
static int direct_get(lua_State *L)
{
    return get(L, 0);
}

/* -- several ----------------------------------------------------------------------------------------------
 */

typedef natskit_status (*open_fn)(natskit_js js, const char *stream, size_t stream_len,
                                  natskit_options options, natskit_sub *out, natskit_error *err);

/* Opens it with the options that are filled. */
static int open_with(lua_State *L, lnk_options *options, open_fn open, const char *what)
{
    size_t len = 0;
    natskit_error err;
    const lnk_js *js = lua_touserdata(L, 1);
    const char *stream = lua_tolstring(L, 2, &len);
    lua_getiuservalue(L, 1, LNK_JS_CONN);
    lnk_sub *sub = lnk_push_sub(L, lua_gettop(L), LNK_SUB_VALUES);
    sub->ordered = 1;
    sub->reads = 1;
    natskit_status status = open(js->js, stream, len, options->options, &sub->sub, &err);
    lnk_options_end(options);
    return status == NATSKIT_OK ? lnk_sub_watch(L) : lnk_fail_or_raise(L, status, &err, what);
}

/* for msg in js:get_batch(stream [, options]) do, stream:get_batch([options]) */
static int get_batch(lua_State *L)
{
    static const char *const others[] = {NULL};
    check_target(L);
    lua_settop(L, 3);
    lnk_options *options = lnk_begin_options(L);
    lnk_fill_options(L, options, 3, NATSKIT_OPTIONS_GET_BATCH, others);
    return open_with(L, options, natskit_js_get_batch, "get_batch");
}

/* for msg in js:get_last_for(stream [, subjects [, options]]) do, stream:get_last_for([subjects [, options]])
 */
static int get_last_for(lua_State *L)
{
    static const char *const others[] = {NULL};
    check_target(L);
    lua_settop(L, 4);
    luaL_argexpected(L, lua_isnil(L, 3) || lua_type(L, 3) == LUA_TSTRING || lua_istable(L, 3), 3,
                     "string or list of strings");
    lnk_options *options = lnk_begin_options(L);
    lnk_fill_options(L, options, 4, NATSKIT_OPTIONS_GET_LAST, others);
    if (lua_type(L, 3) == LUA_TSTRING) {
        lua_createtable(L, 1, 0);
        lua_pushvalue(L, 3);
        lua_rawseti(L, -2, 1);
        lua_replace(L, 3);
    }
    if (lua_istable(L, 3)) {
        lnk_options_open(L, options, NATSKIT_OPTIONS_GET_LAST);
        lnk_options_add_list(L, options, "subjects", 3);
    }
    return open_with(L, options, natskit_js_get_last, "get_last_for");
}

const luaL_Reg lnk_direct_methods[] = {{"get_msg", get_msg},
                                       {"direct_get", direct_get},
                                       {"get_batch", get_batch},
                                       {"get_last_for", get_last_for},
                                       {NULL, NULL}};
