/* Acks of messages that a JetStream consumer delivered, and what the server tells of the delivery. Mostly
 * there is room and a call is done at once; while the outbox is full it waits for room until its deadline: it
 * blocks in slices, or its coroutine is suspended until the library tells of room. */
#include "lnk.h"

#include <string.h>

/* Ways to ack; the numbers go through lua_callk as its context. */
enum way { ACK, NAK, IN_PROGRESS, TERM, CONFIRM, BATCH };

/* Slots of a call. */
enum slot {
    S_WHO = 1, /* the message, or the connection of a batch */
    S_WHAT,    /* the reason of a term, or the list of a batch */
    S_DEADLINE,
    S_DELAY, /* of a nak, in milliseconds */
    S_DONE,  /* messages of the batch that are acked */
    S_WAIT,  /* for the confirmation, or nil */
    S_ROOM,  /* the wait for room, or nil */
    S_TOP = S_ROOM
};

/* Messages that go to the library in one step. */
#define CHUNK 64
/* Messages in one batch. */
#define MOST 1000000
/* Bytes that an ack needs in the outbox, but for the reason of a term. */
#define ACK_SIZE 256

#define CLOSED_TEXT "the message was closed"

/* -- one try --------------------------------------------------------------------------------------------- */

/* The i-th message of the batch. */
static natskit_msg *entry(lua_State *L, const lnk_state *st, lua_Integer i)
{
    lua_rawgeti(L, S_WHAT, i);
    const lnk_msg *msg = lnk_test(L, st, -1, LNK_MSG);
    if (msg == NULL || msg->msg == NULL) {
        luaL_error(L, "ack_batch: message %I: %s", i, msg == NULL ? "natskit.msg expected" : CLOSED_TEXT);
        return NULL;
    }
    lua_pop(L, 1); /* the list keeps it */
    return msg->msg;
}

/* Acks what is left of the batch; slot S_DONE counts. */
static natskit_status try_batch(lua_State *L, const lnk_state *st)
{
    natskit_msg *msgs[CHUNK];
    natskit_status status = NATSKIT_OK;
    lua_Integer total = (lua_Integer)lua_rawlen(L, S_WHAT);
    lua_Integer done = lua_tointeger(L, S_DONE);
    while (status == NATSKIT_OK && done < total) {
        size_t count = 0;
        size_t acked = 0;
        while (count < CHUNK && done + (lua_Integer)count < total) {
            msgs[count] = entry(L, st, done + (lua_Integer)count + 1);
            count++;
        }
        status = natskit_ack_batch(msgs, count, &acked);
        done += (lua_Integer)acked;
        lua_pushinteger(L, done);
        lua_replace(L, S_DONE);
    }
    return status;
}

static natskit_status try_confirm(lua_State *L, natskit_msg *msg, int64_t left, natskit_error *err)
{
    const natskit_options none = {0};
    lnk_wait *wait = lua_touserdata(L, S_WAIT);
    return natskit_msg_ack_confirm_start(msg, none, left, &wait->op, err);
}

static natskit_status try_ack(lua_State *L, const lnk_state *st, enum way way, int64_t left,
                              natskit_error *err)
{
    if (way == BATCH) {
        return try_batch(L, st);
    }
    natskit_msg *msg = ((const lnk_msg *)lua_touserdata(L, S_WHO))->msg;
    luaL_argcheck(L, msg != NULL, S_WHO, CLOSED_TEXT); /* perhaps meanwhile */
    size_t len = 0;
    const char *reason;
    switch (way) {
    case NAK:
        return natskit_msg_nak(msg, (int64_t)lua_tointeger(L, S_DELAY));
    case IN_PROGRESS:
        return natskit_msg_in_progress(msg);
    case TERM:
        reason = lua_tolstring(L, S_WHAT, &len);
        return natskit_msg_term(msg, reason, len);
    case CONFIRM:
        return try_confirm(L, msg, left, err);
    default:
        return natskit_msg_ack(msg);
    }
}

/* -- until there is room --------------------------------------------------------------------------------- */

