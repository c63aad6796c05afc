/* Handlers of subscriptions. Nothing calls back: a handler is called inside nats.dispatch or nats.pump, whose
 * waitset tells which subscriptions have messages. Each gets a turn then: its messages are taken 64 at once
 * and given to the handler one after the other. With a scheduler that can spawn, a turn is a task of its own,
 * so that the handler may wait while others go on; else it is a plain call, in which what waits blocks.
 *
 * A handler holds its subscription (natskit_sub_hold) until that has ended, so drains wait for it. */
#include "lnk.h"

#include <string.h>
#include <time.h>

/* Refills (of 64 messages) of one turn, after which the other subscriptions get theirs. */
#define REFILLS 8

/* One turn; user value 1 is its subscription. The task that it was given to may be dropped by its scheduler.
 */
typedef struct turn {
    uint64_t number; /* it goes on while the subscription has this one */
    int direct;      /* a plain call: nats.dispatch may want to return before its end */
    int called;      /* the handler runs */
} turn;

/* Slots of a turn. */
enum slot { S_TURN = 1, S_SUB, S_TRACEBACK, S_HANDLER, S_TOP = S_HANDLER };

/* Slots of nats.dispatch. */
enum dispatch_slot { D_DEADLINE = 1, D_FIRST, D_LAST, D_ERROR, D_TOP = D_ERROR };

/* -- begin and end ----------------------------------------------------------------------------------------
 */

void lnk_handler_begin(lua_State *L, lnk_state *st, int index, int fn, int on_error)
{
    lnk_sub *sub = lua_touserdata(L, index);
    int top = lua_gettop(L);
    lua_pushvalue(L, fn);
    lua_setiuservalue(L, index, LNK_SUB_HANDLER);
    lua_pushvalue(L, on_error);
    lua_setiuservalue(L, index, LNK_SUB_ON_ERROR);

    lua_getiuservalue(L, index, LNK_SUB_PARENT);
    if (lua_getiuservalue(L, -1, LNK_CONN_HANDLED) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_setiuservalue(L, -3, LNK_CONN_HANDLED);
    }
    lua_pushvalue(L, index);
    lua_pushboolean(L, 1);
    lua_rawset(L, -3);
    lnk_push_slot(L, LNK_UV_HANDLED);
    lua_pushvalue(L, index);
    lua_pushboolean(L, 1);
    lua_rawset(L, -3);
    lua_settop(L, top);

    sub->handled = 1;
    st->handled++;
    if (natskit_sub_hold(sub->sub, 1) == NATSKIT_OK) {
        sub->loops++;
    }
    sub->tag = ++st->token;
    lnk_watch(L, st, sub->sub.id, sub->tag, index, &sub->waitset);
}

void lnk_handler_close_unused(lnk_state *st)
{
    if (st->handled == 0 && !st->scheduled) {
        natskit_waitset_close(st->waitset);
        st->waitset.id = 0;
    }
}

void lnk_handler_end(lnk_state *st, lnk_sub *sub)
{
    if (!sub->handled) {
        return;
    }
    sub->handled = 0;
    sub->turn = 0;
    natskit_sub_hold(sub->sub, 0);
    st->handled--;
    lnk_handler_close_unused(st);
}

void lnk_handler_drop(lua_State *L, int index)
{
    int top = lua_gettop(L);
    lnk_push_slot(L, LNK_UV_HANDLED);
    lua_pushvalue(L, index);
    lua_pushnil(L);
    lua_rawset(L, -3);
    lua_getiuservalue(L, index, LNK_SUB_PARENT);
    if (lua_getiuservalue(L, -1, LNK_CONN_HANDLED) == LUA_TTABLE) {
        lua_pushvalue(L, index);
        lua_pushnil(L);
        lua_rawset(L, -3);
    }
    lua_pushnil(L);
    lua_setiuservalue(L, index, LNK_SUB_HANDLER);
    lua_settop(L, top);
}

/* The end of a turn. What it left is found again. */
static void leave(lnk_state *st, lnk_sub *sub)
{
    sub->turn = 0;
    if (sub->head < sub->count) {
        st->leftover = 1;
    }
    natskit_waitset_arm(st->waitset, sub->sub.id);
}

