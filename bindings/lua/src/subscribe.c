/* Making subscriptions: subscribe, events. The ways to take from them are in sub.c. */
#include "lnk.h"

static const char *const subscribe_others[] = {"queue", "handler", "on_error", NULL};

lnk_sub *lnk_push_sub(lua_State *L, int parent, int user_values)
{
    const lnk_conn *conn = lua_touserdata(L, parent);
    lnk_sub *sub = lnk_new(L, LNK_SUB, sizeof *sub, user_values);
    sub->conn = conn->conn;
    sub->fail_fast = conn->fail_fast != 0;
    lua_pushvalue(L, parent);
    lua_setiuservalue(L, -2, LNK_SUB_PARENT);
    return sub;
}

/* Pushes an option that is a function, or nil. Returns its slot. */
static int push_function(lua_State *L, const char *name)
{
    int type = LUA_TNIL;
    if (lua_istable(L, 3)) {
        type = lua_getfield(L, 3, name);
    } else {
        lua_pushnil(L);
    }
    if (type != LUA_TNIL && type != LUA_TFUNCTION) {
        luaL_error(L, "option '%s': function expected, got %s", name, luaL_typename(L, -1));
    }
    return lua_gettop(L);
}

/* nc:subscribe(subject [, {queue =, handler =, on_error =, and those of the library}]) */
int lnk_subscribe(lua_State *L)
{
    lnk_conn *conn = lnk_check(L, lnk_state_of(L), 1, LNK_CONN);
    size_t subject_len = 0;
    size_t queue_len = 0;
    const char *queue = NULL;
    const char *subject = luaL_checklstring(L, 2, &subject_len);
    lua_settop(L, 3);
    lnk_options *options = lnk_push_options(L, 3, NATSKIT_OPTIONS_SUBSCRIBE, subscribe_others);
    if (lua_istable(L, 3) && lua_getfield(L, 3, "queue") != LUA_TNIL) {
        if (lua_type(L, -1) != LUA_TSTRING) {
            return luaL_error(L, "option 'queue': string expected, got %s", luaL_typename(L, -1));
        }
        queue = lua_tolstring(L, -1, &queue_len);
        if (queue_len == 0) {
            return luaL_error(L, "option 'queue': the name of a queue group must not be empty");
        }
    }
    lua_pushlstring(L, queue, queue_len);
    int handler = push_function(L, "handler");
    int on_error = push_function(L, "on_error");
    luaL_argcheck(L, lua_isnil(L, on_error) || !lua_isnil(L, handler), 3, "on_error needs a handler");
    lnk_sub *sub = lnk_push_sub(L, 1, lua_isnil(L, handler) ? LNK_SUB_VALUES : LNK_SUB_HANDLED_VALUES);
    natskit_error err;
    natskit_status status = natskit_subscribe(conn->conn, subject, subject_len, queue, queue_len,
                                              lnk_options_of(options), &sub->sub, &err);
    lnk_options_end(options);
    if (status != NATSKIT_OK) {
        return lnk_fail_or_raise(L, status, &err, "subscribe");
    }
    if (!lua_isnil(L, handler)) {
        lnk_handler_begin(L, lnk_state_of(L), lua_gettop(L), handler, on_error);
    }
    return 1;
}

/* nc:events([{pending_msgs_limit =, debug =, answers =}]) */
int lnk_events(lua_State *L)
{
    lnk_conn *conn = lnk_check(L, lnk_state_of(L), 1, LNK_CONN);
    lua_settop(L, 2);
    lnk_options *options = lnk_push_options(L, 2, NATSKIT_OPTIONS_EVENTS, NULL);
    lnk_sub *sub = lnk_push_sub(L, 1, LNK_SUB_VALUES);
    natskit_error err;
    natskit_status status = natskit_conn_events(conn->conn, lnk_options_of(options), &sub->sub, &err);
    lnk_options_end(options);
    return status == NATSKIT_OK ? 1 : lnk_fail_or_raise(L, status, &err, "events");
}
