/* Subscriptions: the ways to take messages, and their end. Every way fills `ahead` from the queue
 * in one step of up to 64 messages and hands out from there. What is ahead, and loops, hold it for drains. */
#include "lnk.h"

#include <stdlib.h>
#include <string.h>

/* Ways to take; the numbers go through lua_callk as its context. */
enum way {
    WAY_NEXT,
    WAY_BATCH,
    WAY_MESSAGES,
    WAY_STRINGS,
    WAY_ALL,      /* of a fetch: a list of all until its end */
    WAY_ONE,      /* of a fetch of one message */
    WAY_WATCH,    /* of a watch or an ordered reading, which is its own iterator */
    WAY_ENTRIES,  /* of a watch that ends with what there is, as enum lnk_entries_as: a list of all */
    WAY_KEYS,     /* the same, of their keys, each once */
    WAY_BY_KEY,   /* the same, by their keys */
    WAY_INFOS,    /* of infos, the last of each object */
    WAY_OUTCOMES, /* of a publisher: numbers, as a loop takes them */
    WAY_OUTCOME   /* a table */
};

/* Slots while a call waits. An iterator is called with other arguments, which are not used. */
enum slot { S_SUB = 1, S_DEADLINE, S_TOKEN, S_BATCH, S_TOP = S_BATCH };

/* Upvalues of an iterator; the first is the state, as always. */
enum upvalue { U_SUB = 2, U_TIMEOUT, U_LOOP, U_SUBJECT };

/* In a coroutine, so many refills (of 64 messages) without a suspension, then the other coroutines get a
 * turn. */
#define STREAK 16

/* Bytes of payload from which on sub:strings() gives the message an owner while it makes the string. */
#define OWNED 65536

static int sub_close(lua_State *L);

/* -- holding: what a drain waits for --------------------------------------------------------------------- */

/* A `for` loop over the subscription that is its user value 1. */
typedef struct loop {
    int holds;
    int owns; /* whether the subscription is closed with it: */
} loop;

#define OWNED_BY_LOOP 1 /* nobody else has the subscription: in any case */
#define LEFT 2          /* when `for` is left; a loop that is just dropped was none */

static void hold_ahead(lnk_sub *sub)
{
    if (sub->loops == 0 && !sub->held) {
        sub->held = natskit_sub_hold(sub->sub, 1) == NATSKIT_OK;
    }
}

/* Nothing is ahead any more. */
static void let_go(lnk_sub *sub)
{
    if (sub->held) {
        sub->held = 0;
        natskit_sub_hold(sub->sub, 0);
    }
}

static void begin_loop(lnk_sub *sub, loop *of)
{
    if (!of->holds && natskit_sub_hold(sub->sub, 1) == NATSKIT_OK) {
        of->holds = 1;
        sub->loops++;
    }
}

/* What the loop leaves ahead is held on. */
static void end_loop(lnk_sub *sub, loop *of)
{
    if (!of->holds) {
        return;
    }
    of->holds = 0;
    sub->loops--;
    if (sub->head < sub->count) {
        hold_ahead(sub);
    }
    natskit_sub_hold(sub->sub, 0);
}

/* __gc of a loop that was dropped. */
static int loop_end(lua_State *L)
{
    loop *ended = lnk_check(L, lnk_state_of(L), 1, LNK_LOOP);
    lua_getiuservalue(L, 1, 1);
    lnk_sub *sub = lua_touserdata(L, -1);
    if (sub != NULL) {
        end_loop(sub, ended);
    }
    if (sub != NULL && ended->owns == OWNED_BY_LOOP) {
        lnk_sub_end(sub);
    }
    return 0;
}

/* __close, by which break and errors end it, and its end. */
static int loop_left(lua_State *L)
{
    const loop *left = lnk_check(L, lnk_state_of(L), 1, LNK_LOOP);
    loop_end(L);
    lua_getiuservalue(L, 1, 1);
    if (left->owns == LEFT && !lua_isnil(L, -1)) {
        lua_replace(L, 1);
        return sub_close(L);
    }
    return 0;
}

