/* Requests of the library to the application: nc:answer_delay, and the option reconnect_delay, a function
 * that says how long a pause is.
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

/* Calls the function of the connection at `conn_index` for the event on top of the stack, and pops that. */
static void ask(lua_State *L, lnk_state *st, int conn_index, const natskit_event_view *view)
{
    const lnk_conn *conn = lnk_check(L, st, conn_index, LNK_CONN);
    lua_getiuservalue(L, conn_index, LNK_CONN_DELAY);
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
            ask(L, st, 2, &view);
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

natskit_status lnk_answer_begin(lua_State *L, int conn_index, int fn, natskit_error *err)
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
        lua_pushvalue(L, fn);
        lua_setiuservalue(L, conn_index, LNK_CONN_DELAY);
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
    }
    lua_pop(L, 1);
}
