/* Requests of the library to the application: nc:answer_delay and nc:answer_auth, and the options
 * reconnect_delay, a function that says how long a pause is, and auth, one that says who the user is.
 *
 * Nothing calls back. The connection has a subscription of events that gets the requests; it is looked at by
 * nats.pump, in whose waitset it is, and by calls that block, where hooks run, too. So the function is only
 * ever called from inside a call of the program's own. If there is none for too long, the library goes on
 * without an answer. */
#include "lnk.h"

#include <string.h>

static natskit_status answer(lua_State *L, const lnk_conn *conn, uint64_t request, int64_t delay_ms)
{
    natskit_error err;
    natskit_status status = natskit_conn_answer_delay(conn->conn, request, delay_ms, &err);
    if (status == NATSKIT_INVALID) {
        luaL_error(L, "answer_delay: %s", err.text);
    }
    return status;
}

/* nc:answer_delay(event, delay) */
int lnk_conn_answer_delay(lua_State *L)
{
    lnk_state *st = lnk_state_of(L);
    const lnk_conn *conn = lnk_check(L, st, 1, LNK_CONN);
    const lnk_msg *event = lnk_check(L, st, 2, LNK_MSG);
    int64_t delay_ms = lnk_check_ms(L, 3, "delay");
    natskit_event_view view = {0};
    int asks = event->msg != NULL && natskit_msg_event(event->msg, &view, sizeof view) == NATSKIT_OK &&
               view.type == NATSKIT_EVENT_DELAY_NEEDED;
    luaL_argcheck(L, asks, 2, "an event of type 'delay_needed' expected");
    return lnk_result(L, answer(L, conn, view.request, delay_ms), NULL);
}

/* -- delays ------------------------------------------------------------------------------------------------
 */

/* Calls the function of the connection at `conn_index` for the event on top of the stack, and pops that. */
static void ask_delay(lua_State *L, lnk_state *st, int conn_index, const natskit_event_view *view)
{
    const lnk_conn *conn = lnk_check(L, st, conn_index, LNK_CONN);
    if (lua_getiuservalue(L, conn_index, LNK_CONN_DELAY) == LUA_TNIL) { /* only option auth was given */
        answer(L, conn, view->request, view->delay_ms);
        lua_pop(L, 2);
        return;
    }
    lua_insert(L, -2);
    st->answering = 1; /* the function may wait, and waiting leads here */
    int status = lua_pcall(L, 1, 1, 0);
    st->answering = 0;
    if (status != LUA_OK) {
        lua_error(L);
    }
    /* nil: the library's own delay, and at once, not when the time to answer is over. */
    int64_t delay_ms =
        lua_isnil(L, -1) ? view->delay_ms : lnk_check_ms(L, lua_gettop(L), "result of reconnect_delay");
    answer(L, conn, view->request, delay_ms); /* too late is no mistake */
    lua_pop(L, 1);
}

/* -- credentials -------------------------------------------------------------------------------------------
 */

#define SIGNATURE_BYTES 64 /* as base64 it has 86 or 88 characters */
#define BASE64_MAX (((SIGNATURE_BYTES + 2) / 3) * 4)

/* Writes the base64 text of a signature as it comes from a library of keys. */
static size_t encode_signature(const unsigned char *raw, char out[BASE64_MAX])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t len = 0;
    for (size_t i = 0; i < SIGNATURE_BYTES; i += 3) {
        size_t left = SIGNATURE_BYTES - i;
        unsigned bits = (unsigned)raw[i] << 16;
        bits |= left > 1 ? (unsigned)raw[i + 1] << 8 : 0;
        bits |= left > 2 ? raw[i + 2] : 0;
        out[len++] = digits[bits >> 18];
        out[len++] = digits[(bits >> 12) & 63];
        out[len++] = left > 1 ? digits[(bits >> 6) & 63] : '=';
        out[len++] = left > 2 ? digits[bits & 63] : '=';
    }
    return len;
}

/* Sets the option of the signature in the table at `index`, which may be raw. */
static void set_signature(lua_State *L, const lnk_options *options, int index)
{
    static const char name[] = "signature";
    char encoded[BASE64_MAX];
    size_t len = 0;
    natskit_error err;
    int type = lua_getfield(L, index, name);
    if (type != LUA_TNIL && type != LUA_TSTRING) {
        luaL_error(L, "option '%s': string expected, got %s", name, luaL_typename(L, -1));
    }
    const char *text = lua_tolstring(L, -1, &len);
    if (len == SIGNATURE_BYTES) {
        len = encode_signature((const unsigned char *)text, encoded);
        text = encoded;
    }
    if (text != NULL &&
        natskit_options_set(options->options, name, sizeof name - 1, text, len, &err) != NATSKIT_OK) {
        luaL_error(L, "option %s", err.text);
    }
    lua_pop(L, 1);
}