/* Whether the loop at `index` is one over the subscription at 1. */
static int is_loop_of(lua_State *L, int index)
{
    lua_getiuservalue(L, index, 1);
    int same = lua_rawequal(L, -1, 1);
    lua_pop(L, 1);
    return same;
}

static const luaL_Reg loop_meta[] = {{"__gc", loop_end}, {"__close", loop_left}, {NULL, NULL}};

/* -- what is handed out ---------------------------------------------------------------------------------- */

natskit_msg *lnk_sub_shift(lnk_sub *sub)
{
    if (sub->head == sub->count) {
        return NULL;
    }
    natskit_msg *msg = sub->ahead[sub->head++];
    if (sub->head == sub->count) {
        let_go(sub);
    }
    return msg;
}

/* Making a Lua value may run finalizers, and one of them may close this subscription. So a message is looked
 * for only when its userdata is there already; if it is gone, nil is pushed. */
void lnk_sub_push_next(lua_State *L, lnk_state *st, lnk_sub *sub, int at)
{
    lnk_msg *msg = sub->watches ? lnk_push_entry(L, at, sub->coded ? LNK_SUB_CODECS : 0) : lnk_push_msg(L);
    msg->msg = lnk_sub_shift(sub);
    if (msg->msg != NULL && sub->watches && lnk_push_object_info(L, msg->msg)) {
        lua_remove(L, -2); /* a table, which needs no message */
        return;
    }
    if (msg->msg != NULL) {
        if (sub->watches && !lnk_is_entry(msg->msg)) { /* the marker */
            lnk_set_meta(L, LNK_MSG);
        }
        msg->conn = sub->conn;
        msg->fail_fast = sub->fail_fast;
        if (sub->reads) {
            lnk_stored_push(L, msg->msg);
            natskit_msg_release(msg->msg);
            msg->msg = NULL;
            lua_remove(L, -2);
        } else {
            lnk_account(L, st, msg);
        }
    } else {
        lua_pushnil(L);
    }
}

/* subject, data, reply. Most messages of a subscription have the subject of the one before: that string is
 * kept, which is cheaper than to make it again. */
static int push_strings(lua_State *L, lnk_sub *sub)
{
    natskit_msg *msg = sub->ahead[sub->head];
    lnk_msg *owner = NULL;
    natskit_message_view view;
    natskit_msg_view(msg, &view, sizeof view);
    if (view.kind != NATSKIT_MSG_MESSAGE && view.kind != NATSKIT_MSG_SERVICE) {
        luaL_error(L, "strings: events and entries have no payload; use messages()");
    }
    if (view.data_len > OWNED) { /* Lua may have no memory for so large a string */
        owner = lnk_push_msg(L);
        if (sub->head == sub->count) {
            lua_pushnil(L); /* closed by a finalizer, see lnk_sub_push_next */
            return 1;
        }
        owner->msg = msg;
    }
    if (++sub->head == sub->count) {
        let_go(sub);
    }
    size_t last_len = 0;
    const char *last = lua_tolstring(L, lua_upvalueindex(U_SUBJECT), &last_len);
    if (last_len == view.subject_len && memcmp(last, view.subject, last_len) == 0) {
        lua_pushvalue(L, lua_upvalueindex(U_SUBJECT));
    } else {
        lua_pushlstring(L, view.subject, view.subject_len);
        lua_copy(L, -1, lua_upvalueindex(U_SUBJECT));
    }
    lua_pushlstring(L, view.data, view.data_len);
    int results = 2;
    if (view.reply_len > 0) {
        lua_pushlstring(L, view.reply, view.reply_len);
        results = 3;
    }
    if (owner != NULL) {
        owner->msg = NULL;
    }
    natskit_msg_release(msg);
    return results;
}