/* -- errors of handlers -----------------------------------------------------------------------------------
 */

int lnk_traceback(lua_State *L)
{
    static const char interrupted[] = "interrupted!";
    size_t len = 0;
    if (lua_type(L, 1) != LUA_TSTRING) {
        return 1;
    }
    const char *text = lua_tolstring(L, 1, &len);
    if (len >= sizeof interrupted - 1 && strcmp(text + len - (sizeof interrupted - 1), interrupted) == 0) {
        lnk_state_of(L)->interrupted = 1;
        return 1;
    }
    luaL_traceback(L, L, text, 1);
    return 1;
}

/* (error, subscription or connection): calls the function that is to get it, or writes it. */
static int report(lua_State *L)
{
    lua_settop(L, 2);
    int of_sub = lnk_test(L, lnk_state_of(L), 2, LNK_SUB) != NULL;
    if (!of_sub || lua_getiuservalue(L, 2, LNK_SUB_ON_ERROR) == LUA_TNIL) {
        lua_settop(L, 2);
        lnk_push_slot(L, LNK_UV_ON_ERROR);
    }
    if (!lua_isnil(L, 3)) {
        lua_pushvalue(L, 1);
        lua_pushvalue(L, 2);
        lua_call(L, 2, 0);
        return 0;
    }
    lua_writestringerror("natskit: error in a handler: %s\n", luaL_tolstring(L, 1, NULL));
    return 0;
}

void lnk_report(lua_State *L, int owner)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushcclosure(L, report, 1);
    lua_insert(L, -2);
    lua_pushvalue(L, owner);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK) {
        const char *text = lua_tostring(L, -1);
        lua_writestringerror("natskit: error while an error of a handler was reported: %s\n",
                             text != NULL ? text : luaL_typename(L, -1));
        lua_pop(L, 1);
    }
}

/* nats.on_handler_error(function or nil) */
int lnk_on_handler_error(lua_State *L)
{
    lua_settop(L, 1);
    if (!lua_isnil(L, 1)) {
        luaL_checktype(L, 1, LUA_TFUNCTION);
    }
    lua_setiuservalue(L, lua_upvalueindex(1), LNK_UV_ON_ERROR);
    lua_pushboolean(L, 1);
    return 1;
}

/* -- a turn -----------------------------------------------------------------------------------------------
 */

static int time_is_over(int64_t end_ms)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now); /* a few ns: it is asked for each message */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 >= end_ms;
}

/* Whether nats.dispatch wants to return. */
static int must_stop(const lnk_state *st, const turn *now)
{
    return now->direct && (st->calls >= st->last_call || (st->end_ms >= 0 && time_is_over(st->end_ms)));
}

/* Takes what is there ahead. False: the turn is over. */
static int more(lua_State *L, lnk_state *st, lnk_sub *sub, lua_KContext refills)
{
    natskit_status status = refills < REFILLS ? lnk_sub_refill(sub, 0) : NATSKIT_WOULD_BLOCK;
    if (status == NATSKIT_OK) {
        return 1;
    }
    if (status == NATSKIT_WOULD_BLOCK) {
        leave(st, sub);
        return 0;
    }
    lnk_forget(L, sub->tag); /* nothing more will come */
    lnk_handler_end(st, sub);
    if (sub->loops > 0) {
        sub->loops--;
    }
    lnk_handler_drop(L, S_SUB);
    if (lnk_sub_push_lost(L, sub, status)) {
        lnk_report(L, S_SUB);
    }
    return 0;
}

static int turn_k(lua_State *L, int status, lua_KContext refills)
{
    lnk_state *st = lnk_state_of(L);
    turn *now = lua_touserdata(L, S_TURN);
    lnk_sub *sub = lua_touserdata(L, S_SUB);
    for (;;) {
        st->calls += (uint64_t)now->called;
        now->called = 0;
        int failed = status != LUA_OK && status != LUA_YIELD;
        if (failed && st->interrupted) {
            st->interrupted = 0;
            leave(st, sub);
            return lua_error(L);
        }
        if (failed) {
            sub->errors++;
            lnk_report(L, S_SUB);
        }
        lua_settop(L, S_TOP);
        if (sub->turn != now->number) {
            return 0; /* closed meanwhile, or another scheduler was set */
        }
        if (must_stop(st, now)) {
            leave(st, sub);
            return 0;
        }
        if (sub->head == sub->count && !more(L, st, sub, refills++)) {
            return 0;
        }
        status = LUA_OK;
        lua_pushvalue(L, S_HANDLER);
        lnk_sub_push_next(L, st, sub, S_SUB);
        if (!lua_isnil(L, -1)) { /* else closed by a finalizer */
            now->called = 1;
            lua_pushvalue(L, S_SUB);
            status = lua_pcallk(L, 2, 0, S_TRACEBACK, refills, turn_k);
        }
    }
}