/* Answers with the table of credentials at `index`, or nil for what is configured. Raises for what is none.
 */
static natskit_status give(lua_State *L, const lnk_conn *conn, uint64_t request, int index,
                           natskit_error *err)
{
    static const char *const others[] = {"signature", NULL};
    if (!lua_isnil(L, index) && !lua_istable(L, index)) {
        luaL_error(L, "table of credentials expected, got %s", luaL_typename(L, index));
    }
    lnk_options *options = lnk_begin_options(L);
    if (lua_istable(L, index)) {
        lnk_fill_options(L, options, index, NATSKIT_OPTIONS_AUTH, others);
        set_signature(L, options, index);
    }
    natskit_status status = natskit_conn_answer_auth(conn->conn, request, options->options, err);
    lnk_options_end(options);
    lua_pop(L, 1);
    return status;
}

/* nc:answer_auth(event, credentials or nil) */
int lnk_conn_answer_auth(lua_State *L)
{
    lnk_state *st = lnk_state_of(L);
    const lnk_conn *conn = lnk_check(L, st, 1, LNK_CONN);
    const lnk_msg *event = lnk_check(L, st, 2, LNK_MSG);
    natskit_event_view view = {0};
    natskit_error err;
    lua_settop(L, 3);
    int asks = event->msg != NULL && natskit_msg_event(event->msg, &view, sizeof view) == NATSKIT_OK &&
               view.type == NATSKIT_EVENT_AUTH_NEEDED;
    luaL_argcheck(L, asks, 2, "an event of type 'auth_needed' expected");
    natskit_status status = give(L, conn, view.request, 3, &err);
    return lnk_result(L, status, &err);
}

/* (function, connection, event, request): asks and answers; what the function did wrong is raised. */
static int ask_and_give(lua_State *L)
{
    lnk_state *st = lnk_state_of(L);
    const lnk_conn *conn = lnk_check(L, st, 2, LNK_CONN);
    uint64_t request = (uint64_t)lua_tointeger(L, 4);
    natskit_error err;
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 3);
    lua_call(L, 1, 1);
    natskit_status status = give(L, conn, request, lua_gettop(L), &err);
    int late = status == NATSKIT_NOT_FOUND || status == NATSKIT_CLOSED || status == NATSKIT_BAD_HANDLE;
    return status == NATSKIT_OK || late ? 0 : luaL_error(L, "result of auth: %s", err.text);
}

/* Asks the function of the connection at `conn_index` for the event on top of the stack, and pops that. Its
 * errors are told, and what is configured counts: a connection must not depend on them. */
static void ask_auth(lua_State *L, lnk_state *st, int conn_index, const natskit_event_view *view)
{
    const lnk_conn *conn = lnk_check(L, st, conn_index, LNK_CONN);
    natskit_options none = {0};
    natskit_error err;
    int event = lua_gettop(L);
    int status = LUA_OK;
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushcclosure(L, lnk_traceback, 1);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushcclosure(L, ask_and_give, 1);
    if (lua_getiuservalue(L, conn_index, LNK_CONN_AUTH) == LUA_TNIL) { /* option ask_auth without it */
        natskit_conn_answer_auth(conn->conn, view->request, none, &err);
    } else {
        lua_pushvalue(L, conn_index);
        lua_pushvalue(L, event);
        lua_pushinteger(L, (lua_Integer)view->request);
        st->answering = 1; /* the function may wait, and waiting leads here */
        status = lua_pcall(L, 4, 0, event + 1);
        st->answering = 0;
    }
    if (status != LUA_OK) {
        natskit_conn_answer_auth(conn->conn, view->request, none,
                                 &err); /* at once, not when its time is over */
        if (st->interrupted) {
            st->interrupted = 0;
            lua_error(L);
        }
        lnk_report(L, conn_index);
    }
    lua_settop(L, event - 1);
}

/* -- the subscription that gets them -----------------------------------------------------------------------
 */

/* Takes the events that are there and answers what they ask. */
int lnk_answer_sub(lua_State *L)
{
    lnk_state *st = lnk_state_of(L);
    lnk_sub *sub = lnk_check(L, st, 1, LNK_SUB);
    lua_settop(L, 1);
    lua_getiuservalue(L, 1, LNK_SUB_PARENT);
    while (!st->answering) {
        natskit_event_view view;
        memset(&view, 0, sizeof view);
        lnk_msg *event = lnk_push_msg(L);
        natskit_status status = natskit_sub_next(sub->sub, 0, &event->msg);
        if (status != NATSKIT_OK) {
            if (status != NATSKIT_WOULD_BLOCK) {
                lnk_sub_end(sub); /* the connection has ended */
            }
            return 0;
        }
        natskit_msg_event(event->msg, &view, sizeof view);
        if (view.type == NATSKIT_EVENT_DELAY_NEEDED) {
            ask_delay(L, st, 2, &view);
        } else if (view.type == NATSKIT_EVENT_AUTH_NEEDED) {
            ask_auth(L, st, 2, &view);
        } else {
            lua_pop(L, 1);
        }
    }
    return 0;
}