/* Takes what is there into the empty `ahead`. Held before it is taken: else a drain could end in between. */
natskit_status lnk_sub_refill(lnk_sub *sub, int64_t timeout_ms)
{
    size_t count = 0;
    if (sub->sub.id == 0) {
        return NATSKIT_CLOSED;
    }
    if (sub->ahead == NULL) {
        sub->ahead = malloc(LNK_AHEAD * sizeof(natskit_msg *));
        if (sub->ahead == NULL) {
            return NATSKIT_NO_MEMORY;
        }
    }
    hold_ahead(sub);
    natskit_status status =
        natskit_sub_next_ahead(sub->sub, sub->ahead, sub->requests ? 1 : LNK_AHEAD, timeout_ms, &count);
    sub->head = 0;
    sub->count = (uint8_t)count;
    if (count == 0) {
        let_go(sub);
    }
    return status;
}

/* A list of up to `most` messages, without waiting for more. */
static int push_batch(lua_State *L, lnk_state *st, lnk_sub *sub, lua_Integer most)
{
    lua_createtable(L, most < LNK_AHEAD ? (int)most : LNK_AHEAD, 0);
    for (lua_Integer i = 1; i <= most; i++) {
        if (sub->head == sub->count && lnk_sub_refill(sub, 0) != NATSKIT_OK) {
            break;
        }
        lnk_sub_push_next(L, st, sub, S_SUB);
        lua_rawseti(L, -2, i);
    }
    return 1;
}

/* Whether a list is made of all that comes until the end. */
static int is_list(enum way way)
{
    return way == WAY_ALL || (way >= WAY_ENTRIES && way <= WAY_INFOS);
}

/* Adds what is ahead to that list; of all other ways nothing is. */
static void gather(lua_State *L, lnk_state *st, lnk_sub *sub, enum way way)
{
    lua_Integer count = is_list(way) ? (lua_Integer)lua_rawlen(L, S_BATCH) : 0;
    while (sub->head < sub->count) {
        lnk_sub_push_next(L, st, sub, S_SUB);
        if (way == WAY_BY_KEY) {
            lnk_entry_file(L, S_BATCH);
            continue;
        }
        if (way == WAY_KEYS) {
            lnk_entry_to_key(L);
        }
        lua_rawseti(L, S_BATCH, ++count);
    }
}

static int push_way(lua_State *L, lnk_state *st, lnk_sub *sub, enum way way)
{
    switch (way) {
    case WAY_OUTCOMES:
        return lnk_push_outcome(L, sub);
    case WAY_OUTCOME:
        return lnk_push_outcome_table(L, sub);
    case WAY_ONE:
        lnk_sub_push_next(L, st, sub, S_SUB);
        lnk_sub_end(sub);
        return 1;
    case WAY_BATCH:
        return push_batch(L, st, sub, lua_tointeger(L, S_BATCH));
    case WAY_STRINGS:
        return push_strings(L, sub);
    default:
        lnk_sub_push_next(L, st, sub, S_SUB);
        return 1;
    }
}

/* Whether it is an error that the answer of a request_many, or a watch, has ended so. */
static int is_failure(const lnk_sub *sub, natskit_status reason)
{
    if (reason == NATSKIT_TIMEOUT && sub->reads) {
        return 1; /* the server did not answer */
    }
    return reason != NATSKIT_TIMEOUT && reason != NATSKIT_MAX_REACHED && reason != NATSKIT_STALLED &&
           reason != NATSKIT_SENTINEL && reason != NATSKIT_UNSUBSCRIBED && reason != NATSKIT_OK;
}

/* The end of a fetch: nothing there is no failure, and what has come is not lost by one. */
static int end_fetch(lua_State *L, lnk_sub *sub, enum way way)
{
    natskit_error err;
    natskit_status reason = lnk_sub_end_reason(sub);
    int told = natskit_sub_reason(sub->sub, &err) == reason;
    int failed = reason != NATSKIT_MAX_REACHED && reason != NATSKIT_TIMEOUT && reason != NATSKIT_NOT_FOUND;
    lnk_sub_end(sub);
    if (way == WAY_ONE && !failed) {
        return lnk_fail_text(L, NATSKIT_TIMEOUT, "no message came");
    }
    if (failed && (way == WAY_ONE || lua_rawlen(L, S_BATCH) == 0)) {
        return lnk_js_fail(L, reason, told ? &err : NULL);
    }
    lua_pushvalue(L, S_BATCH);
    lua_pushstring(L, told ? err.text : lnk_status_text(reason));
    lnk_push_code(L, reason); /* in the places that message and code of a failure have */
    return 3;
}