/* (turn): what a task runs, or the pump itself. */
static int run_turn(lua_State *L)
{
    const lnk_state *st = lnk_state_of(L);
    const turn *now = lnk_check(L, st, 1, LNK_TURN);
    lua_settop(L, 1);
    lua_getiuservalue(L, 1, 1);
    const lnk_sub *sub = lua_touserdata(L, S_SUB);
    if (sub->turn != now->number) {
        return 0;
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushcclosure(L, lnk_traceback, 1);
    lua_getiuservalue(L, S_SUB, LNK_SUB_HANDLER);
    return turn_k(L, LUA_OK, 0);
}

/* The task was dropped by its scheduler before its end. */
static int turn_gc(lua_State *L)
{
    const turn *dropped = lua_touserdata(L, 1);
    lua_getiuservalue(L, 1, 1);
    lnk_sub *sub = lua_touserdata(L, -1);
    if (sub != NULL && sub->turn == dropped->number) {
        leave(lnk_state_of(L), sub);
    }
    return 0;
}

static const luaL_Reg turn_meta[] = {{"__gc", turn_gc}, {NULL, NULL}};

void lnk_handler_register(lua_State *L, int state_index)
{
    luaL_newmetatable(L, lnk_names[LNK_TURN]);
    lnk_set_funcs(L, state_index, turn_meta);
    lua_pop(L, 1);
}

void lnk_handler_wake(lua_State *L, lnk_state *st, int index, int error_index)
{
    lnk_sub *sub = lua_touserdata(L, index);
    if (!sub->handled || sub->turn != 0) {
        return;
    }
    lnk_push_slot(L, LNK_UV_SPAWN);
    int spawn = st->scheduled && !lua_isnil(L, -1);
    if (!spawn) {
        lua_pop(L, 1);
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushcclosure(L, run_turn, 1);
    turn *begun = lnk_new(L, LNK_TURN, sizeof *begun, 1);
    lua_pushvalue(L, index);
    lua_setiuservalue(L, -2, 1);
    begun->number = ++st->token;
    begun->direct = !spawn;
    sub->turn = begun->number;
    if (spawn) {
        lnk_call_kept(L, 2, error_index);
    } else {
        st->dispatching++;
        lnk_call_kept(L, 1, error_index);
        st->dispatching--;
    }
}

/* -- all of them ------------------------------------------------------------------------------------------
 */

/* Pushes a list of the subscriptions that have a handler, for handlers may begin and end some. */
static lua_Integer push_all(lua_State *L)
{
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    lua_newtable(L);
    lua_Integer count = 0;
    lnk_push_slot(L, LNK_UV_HANDLED);
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
        lua_pushvalue(L, -2);
        lua_rawseti(L, -5, ++count);
    }
    lua_pop(L, 1);
    return count;
}

void lnk_handler_watch(lua_State *L, lnk_state *st)
{
    if (st->handled == 0) {
        return;
    }
    lua_Integer count = push_all(L);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, -1, i);
        lnk_sub *sub = lua_touserdata(L, -1);
        if (sub->handled) {
            sub->turn = 0;
            st->leftover |= sub->head < sub->count;
            lnk_watch(L, st, sub->sub.id, sub->tag, lua_gettop(L), &sub->waitset);
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

void lnk_handler_leftovers(lua_State *L, lnk_state *st, int error_index)
{
    if (!st->leftover) {
        return;
    }
    st->leftover = 0;
    lua_Integer count = push_all(L);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, -1, i);
        const lnk_sub *sub = lua_touserdata(L, -1);
        if (sub->head < sub->count) {
            lnk_handler_wake(L, st, lua_gettop(L), error_index);
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* -- nats.dispatch ----------------------------------------------------------------------------------------
 */

/* Back to what holds while no nats.dispatch runs. */
static void let_turns_run(lnk_state *st)
{
    st->end_ms = -1;
    st->last_call = UINT64_MAX;
}

static int dispatched(lua_State *L, lnk_state *st)
{
    let_turns_run(st);
    lnk_handler_close_unused(st);
    lnk_throw(L, D_ERROR);
    lua_pushinteger(L, (lua_Integer)st->calls - lua_tointeger(L, D_FIRST));
    return 1;
}

/* Whether there is nothing to wait for any more. */
static int is_done(lua_State *L, const lnk_state *st)
{
    return st->handled == 0 || st->calls >= (uint64_t)lua_tointeger(L, D_LAST) || !lua_isnil(L, D_ERROR);
}

static int dispatch_blocking(lua_State *L, lnk_state *st)
{
    int64_t deadline = (int64_t)lua_tointeger(L, D_DEADLINE);
    int once = lnk_left(deadline) == 0; /* all that is there, however long that takes */
    natskit_status status = lnk_need_waitset(L, st);
    if (status != NATSKIT_OK) {
        return lnk_fail(L, status, NULL);
    }
    int64_t end_ms = once ? -1 : deadline;
    uint64_t last_call = (uint64_t)lua_tointeger(L, D_LAST);
    st->end_ms = end_ms;
    st->last_call = last_call;
    lnk_handler_leftovers(L, st, D_ERROR);
    while (!is_done(L, st)) {
        size_t count = 0;
        int64_t left = lnk_left(deadline);
        int64_t slice = left < 0 || left > LNK_SLICE_MS ? LNK_SLICE_MS : left;
        lnk_collect(L, st, slice, D_ERROR, &count);
        if (left == 0 && !(once && count > 0)) {
            break;
        }
        if (count == 0 && !is_done(L, st)) {
            let_turns_run(st); /* it may raise */
            lnk_breathe(L);
            st->end_ms = end_ms;
            st->last_call = last_call;
            status = lnk_need_waitset(L, st);
            if (status != NATSKIT_OK) {
                break;
            }
        }
    }
    return dispatched(L, st);
}

/* In a task the pump does the work, and this one only waits. */
static int dispatch_k(lua_State *L, int status, lua_KContext context)
{
    lnk_state *st = lnk_state_of(L);
    int suspended = status == LUA_YIELD;
    for (;;) {
        int64_t left = lnk_left((int64_t)lua_tointeger(L, D_DEADLINE));
        if (suspended && !lnk_suspended(L, st)) {
            return dispatch_blocking(L, st);
        }
        if (is_done(L, st) || (suspended && left == 0)) {
            return dispatched(L, st);
        }
        lnk_push_suspend(L, ++st->token, left < 0 || left > LNK_SLICE_MS ? LNK_SLICE_MS : left);
        lua_callk(L, 2, 1, context, dispatch_k);
        suspended = 1;
    }
}

/* nats.dispatch([timeout [, max]]) -> number of messages that were handled */
int lnk_dispatch(lua_State *L)
{
    lnk_state *st = lnk_state_of(L);
    int64_t timeout_ms = lnk_opt_ms(L, 1, "timeout", -1);
    lua_Integer most = luaL_optinteger(L, 2, LUA_MAXINTEGER);
    luaL_argcheck(L, most >= 1, 2, "a number of messages is at least 1");
    if (st->dispatching || st->answering) {
        return luaL_error(L, "dispatch: it runs already; what is called by it must not call it");
    }
    lua_Integer first = (lua_Integer)st->calls;
    lua_settop(L, 0);
    lua_pushinteger(L, (lua_Integer)lnk_deadline(timeout_ms));
    lua_pushinteger(L, first);
    lua_pushinteger(L, most > LUA_MAXINTEGER - first ? LUA_MAXINTEGER : first + most);
    lua_pushnil(L);
    return lnk_may_suspend(L, st) ? dispatch_k(L, LUA_OK, 0) : dispatch_blocking(L, st);
}