/* Pushes a list of the subscriptions that get requests, for the functions may open and close connections. */
static lua_Integer push_subs(lua_State *L)
{
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    lua_newtable(L);
    lua_Integer count = 0;
    lnk_push_slot(L, LNK_UV_ANSWERERS);
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
        if (lua_getiuservalue(L, -2, LNK_CONN_EVENTS) == LUA_TUSERDATA) {
            lua_rawseti(L, -5, ++count);
        } else {
            lua_pop(L, 1);
        }
    }
    lua_pop(L, 1);
    return count;
}

void lnk_answer_all(lua_State *L, lnk_state *st)
{
    if (!st->answers || st->answering) {
        return;
    }
    lua_Integer count = push_subs(L);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_pushvalue(L, lua_upvalueindex(1));
        lua_pushcclosure(L, lnk_answer_sub, 1);
        lua_rawgeti(L, -2, i);
        lua_call(L, 1, 0);
    }
    lua_pop(L, 1);
}

static void watch(lua_State *L, lnk_state *st, int index)
{
    lnk_sub *sub = lua_touserdata(L, index);
    if (sub->sub.id != 0) {
        sub->tag = ++st->token;
        lnk_watch(L, st, sub->sub.id, sub->tag, index, &sub->waitset);
    }
}

void lnk_answer_watch(lua_State *L, lnk_state *st)
{
    if (!st->answers) {
        return;
    }
    lua_Integer count = push_subs(L);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, -1, i);
        watch(L, st, lua_gettop(L));
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

natskit_status lnk_answer_begin(lua_State *L, int conn_index, int delay, int auth, natskit_error *err)
{
    static const char answers[] = "answers";
    lnk_state *st = lnk_state_of(L);
    const lnk_conn *conn = lnk_check(L, st, conn_index, LNK_CONN);
    int top = lua_gettop(L);
    lnk_sub *sub = lnk_push_sub(L, conn_index, LNK_SUB_VALUES);
    lnk_options *options = lnk_new(L, LNK_OPTIONS, sizeof *options, 0);
    err->status = NATSKIT_OK;
    natskit_status status = natskit_options_open(NATSKIT_OPTIONS_EVENTS, &options->options);
    if (status == NATSKIT_OK) {
        status = natskit_options_set_int(options->options, answers, NATSKIT_ZLEN, 1, err);
    }
    if (status == NATSKIT_OK) {
        status = natskit_conn_events(conn->conn, options->options, &sub->sub, err);
    }
    lnk_options_end(options);
    if (status == NATSKIT_OK) {
        sub->answers = 1;
        st->answers = 1;
        lua_pushvalue(L, delay);
        lua_setiuservalue(L, conn_index, LNK_CONN_DELAY);
        lua_pushvalue(L, auth);
        lua_setiuservalue(L, conn_index, LNK_CONN_AUTH);
        lua_pushvalue(L, top + 1);
        lua_setiuservalue(L, conn_index, LNK_CONN_EVENTS);
        lnk_push_slot(L, LNK_UV_ANSWERERS);
        lua_pushvalue(L, conn_index);
        lua_pushboolean(L, 1);
        lua_rawset(L, -3);
        if (st->scheduled) {
            watch(L, st, top + 1);
        }
    }
    lua_settop(L, top);
    return status == NATSKIT_CLOSED ? NATSKIT_OK : status; /* it has failed already, as the wait will tell */
}

void lnk_answer_end(lua_State *L, int conn_index)
{
    if (lua_getiuservalue(L, conn_index, LNK_CONN_EVENTS) == LUA_TUSERDATA) {
        lnk_sub *sub = lua_touserdata(L, -1);
        lnk_sub_end(sub);
        lnk_forget(L, sub->tag);
        lua_pushnil(L);
        lua_setiuservalue(L, conn_index, LNK_CONN_EVENTS);
        lua_pushnil(L);
        lua_setiuservalue(L, conn_index, LNK_CONN_DELAY);
        lua_pushnil(L);
        lua_setiuservalue(L, conn_index, LNK_CONN_AUTH);
    }
    lua_pop(L, 1);
}