/* What a watch has brought until it ended with what there is. A part of that were as good as nothing: nobody
 * could tell. */
static int end_list(lua_State *L, lnk_sub *sub, enum way way, natskit_status status)
{
    natskit_error err;
    natskit_status reason = status == NATSKIT_END ? lnk_sub_end_reason(sub) : status;
    int told = natskit_sub_reason(sub->sub, &err) == reason;
    lnk_sub_end(sub);
    if (reason != NATSKIT_MAX_REACHED) {
        return lnk_js_fail(L, reason, told ? &err : NULL);
    }
    if (way == WAY_KEYS || way == WAY_INFOS) {
        lnk_once(L, S_BATCH);
    }
    lua_pushvalue(L, S_BATCH);
    return 1;
}

/* A watch, or another one that is to go on for ever and leaves nothing out. */
static int goes_on(const lnk_sub *sub)
{
    return sub->watches || sub->ordered;
}

int lnk_sub_push_lost(lua_State *L, const lnk_sub *sub, natskit_status status)
{
    natskit_error err;
    natskit_status reason = lnk_sub_end_reason(sub);
    if (!(goes_on(sub) || sub->pulls) || status != NATSKIT_END || !is_failure(sub, reason) ||
        reason == NATSKIT_CLOSED) {
        return 0;
    }
    int told = natskit_sub_reason(sub->sub, &err) == reason;
    lnk_push_code(L, reason);
    lua_pushfstring(L, "the %s has ended: %s (%s)",
                    sub->watches   ? "watch"
                    : goes_on(sub) ? "reading"
                                   : "subscription",
                    told ? err.text : lnk_status_text(reason), lua_tostring(L, -1));
    lua_remove(L, -2);
    return 1;
}

/* Of a loop: it sees one nil, which ends it, if that is no failure; why stands in sub:stats().reason. */
static int fail_loop(lua_State *L, lnk_sub *sub, loop *of, natskit_status status)
{
    if (of != NULL) {
        end_loop(sub, of);
    }
    if (lnk_sub_push_lost(L, sub, status)) {
        return lua_error(L); /* a loop cannot return a failure */
    }
    lua_pushnil(L);
    return 1;
}

static int fail_way(lua_State *L, lnk_sub *sub, enum way way, natskit_status status)
{
    if (way == WAY_MESSAGES || way == WAY_STRINGS || way == WAY_OUTCOMES) {
        return fail_loop(L, sub, lua_touserdata(L, lua_upvalueindex(U_LOOP)), status);
    }
    if (way == WAY_WATCH) {
        return fail_loop(L, sub, lua_touserdata(L, S_BATCH), status);
    }
    if (is_list(way) && way != WAY_ALL) {
        return end_list(L, sub, way, status);
    }
    if (way == WAY_ALL || way == WAY_ONE) {
        return end_fetch(L, sub, way);
    }
    natskit_error err;
    int tells = sub->many || (goes_on(sub) && lnk_sub_end_reason(sub) != NATSKIT_CLOSED);
    if (tells && status == NATSKIT_END && is_failure(sub, lnk_sub_end_reason(sub))) {
        status = lnk_sub_end_reason(sub);
        return lnk_fail(L, status, natskit_sub_reason(sub->sub, &err) == status ? &err : NULL);
    }
    return lnk_fail(L, status, NULL);
}

/* -- waiting --------------------------------------------------------------------------------------------- */

/* Puts the token of slot S_TOKEN into the list of those who wait for the subscription. */
static int enlist(lua_State *L, lnk_state *st, lnk_sub *sub)
{
    if (sub->tag == 0) {
        sub->tag = ++st->token;
    }
    if (lnk_push_of(L, LNK_UV_WAITERS, S_SUB) != LUA_TTABLE) {
        lua_newtable(L);
        lnk_set_of(L, LNK_UV_WAITERS, S_SUB);
    }
    lua_pushvalue(L, S_TOKEN);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    lua_settop(L, S_TOP);
    return lnk_watch(L, st, sub->sub.id, sub->tag, S_SUB, &sub->waitset);
}