/* The end of an ack, good or bad. */
static int acked(lua_State *L, enum way way, natskit_status status, const natskit_error *err)
{
    if (status == NATSKIT_INVALID && way == TERM) {
        return luaL_error(L, "term: reason: not one line of valid text");
    }
    if (status == NATSKIT_INVALID && way == NAK) {
        return luaL_error(L, "nak: delay: too many seconds");
    }
    if (status == NATSKIT_OK && way == CONFIRM) {
        return lnk_await(L, S_WAIT);
    }
    if (status == NATSKIT_OK && way == BATCH) {
        lua_pushvalue(L, S_DONE);
        return 1;
    }
    int results = lnk_result(L, status, err);
    if (way == BATCH) {
        lua_pushvalue(L, S_DONE); /* how many were acked all the same */
        results++;
    }
    return results;
}

/* The connection, and whether what finds no room must fail at once (option outbox_full). */
static natskit_conn conn_of(lua_State *L, enum way way, int *fails)
{
    if (way == BATCH) {
        const lnk_conn *conn = lua_touserdata(L, S_WHO);
        *fails = conn->fail_fast;
        return conn->conn;
    }
    const lnk_msg *msg = lua_touserdata(L, S_WHO);
    *fails = msg->fail_fast;
    return msg->conn;
}

/* Begins an operation that tells when there is room; NULL if that is not to be had. */
static lnk_wait *start_room(lua_State *L, natskit_conn conn, int64_t left)
{
    const natskit_options none = {0};
    if (lua_isnil(L, S_ROOM)) {
        lnk_push_wait(L, S_WHO);
        lua_replace(L, S_ROOM);
    }
    lnk_wait *room = lua_touserdata(L, S_ROOM);
    if (room->op.id != 0) {
        natskit_op_close(room->op);
        room->op.id = 0;
    }
    uint64_t bytes = ACK_SIZE + lua_rawlen(L, S_WHAT); /* more than that is for a list, which does no harm */
    return natskit_room_start(conn, none, bytes, left, &room->op, NULL) == NATSKIT_OK ? room : NULL;
}

/* Pushes the call that suspends the coroutine until there is room, or for a pause. */
static void push_room(lua_State *L, lnk_state *st, natskit_conn conn, int64_t left)
{
    uint64_t none = 0;
    uint64_t token = ++st->token;
    int64_t pause = left < 0 || left > LNK_ROOM_MS ? LNK_ROOM_MS : left;
    const lnk_wait *room = start_room(L, conn, left);
    if (room != NULL && lnk_watch(L, st, room->op.id, token, S_ROOM, &none)) {
        pause = left;
    }
    lnk_push_suspend(L, token, pause);
}

static int ack_k(lua_State *L, int resumed, lua_KContext context)
{
    enum way way = (enum way)context;
    lnk_state *st = lnk_state_of(L);
    int64_t deadline = (int64_t)lua_tointeger(L, S_DEADLINE);
    int suspend = resumed == LUA_YIELD ? lnk_suspended(L, st) : lnk_may_suspend(L, st);
    int waited = resumed == LUA_YIELD;
    natskit_error err;
    err.status = NATSKIT_OK;
    for (;; waited = 1) {
        int fails = 0;
        int64_t left = lnk_left(deadline);
        natskit_conn conn = conn_of(L, way, &fails);
        natskit_status status = try_ack(L, st, way, left, &err);
        if (status != NATSKIT_WOULD_BLOCK || left == 0 || fails) {
            int late = status == NATSKIT_WOULD_BLOCK && waited;
            return acked(L, way, late ? NATSKIT_TIMEOUT : status, &err);
        }
        if (suspend) {
            push_room(L, st, conn, left);
            lua_callk(L, 2, 1, context, ack_k);
            suspend = lnk_suspended(L, st);
            continue;
        }
        const lnk_wait *room = start_room(L, conn, left);
        if (room != NULL) {
            natskit_op_wait(room->op, left < 0 || left > LNK_SLICE_MS ? LNK_SLICE_MS : left);
        }
        lnk_breathe(L);
    }
}

static int ack_until(lua_State *L, enum way way, int64_t timeout_ms)
{
    lua_pushinteger(L, (lua_Integer)lnk_deadline(timeout_ms));
    lua_replace(L, S_DEADLINE);
    return ack_k(L, LUA_OK, way);
}

/* -- the functions of Lua -------------------------------------------------------------------------------- */