/* Takes it out again; the pump has taken out the whole list if the subscription became ready. */
static void delist(lua_State *L)
{
    lua_Integer token = lua_tointeger(L, S_TOKEN);
    if (lnk_push_of(L, LNK_UV_WAITERS, S_SUB) == LUA_TTABLE) {
        lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
        lua_Integer kept = 0;
        for (lua_Integer i = 1; i <= count; i++) {
            lua_rawgeti(L, -1, i);
            if (lua_tointeger(L, -1) == token) {
                lua_pop(L, 1);
            } else {
                lua_rawseti(L, -2, ++kept);
            }
        }
        if (kept < count) {
            lua_pushnil(L);
            lua_rawseti(L, -2, count);
        }
    }
    lua_settop(L, S_TOP);
}

/* Prepares a suspension and pushes the call of suspend. With `turn` the others get a turn and nothing is
 * waited for. */
static int prepare(lua_State *L, lnk_state *st, lnk_sub *sub, int64_t left, int turn)
{
    lua_pushinteger(L, (lua_Integer)++st->token);
    lua_replace(L, S_TOKEN);
    if (!turn && !enlist(L, st, sub)) {
        delist(L);
        return 0;
    }
    lnk_push_suspend(L, (uint64_t)lua_tointeger(L, S_TOKEN), turn ? 0 : left);
    return 1;
}

static int after_suspend(lua_State *L, lnk_state *st)
{
    int owned = lnk_suspended(L, st);
    delist(L);
    return owned;
}

/* While a list is gathered nothing of Lua runs, however steadily messages come: hooks get their turn as often
 * as in a wait for nothing. */
static void breathe_in_time(lua_State *L, int64_t *last_ms)
{
    int64_t now_ms = lnk_now_ms();
    if (now_ms - *last_ms >= LNK_SLICE_MS) {
        lnk_breathe(L);
        *last_ms = now_ms;
    }
}

/* Waits until the subscription yields something, then returns that. */
static int take_k(lua_State *L, int status, lua_KContext context)
{
    enum way way = (enum way)context;
    lnk_state *st = lnk_state_of(L);
    lnk_sub *sub = lua_touserdata(L, S_SUB);
    int64_t deadline = (int64_t)lua_tointeger(L, S_DEADLINE);
    int suspend = status == LUA_YIELD ? after_suspend(L, st) : lnk_may_suspend(L, st);
    int64_t breathed_ms = lnk_now_ms();
    for (;;) {
        int turn = suspend && st->streak >= STREAK;
        natskit_status got = NATSKIT_WOULD_BLOCK;
        int64_t left = lnk_left(deadline);
        if (sub->head < sub->count && !is_list(way)) {
            return push_way(L, st, sub, way);
        }
        gather(L, st, sub, way);
        if (!turn) {
            int64_t slice = left < 0 || left > LNK_SLICE_MS ? LNK_SLICE_MS : left;
            got = lnk_sub_refill(sub, suspend ? 0 : slice);
            st->streak += suspend;
        }
        if (got == NATSKIT_OK) {
            if (!suspend) {
                breathe_in_time(L, &breathed_ms);
            }
            continue;
        }
        if (got != NATSKIT_WOULD_BLOCK && got != NATSKIT_TIMEOUT) {
            return fail_way(L, sub, way, got);
        }
        if (!turn && left == 0) {
            return fail_way(L, sub, way, NATSKIT_TIMEOUT);
        }
        if (!suspend) {
            lnk_breathe(L);
        } else if ((suspend = prepare(L, st, sub, left, turn))) {
            lua_callk(L, 2, 1, context, take_k);
            suspend = after_suspend(L, st);
        }
    }
}

/* Nothing is ahead: refills without waiting if that does, else waits. Slot S_SUB holds the subscription. */
static int take(lua_State *L, lnk_state *st, lnk_sub *sub, int64_t timeout_ms, enum way way)
{
    if (timeout_ms == 0) {
        natskit_status status = lnk_sub_refill(sub, 0);
        return status == NATSKIT_OK ? push_way(L, st, sub, way) : fail_way(L, sub, way, status);
    }
    if (!lnk_may_suspend(L, st) && lnk_sub_refill(sub, 0) == NATSKIT_OK) {
        return push_way(L, st, sub, way);
    }
    lua_settop(L, S_TOP);
    lua_pushinteger(L, (lua_Integer)lnk_deadline(timeout_ms));
    lua_replace(L, S_DEADLINE);
    return take_k(L, LUA_OK, way);
}

/* -- sub:next, sub:next_batch, the iterators ------------------------------------------------------------- */

/* The subscription at 1, from which the caller wants to take. */
static lnk_sub *check_taker(lua_State *L, const lnk_state *st)
{
    lnk_sub *sub = lnk_check(L, st, 1, LNK_SUB);
    if (sub->handled) {
        luaL_error(L, "the subscription has a handler, which gets its messages");
    }
    return sub;
}

/* sub:next([timeout]) */
static int sub_next(lua_State *L)
{
    lnk_state *st = lnk_state_of(L);
    lnk_sub *sub = check_taker(L, st);
    int64_t timeout_ms = lnk_opt_ms(L, 2, "timeout", -1);
    if (sub->head < sub->count) {
        lnk_sub_push_next(L, st, sub, S_SUB);
        return 1;
    }
    return take(L, st, sub, timeout_ms, WAY_NEXT);
}

/* sub:next_batch(n [, timeout]) -> list */
static int sub_next_batch(lua_State *L)
{
    lnk_state *st = lnk_state_of(L);
    lnk_sub *sub = check_taker(L, st);
    lua_Integer most = luaL_checkinteger(L, 2);
    luaL_argcheck(L, most >= 1, 2, "a batch has at least one message");
    int64_t timeout_ms = lnk_opt_ms(L, 3, "timeout", -1);
    lua_settop(L, S_TOP);
    lua_pushinteger(L, most);
    lua_replace(L, S_BATCH);
    if (sub->head < sub->count) {
        return push_batch(L, st, sub, most);
    }
    return take(L, st, sub, timeout_ms, WAY_BATCH);
}

static int take_for_loop(lua_State *L, lnk_state *st, lnk_sub *sub, enum way way)
{
    lua_settop(L, 0);
    lua_pushvalue(L, lua_upvalueindex(U_SUB));
    begin_loop(sub, lua_touserdata(L, lua_upvalueindex(U_LOOP))); /* called again after its end */
    return take(L, st, sub, (int64_t)lua_tointeger(L, lua_upvalueindex(U_TIMEOUT)), way);
}

static int iterate_messages(lua_State *L)
{
    lnk_sub *sub = lua_touserdata(L, lua_upvalueindex(U_SUB));
    if (sub->head < sub->count) {
        lnk_sub_push_next(L, lnk_state_of(L), sub, lua_upvalueindex(U_SUB));
        return 1;
    }
    return take_for_loop(L, lnk_state_of(L), sub, WAY_MESSAGES);
}

static int iterate_strings(lua_State *L)
{
    lnk_sub *sub = lua_touserdata(L, lua_upvalueindex(U_SUB));
    if (sub->head < sub->count) {
        return push_strings(L, sub);
    }
    return take_for_loop(L, lnk_state_of(L), sub, WAY_STRINGS);
}

static int iterate_outcomes(lua_State *L)
{
    lnk_sub *sub = lua_touserdata(L, lua_upvalueindex(U_SUB));
    if (sub->head < sub->count) {
        return lnk_push_outcome(L, sub);
    }
    return take_for_loop(L, lnk_state_of(L), sub, WAY_OUTCOMES);
}

/* The iterator, and the value that `for` closes when it is left. What was taken and not handed out stays with
 * the subscription. */