static const lnk_msg *check_msg(lua_State *L)
{
    const lnk_msg *msg = lnk_check(L, lnk_state_of(L), S_WHO, LNK_MSG);
    luaL_argcheck(L, msg->msg != NULL, S_WHO, CLOSED_TEXT);
    return msg;
}

/* msg:ack() */
int lnk_msg_ack(lua_State *L)
{
    natskit_status status = natskit_msg_ack(check_msg(L)->msg);
    if (status == NATSKIT_OK) {
        lua_pushboolean(L, 1);
        return 1;
    }
    if (status != NATSKIT_WOULD_BLOCK) {
        return lnk_fail(L, status, NULL);
    }
    lua_settop(L, 1);
    lua_settop(L, S_TOP);
    return ack_until(L, ACK, LNK_PUBLISH_MS);
}

/* msg:nak([delay]) */
int lnk_msg_nak(lua_State *L)
{
    check_msg(L);
    int64_t delay_ms = lnk_opt_ms(L, 2, "delay", 0);
    luaL_argcheck(L, delay_ms >= 0, 2, "delay: too many seconds");
    lua_settop(L, 1);
    lua_settop(L, S_TOP);
    lua_pushinteger(L, (lua_Integer)delay_ms);
    lua_replace(L, S_DELAY);
    return ack_until(L, NAK, LNK_PUBLISH_MS);
}

/* msg:in_progress() */
int lnk_msg_in_progress(lua_State *L)
{
    check_msg(L);
    lua_settop(L, 1);
    lua_settop(L, S_TOP);
    return ack_until(L, IN_PROGRESS, LNK_PUBLISH_MS);
}

/* msg:term([reason]) */
int lnk_msg_term(lua_State *L)
{
    check_msg(L);
    luaL_optstring(L, 2, "");
    lua_settop(L, 2);
    lua_settop(L, S_TOP);
    return ack_until(L, TERM, LNK_PUBLISH_MS);
}

/* msg:ack_sync([timeout]) */
int lnk_msg_ack_sync(lua_State *L)
{
    check_msg(L);
    int64_t timeout_ms = lnk_opt_ms(L, 2, "timeout", LNK_REQUEST_MS);
    lua_settop(L, 1);
    lua_settop(L, S_TOP);
    lnk_push_wait(L, S_WHO)->finish = lnk_finish_plain;
    lua_replace(L, S_WAIT);
    return ack_until(L, CONFIRM, timeout_ms);
}

/* nc:ack_batch(list [, {timeout =}]) -> number of messages */
int lnk_ack_batch(lua_State *L)
{
    const lnk_state *st = lnk_state_of(L);
    lnk_check(L, st, S_WHO, LNK_CONN);
    luaL_checktype(L, S_WHAT, LUA_TTABLE);
    lua_settop(L, 3);
    int64_t timeout_ms = lnk_send_options(L, 3, LNK_OPT_TIMEOUT, LNK_PUBLISH_MS);
    lua_settop(L, 2);
    lua_settop(L, S_TOP);
    lua_pushinteger(L, 0);
    lua_replace(L, S_DONE);
    lua_Integer total = (lua_Integer)lua_rawlen(L, S_WHAT);
    luaL_argcheck(L, total <= MOST, S_WHAT, "too many messages for one batch");
    for (lua_Integer i = 1; i <= total; i++) { /* all are looked at before the first is acked */
        entry(L, st, i);
    }
    return ack_until(L, BATCH, timeout_ms);
}

static void set_text(lua_State *L, const char *name, const char *text, size_t len)
{
    if (len > 0) {
        lua_pushlstring(L, text, len);
        lua_setfield(L, -2, name);
    }
}

static void set_integer(lua_State *L, const char *name, uint64_t value)
{
    lua_pushinteger(L, (lua_Integer)value);
    lua_setfield(L, -2, name);
}