static int push_iterator(lua_State *L, lua_CFunction iterate, int64_t timeout_ms, int owns)
{
    lnk_sub *sub = check_taker(L, lnk_state_of(L));
    loop *begun = lnk_new(L, LNK_LOOP, sizeof *begun, 1);
    begun->owns = owns;
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, 1);
    lua_pushinteger(L, (lua_Integer)timeout_ms);
    lua_pushvalue(L, -4);
    lua_pushliteral(L, "");
    lua_pushcclosure(L, iterate, U_SUBJECT);
    begin_loop(sub, begun);
    lua_pushnil(L);
    lua_pushnil(L);
    lua_pushvalue(L, -4);
    return 4;
}

/* for msg in sub:messages([timeout]) do */
static int sub_messages(lua_State *L)
{
    return push_iterator(L, iterate_messages, lnk_opt_ms(L, 2, "timeout", -1), 0);
}

/* for subject, data, reply in sub:strings([timeout]) do */
static int sub_strings(lua_State *L)
{
    return push_iterator(L, iterate_strings, lnk_opt_ms(L, 2, "timeout", -1), 0);
}

int lnk_sub_fetch(lua_State *L, int one)
{
    lua_replace(L, S_SUB);
    lua_settop(L, S_SUB);
    lua_pushinteger(L, -1); /* the library ends it */
    lua_settop(L, S_TOP);
    if (!one) {
        lua_newtable(L);
        lua_replace(L, S_BATCH);
    }
    return take_k(L, LUA_OK, one ? WAY_ONE : WAY_ALL);
}

int lnk_sub_entries(lua_State *L, enum lnk_entries_as as, int64_t timeout_ms)
{
    lua_replace(L, S_SUB);
    lua_settop(L, S_SUB);
    lua_pushinteger(L, (lua_Integer)lnk_deadline(timeout_ms));
    lua_settop(L, S_TOP);
    lua_newtable(L);
    lua_replace(L, S_BATCH);
    return take_k(L, LUA_OK, (enum way)(WAY_ENTRIES + (int)as));
}

/* A loop object as state and last value of `for`: the iterator, which is the watch, gets it and holds the
 * watch, and it is closed when the loop is left. Who keeps the watch and drops the rest has just a watch. */
int lnk_sub_watch(lua_State *L)
{
    int watch = lua_gettop(L);
    loop *made = lnk_new(L, LNK_LOOP, sizeof *made, 1);
    made->owns = LEFT;
    lua_pushvalue(L, watch);
    lua_setiuservalue(L, -2, 1);
    lua_pushnil(L);
    lua_pushvalue(L, -2);
    return 4;
}

int lnk_sub_loop(lua_State *L, int64_t timeout_ms)
{
    lua_replace(L, S_SUB);
    lua_settop(L, S_SUB);
    return push_iterator(L, iterate_messages, timeout_ms, OWNED_BY_LOOP);
}

int lnk_sub_outcomes(lua_State *L, int64_t timeout_ms)
{
    lua_replace(L, S_SUB);
    lua_settop(L, S_SUB);
    return push_iterator(L, iterate_outcomes, timeout_ms, 0);
}

int lnk_sub_outcome(lua_State *L, int64_t timeout_ms)
{
    lua_replace(L, S_SUB);
    lua_settop(L, S_SUB);
    lnk_sub *sub = lua_touserdata(L, S_SUB);
    return sub->head < sub->count ? lnk_push_outcome_table(L, sub)
                                  : take(L, lnk_state_of(L), sub, timeout_ms, WAY_OUTCOME);
}

/* for msg in nc:request_many(...), for entry in kv:watch(...), for msg in js:ordered(...) do: the
 * subscription is its own iterator */
static int sub_call(lua_State *L)
{
    lnk_state *st = lnk_state_of(L);
    lnk_sub *sub = check_taker(L, st);
    if (!sub->many && !goes_on(sub)) {
        return luaL_error(L, "only answers of request_many, ordered readings and watches are called: "
                             "for msg in sub:messages() do");
    }
    if (sub->head < sub->count) {
        lnk_sub_push_next(L, st, sub, S_SUB);
        return 1;
    }
    if (sub->many) {
        lua_settop(L, 1);
        return take(L, st, sub, -1, WAY_NEXT);
    }
    loop *of = lua_gettop(L) < 2 ? NULL : lnk_test(L, st, 2, LNK_LOOP);
    lua_settop(L, S_TOP);
    lua_pushnil(L);
    lua_replace(L, S_BATCH);
    if (of != NULL && is_loop_of(L, 2)) {
        begin_loop(sub, of);
        lua_copy(L, 2, S_BATCH);
    }
    return take(L, st, sub, -1, WAY_WATCH);
}

/* -- end --------------------------------------------------------------------------------------------------
 */

void lnk_sub_end(lnk_sub *sub)
{
    if (sub->sub.id != 0) {
        sub->ended = lnk_sub_end_reason(sub);
        if (sub->ended == NATSKIT_OK) {
            sub->ended = NATSKIT_UNSUBSCRIBED;
        }
        natskit_sub_close(sub->sub);
        sub->sub.id = 0;
    }
    if (sub->head < sub->count) {
        natskit_msg_release_batch(sub->ahead + sub->head, sub->count - sub->head);
    }
    free(sub->ahead);
    sub->ahead = NULL;
    sub->head = 0;
    sub->count = 0;
    sub->held = 0;
}

static int sub_gc(lua_State *L)
{
    lnk_sub *sub = lua_touserdata(L, 1);
    lnk_handler_end(lnk_state_of(L), sub);
    lnk_sub_end(sub);
    return 0;
}

/* sub:close(); the library does not report an object that its own user closed, so who waits is woken here. */
static int sub_close(lua_State *L)
{
    lnk_state *st = lnk_state_of(L);
    const lnk_sub *sub = lnk_check(L, st, 1, LNK_SUB);
    lua_settop(L, 1);
    if (sub->sub.id != 0) {
        lnk_sub_keep(L, sub);
    }
    if (sub->handled) {
        lnk_handler_drop(L, 1);
    }
    sub_gc(L);
    if (sub->tag != 0) {
        lnk_forget(L, sub->tag);
    }
    if (st->scheduled) {
        lnk_wake_sub(L, 1);
    }
    lua_pushboolean(L, 1);
    return 1;
}

static int sub_tostring(lua_State *L)
{
    const lnk_sub *sub = lnk_check(L, lnk_state_of(L), 1, LNK_SUB);
    lua_pushfstring(L, sub->sub.id == 0 ? "natskit.sub (closed): %p" : "natskit.sub: %p", (const void *)sub);
    return 1;
}

static const luaL_Reg sub_methods[] = {{"next", sub_next},
                                       {"next_batch", sub_next_batch},
                                       {"messages", sub_messages},
                                       {"strings", sub_strings},
                                       {"unsubscribe", lnk_sub_unsubscribe},
                                       {"drain", lnk_sub_drain},
                                       {"start_drain", lnk_sub_start_drain},
                                       {"stats", lnk_sub_stats},
                                       {"health", lnk_sub_health},
                                       {"reason", lnk_sub_reason},
                                       {"pull_info", lnk_sub_pull_info},
                                       {"push_info", lnk_sub_push_info},
                                       {"watch_info", lnk_sub_watch_info},
                                       {"close", sub_close},
                                       {NULL, NULL}};

static const luaL_Reg sub_meta[] = {{"__gc", sub_gc},
                                    {"__close", sub_close},
                                    {"__call", sub_call},
                                    {"__tostring", sub_tostring},
                                    {NULL, NULL}};

void lnk_sub_register(lua_State *L, int state_index)
{
    luaL_newmetatable(L, lnk_names[LNK_SUB]);
    lnk_set_funcs(L, state_index, sub_meta);
    lua_newtable(L);
    lnk_set_funcs(L, state_index, sub_methods);
    lnk_sub_add_fields(L, state_index);
    lua_setfield(L, -2, "__index");
    luaL_newmetatable(L, lnk_names[LNK_LOOP]);
    lnk_set_funcs(L, state_index, loop_meta);
    lua_pop(L, 2);
}