/* msg:delivery() -> table, or nil, message, code */
int lnk_msg_delivery(lua_State *L)
{
    natskit_delivery_view view;
    natskit_status status = natskit_msg_delivery(check_msg(L)->msg, &view, sizeof view);
    if (status != NATSKIT_OK) {
        return lnk_fail(L, status, NULL);
    }
    lua_createtable(L, 0, 12);
    set_text(L, "stream", view.stream, view.stream_len);
    set_text(L, "consumer", view.consumer, view.consumer_len);
    set_text(L, "domain", view.domain, view.domain_len);
    set_text(L, "account", view.account, view.account_len);
    set_integer(L, "delivered", view.delivered);
    set_integer(L, "stream_seq", view.stream_seq);
    set_integer(L, "consumer_seq", view.consumer_seq);
    set_integer(L, "pending", view.pending);
    set_integer(L, "time_ns", (uint64_t)view.time_ns);
    lua_pushnumber(L, (lua_Number)view.time_ns / 1e9);
    lua_setfield(L, -2, "time");
    lua_pushboolean(L, view.redelivered);
    lua_setfield(L, -2, "redelivered");
    lua_pushboolean(L, view.acked);
    lua_setfield(L, -2, "acked");
    return 1;
}

/* msg:origin() -> table of what is told, or nil, message, code */
int lnk_msg_origin(lua_State *L)
{
    natskit_origin view;
    natskit_status status = natskit_msg_origin(check_msg(L)->msg, &view, sizeof view);
    if (status != NATSKIT_OK) {
        return lnk_fail(L, status, NULL);
    }
    lua_newtable(L);
    set_text(L, "stream", view.stream, view.stream_len);
    set_text(L, "subject", view.subject, view.subject_len);
    set_text(L, "source_stream", view.source_stream, view.source_stream_len);
    set_text(L, "source_filter", view.source_filter, view.source_filter_len);
    set_text(L, "source_transform", view.source_transform, view.source_transform_len);
    set_text(L, "source_subject", view.source_subject, view.source_subject_len);
    set_text(L, "marker", view.marker, view.marker_len);
    set_text(L, "scheduler", view.scheduler, view.scheduler_len);
    set_text(L, "schedule_next", view.schedule_next, view.schedule_next_len);
    set_text(L, "increment", view.increment, view.increment_len);
    set_text(L, "counter_sources", view.counter_sources, view.counter_sources_len);
    const struct {
        const char *name;
        uint64_t number;
    } numbers[] = {
        {"seq", (uint64_t)view.seq},
        {"last_seq", (uint64_t)view.last_seq},
        {"time_ns", (uint64_t)view.time_ns},
        {"size", (uint64_t)view.size},
        {"source_seq", (uint64_t)view.source_seq},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (numbers[i].number > 0) {
            set_integer(L, numbers[i].name, numbers[i].number);
        }
    }
    return 1;
}

/* In the table at the top, of strings, digits that an integer holds become one. */
static void read_digits(lua_State *L)
{
    lua_pushnil(L);
    while (lua_next(L, -2) != 0) {
        if (lua_type(L, -1) == LUA_TSTRING) {
            size_t len;
            const char *digits = lua_tolstring(L, -1, &len);
            lua_pushvalue(L, -2);
            lnk_push_digits(L, digits, len);
            lua_rawset(L, -5); /* a key that is there */
        }
        lua_pop(L, 1);
    }
}

/* Pushes {STREAM = {subject = value}}, and closes the document. */
static void push_sources(lua_State *L, natskit_json sources)
{
    lnk_json_push_value(L, sources, NULL);
    if (lua_istable(L, -1)) {
        lua_pushnil(L);
        while (lua_next(L, -2) != 0) {
            if (lua_istable(L, -1)) {
                read_digits(L);
            }
            lua_pop(L, 1);
        }
    }
}

int lnk_counter_push(lua_State *L, const natskit_msg *msg)
{
    const char *digits;
    size_t len;
    natskit_json sources;
    natskit_error err;
    natskit_status status = natskit_msg_counter(msg, &digits, &len);
    if (status != NATSKIT_OK) {
        return lnk_fail(L, status, NULL);
    }
    lnk_push_digits(L, digits, len);
    status = natskit_msg_counter_sources(msg, &sources, &err);
    if (status == NATSKIT_NOT_FOUND) {
        return 1;
    }
    if (status != NATSKIT_OK) {
        return lnk_fail(L, status, &err);
    }
    push_sources(L, sources);
    return 2;
}

/* msg:counter() -> its value: an integer, or digits beyond what that holds; and {STREAM = {subject = value}},
 * if it has sources; or nil, message, code */
int lnk_msg_counter(lua_State *L)
{
    return lnk_counter_push(L, check_msg(L)->msg);
}
