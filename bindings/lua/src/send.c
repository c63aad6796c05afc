/* Sending: publish, publish_batch, respond, and request, which continues as an operation. What is wrong with
 * the arguments raises before a byte was handed over. While the outbox is full a call waits for room until
 * its deadline: it blocks in slices, or its coroutine looks again every few milliseconds. */
#include "lnk.h"

#include <string.h>
#include <time.h>

/* Ways to send; the numbers go through lua_callk as its context. */
enum way { SEND_PUBLISH, SEND_BATCH, SEND_RESPOND, SEND_REQUEST, SEND_MANY, SEND_REPUBLISH, SEND_ERROR };

static const char *const way_names[] = {"publish",      "publish_batch", "respond",      "request",
                                        "request_many", "republish",     "respond_error"};

/* Slots of a call. S_WHO is the connection, or the message to respond to; S_SUBJECT the list of a batch, or
 * the description of an error, whose code is at S_EXTRA. */
enum slot {
    S_WHO = 1,
    S_SUBJECT,
    S_DATA,
    S_DEADLINE,
    S_REPLY,
    S_HEADERS,
    S_OPTIONS, /* of the library */
    S_EXTRA,   /* the wait of a request, the subscription of its answers, or how many were accepted */
    S_ROOM,    /* the wait for room, or nil */
    S_TOP = S_ROOM
};

static const char *const request_others[] = {"timeout", "headers", "trace_destination", "trace_only", NULL};

/* Messages in one batch. */
#define MOST 1000000

/* -- batches --------------------------------------------------------------------------------------------- */

/* Field `name` of the i-th message at the top of the stack, or else its entry `position`. Only strings are
 * taken, so that the pointer lives as long as the table. */
static const char *entry_text(lua_State *L, lua_Integer i, const char *name, int position, size_t *len)
{
    *len = 0;
    int type = position != 0 ? lua_rawgeti(L, -1, position) : LUA_TNIL;
    if (type == LUA_TNIL) {
        if (position != 0) {
            lua_pop(L, 1);
        }
        lua_pushstring(L, name);
        type = lua_rawget(L, -2);
    }
    if (type != LUA_TSTRING && (type != LUA_TNIL || position == 1)) {
        luaL_error(L, "publish_batch: message %I: %s: string expected, got %s", i, name,
                   luaL_typename(L, -1));
    }
    const char *text = lua_tolstring(L, -1, len);
    lua_pop(L, 1);
    return text;
}

/* Reads the message at the top of the stack if it is just {subject, data}: without looking for other names.
 */
static int read_plain(lua_State *L, natskit_outgoing *out)
{
    int top = lua_gettop(L);
    int plain = lua_rawgeti(L, top, 1) == LUA_TSTRING && lua_rawgeti(L, top, 2) == LUA_TSTRING;
    if (plain) {
        memset(out, 0, sizeof *out);
        out->subject = lua_tolstring(L, top + 1, &out->subject_len);
        out->data = lua_tolstring(L, top + 2, &out->data_len);
        lua_pushinteger(L, 2);
        plain = !lua_next(L, top);
    }
    lua_settop(L, top);
    return plain;
}

/* Whether the headers are in the one set that the state keeps, which is why such a message goes alone. */
static int goes_alone(const lnk_state *st, const natskit_outgoing *out)
{
    return out->headers.id != 0 && out->headers.id == st->headers.id;
}

/* Reads the i-th message. */
static void read_entry(lua_State *L, lnk_state *st, lua_Integer i, natskit_outgoing *out)
{
    if (lua_rawgeti(L, S_SUBJECT, i) != LUA_TTABLE) {
        luaL_error(L, "publish_batch: message %I: table expected, got %s", i, luaL_typename(L, -1));
    }
    if (read_plain(L, out)) {
        lua_pop(L, 1);
        return;
    }
    out->subject = entry_text(L, i, "subject", 1, &out->subject_len);
    out->data = entry_text(L, i, "data", 2, &out->data_len);
    out->reply = entry_text(L, i, "reply", 0, &out->reply_len);
    lua_pushliteral(L, "headers");
    lua_rawget(L, -2);
    if (!lnk_is_headers(L, st, -1)) {
        luaL_error(L, "publish_batch: message %I: headers: natskit.headers or table expected, got %s", i,
                   luaL_typename(L, -1));
    }
    out->headers = lnk_headers(L, st, lua_gettop(L));
    lua_pop(L, 2);
}

size_t lnk_batch_read(lua_State *L, lnk_state *st, lua_Integer done, lua_Integer total, natskit_outgoing *out)
{
    size_t count = 0;
    while (count < LNK_BATCH_STEP && done + (lua_Integer)count < total) {
        read_entry(L, st, done + (lua_Integer)count + 1, &out[count]);
        if (goes_alone(st, &out[count])) {
            return count == 0 ? 1 : count;
        }
        count++;
    }
    return count;
}

lua_Integer lnk_batch_len(lua_State *L)
{
    lua_Integer total = (lua_Integer)lua_rawlen(L, S_SUBJECT);
    luaL_argcheck(L, total <= MOST, S_SUBJECT, "too many messages for one batch");
    return total;
}

/* Hands over what is left of the batch; slot S_EXTRA counts what was accepted. */
static natskit_status try_batch(lua_State *L, lnk_state *st, int64_t timeout_ms)
{
    natskit_outgoing out[LNK_BATCH_STEP];
    const lnk_conn *conn = lua_touserdata(L, S_WHO);
    lua_Integer total = (lua_Integer)lua_rawlen(L, S_SUBJECT);
    lua_Integer done = lua_tointeger(L, S_EXTRA);
    natskit_status status = NATSKIT_OK;
    while (status == NATSKIT_OK && done < total) {
        size_t published = 0;
        size_t count = lnk_batch_read(L, st, done, total, out);
        status = natskit_publish_batch(conn->conn, out, sizeof out[0], count, timeout_ms, &published);
        done += (lua_Integer)published;
        lua_pushinteger(L, done);
        lua_replace(L, S_EXTRA);
    }
    return status;
}

int lnk_batch_bad(lua_State *L, lua_Integer i)
{
    lua_rawgeti(L, S_SUBJECT, i);
    size_t subject_len = 0;
    size_t reply_len = 0;
    const char *subject = entry_text(L, i, "subject", 1, &subject_len);
    const char *reply = entry_text(L, i, "reply", 0, &reply_len);
    const char *what = lua_pushfstring(L, "publish_batch: message %I", i);
    lua_pushlstring(L, subject, subject_len);
    lua_pushlstring(L, reply, reply_len);
    return lnk_bad_subject(L, what, lua_gettop(L) - 1, reply_len > 0 ? lua_gettop(L) : 0);
}

/* -- one try --------------------------------------------------------------------------------------------- */

static natskit_status try_request(lua_State *L, lnk_state *st, int64_t left, natskit_error *err)
{
    const lnk_conn *conn = lua_touserdata(L, S_WHO);
    lnk_wait *wait = lua_touserdata(L, S_EXTRA);
    natskit_options options = lnk_options_of(lua_touserdata(L, S_OPTIONS));
    size_t subject_len = 0;
    size_t data_len = 0;
    const char *subject = lua_tolstring(L, S_SUBJECT, &subject_len);
    const char *data = lua_tolstring(L, S_DATA, &data_len);
    natskit_headers headers = lnk_headers(L, st, S_HEADERS);
    return natskit_request_start(conn->conn, subject, subject_len, headers, data, data_len, options, left,
                                 &wait->op, err);
}

static natskit_status try_many(lua_State *L, lnk_state *st, natskit_error *err)
{
    const lnk_conn *conn = lua_touserdata(L, S_WHO);
    natskit_options options = lnk_options_of(lua_touserdata(L, S_OPTIONS));
    lnk_sub *sub = lua_touserdata(L, S_EXTRA);
    size_t subject_len = 0;
    size_t data_len = 0;
    const char *subject = lua_tolstring(L, S_SUBJECT, &subject_len);
    const char *data = lua_tolstring(L, S_DATA, &data_len);
    natskit_headers headers = lnk_headers(L, st, S_HEADERS);
    return natskit_request_many(conn->conn, subject, subject_len, headers, data, data_len, options, &sub->sub,
                                err);
}

static natskit_status try_republish(lua_State *L, int64_t timeout_ms)
{
    const lnk_msg *msg = lua_touserdata(L, S_WHO);
    size_t subject_len = 0;
    size_t reply_len = 0;
    const char *subject = lua_tolstring(L, S_SUBJECT, &subject_len);
    const char *reply = lua_tolstring(L, S_REPLY, &reply_len);
    return natskit_msg_republish(msg->conn, msg->msg, subject, subject_len, reply, reply_len, timeout_ms);
}

static natskit_status try_error(lua_State *L, lnk_state *st, int64_t timeout_ms)
{
    const lnk_msg *msg = lua_touserdata(L, S_WHO);
    size_t text_len = 0;
    size_t data_len = 0;
    const char *text = lua_tolstring(L, S_SUBJECT, &text_len);
    const char *data = lua_tolstring(L, S_DATA, &data_len);
    natskit_headers headers = lnk_headers(L, st, S_HEADERS);
    return natskit_msg_respond_error(msg->msg, (int32_t)lua_tointeger(L, S_EXTRA), text, text_len, headers,
                                     data, data_len, timeout_ms);
}

/* `timeout_ms` is how long to wait for room, `left` what the whole call has. */
static natskit_status try_send(lua_State *L, lnk_state *st, enum way way, int64_t timeout_ms, int64_t left,
                               natskit_error *err)
{
    if (way == SEND_BATCH) {
        return try_batch(L, st, timeout_ms);
    }
    if (way == SEND_REQUEST) {
        return try_request(L, st, left, err);
    }
    if (way == SEND_MANY) {
        return try_many(L, st, err);
    }
    if (way == SEND_REPUBLISH) {
        return try_republish(L, timeout_ms);
    }
    if (way == SEND_ERROR) {
        return try_error(L, st, timeout_ms);
    }
    size_t data_len = 0;
    const char *data = lua_tolstring(L, S_DATA, &data_len);
    natskit_headers headers = lnk_headers(L, st, S_HEADERS);
    if (way == SEND_RESPOND) {
        const lnk_msg *msg = lua_touserdata(L, S_WHO);
        return natskit_msg_respond(msg->msg, headers, data, data_len, timeout_ms);
    }
    const lnk_conn *conn = lua_touserdata(L, S_WHO);
    size_t subject_len = 0;
    size_t reply_len = 0;
    const char *subject = lua_tolstring(L, S_SUBJECT, &subject_len);
    const char *reply = lua_tolstring(L, S_REPLY, &reply_len);
    return natskit_publish(conn->conn, subject, subject_len, reply, reply_len, headers, data, data_len,
                           timeout_ms);
}

/* -- until there is room --------------------------------------------------------------------------------- */

/* Raises for what was refused, unless that is what somebody else sent. */
static void raise_invalid(lua_State *L, enum way way, const natskit_error *err)
{
    natskit_error wrong;
    size_t len = 0;
    const char *subject = lua_tolstring(L, S_SUBJECT, &len);
    if (way == SEND_REPUBLISH &&
        (subject == NULL || len == 0 || natskit_subject_check(subject, len, 0, &wrong) == NATSKIT_OK)) {
        subject = lua_tolstring(L, S_REPLY, &len);
        if (subject == NULL || len == 0 || natskit_subject_check(subject, len, 0, &wrong) == NATSKIT_OK) {
            return;
        }
        luaL_error(L, "republish: reply: %s", wrong.text);
    }
    if ((way == SEND_REQUEST || way == SEND_MANY) && err != NULL && err->status == NATSKIT_INVALID) {
        luaL_error(L, "%s: %s", way_names[way], err->text);
    }
    lnk_bad_subject(L, way_names[way], S_SUBJECT, S_REPLY);
}

/* The subscription is its own iterator, and what `for` closes. */
static int push_answers(lua_State *L)
{
    lua_pushvalue(L, S_EXTRA);
    lua_pushnil(L);
    lua_pushnil(L);
    lua_pushvalue(L, S_EXTRA);
    return 4;
}

/* The end of a send, good or bad. */
static int sent(lua_State *L, enum way way, natskit_status status, const natskit_error *err)
{
    if (status == NATSKIT_INVALID && way == SEND_BATCH) {
        return lnk_batch_bad(L, lua_tointeger(L, S_EXTRA) + 1);
    }
    if (status == NATSKIT_INVALID && way != SEND_RESPOND && way != SEND_ERROR) {
        raise_invalid(L, way, err);
    }
    if (status == NATSKIT_OK && way == SEND_MANY) {
        return push_answers(L);
    }
    if (status == NATSKIT_OK && way == SEND_REQUEST) {
        return lnk_await(L, S_EXTRA);
    }
    if (status == NATSKIT_OK && way == SEND_BATCH) {
        lua_pushvalue(L, S_EXTRA);
        return 1;
    }
    int results = lnk_result(L, status, err);
    if (way == SEND_BATCH) {
        lua_pushvalue(L, S_EXTRA); /* how many were accepted all the same */
        results++;
    }
    return results;
}

static void sleep_ms(int64_t ms)
{
    struct timespec time = {.tv_sec = 0, .tv_nsec = (long)ms * 1000000};
    nanosleep(&time, NULL);
}

/* About how many bytes have to fit. The library's own count is what matters; this only tells when to try
 * again. */
static uint64_t bytes_needed(lua_State *L, lnk_state *st, enum way way)
{
    const uint64_t most_headers = 65536;
    uint64_t headers = lua_isnil(L, S_HEADERS) ? 0 : most_headers;
    if (way != SEND_BATCH) { /* what is nil has the length 0 */
        return lua_rawlen(L, S_SUBJECT) + lua_rawlen(L, S_DATA) + headers;
    }
    natskit_outgoing next;
    read_entry(L, st, lua_tointeger(L, S_EXTRA) + 1, &next);
    return next.subject_len + next.reply_len + next.data_len + (next.headers.id != 0 ? most_headers : 0);
}

/* Whether S_WHO is a message. */
static int of_message(enum way way)
{
    return way == SEND_RESPOND || way == SEND_REPUBLISH || way == SEND_ERROR;
}

/* Begins an operation that tells when there is room. NULL if there is none: a message knows its connection,
 * but does not tell, so a response is tried again after a pause; and so is what found no room after such a
 * wait. */
static lnk_wait *start_room(lua_State *L, lnk_state *st, enum way way, int64_t left)
{
    if (of_message(way)) {
        return NULL;
    }
    if (lua_isnil(L, S_ROOM)) {
        lnk_push_wait(L, S_WHO);
        lua_replace(L, S_ROOM);
    }
    lnk_wait *room = lua_touserdata(L, S_ROOM);
    if (room->op.id != 0) {
        natskit_op_close(room->op);
        room->op.id = 0;
        return NULL;
    }
    const lnk_conn *conn = lua_touserdata(L, S_WHO);
    natskit_options none = {0};
    natskit_status status =
        natskit_room_start(conn->conn, none, bytes_needed(L, st, way), left, &room->op, NULL);
    return status == NATSKIT_OK ? room : NULL;
}

/* Pushes the call that suspends the coroutine until there is room, or for a pause. */
static void push_room(lua_State *L, lnk_state *st, enum way way, int64_t left, int64_t pause)
{
    uint64_t none = 0;
    uint64_t token = ++st->token;
    const lnk_wait *room = start_room(L, st, way, left);
    if (room != NULL && lnk_watch(L, st, room->op.id, token, S_ROOM, &none)) {
        pause = left;
    }
    lnk_push_suspend(L, token, pause);
}

/* Blocks until a request that does not wait by itself may be tried again. */
static void block_room(lua_State *L, lnk_state *st, enum way way, int64_t left, int64_t pause)
{
    const lnk_wait *room = start_room(L, st, way, left);
    if (room == NULL) {
        sleep_ms(pause);
    } else {
        natskit_op_wait(room->op, left < 0 || left > LNK_SLICE_MS ? LNK_SLICE_MS : left);
    }
}

/* Whether what found no room must fail at once (option outbox_full). A message does not tell of which
 * connection it is, but the library refuses to wait even a moment then. */
static int fails_fast(lua_State *L, lnk_state *st, enum way way, natskit_status *status, int suspend,
                      natskit_error *err)
{
    if (of_message(way) && suspend && *status == NATSKIT_WOULD_BLOCK) {
        *status = try_send(L, st, way, 1, 1, err);
    }
    return of_message(way) ? *status == NATSKIT_WOULD_BLOCK
                           : ((const lnk_conn *)lua_touserdata(L, S_WHO))->fail_fast;
}

static int send_k(lua_State *L, int resumed, lua_KContext context)
{
    enum way way = (enum way)context;
    lnk_state *st = lnk_state_of(L);
    int64_t deadline = (int64_t)lua_tointeger(L, S_DEADLINE);
    int suspend = resumed == LUA_YIELD ? lnk_suspended(L, st) : lnk_may_suspend(L, st);
    int waited = resumed == LUA_YIELD;
    natskit_error err;
    err.status = NATSKIT_OK;
    for (;; waited = 1) {
        int64_t left = lnk_left(deadline);
        int64_t slice = left < 0 || left > LNK_SLICE_MS ? LNK_SLICE_MS : left;
        natskit_status status = try_send(L, st, way, suspend ? 0 : slice, left, &err);
        int full = status == NATSKIT_WOULD_BLOCK || status == NATSKIT_TIMEOUT;
        if (full && left != 0 && fails_fast(L, st, way, &status, suspend, &err)) {
            return sent(L, way, NATSKIT_WOULD_BLOCK, NULL);
        }
        full = status == NATSKIT_WOULD_BLOCK || status == NATSKIT_TIMEOUT;
        if (!full || left == 0) {
            return sent(L, way, full && waited ? NATSKIT_TIMEOUT : status, &err);
        }
        int64_t pause = left < 0 || left > LNK_ROOM_MS ? LNK_ROOM_MS : left;
        if (suspend) {
            push_room(L, st, way, left, pause);
            lua_callk(L, 2, 1, context, send_k);
            suspend = lnk_suspended(L, st);
            continue;
        }
        if (way == SEND_REQUEST || way == SEND_MANY) {
            block_room(L, st, way, left, pause);
        }
        lnk_breathe(L);
    }
}

/* The general way. Slots up to S_DEADLINE are filled, or up to S_HEADERS. */
static int send_until(lua_State *L, enum way way, int64_t timeout_ms)
{
    lua_settop(L, S_TOP);
    lua_pushinteger(L, (lua_Integer)lnk_deadline(timeout_ms));
    lua_replace(L, S_DEADLINE);
    return send_k(L, LUA_OK, way);
}

/* -- the functions of Lua -------------------------------------------------------------------------------- */

/* nc:publish(subject [, data [, {reply =, headers =, timeout =}]]) */
int lnk_publish(lua_State *L)
{
    lnk_state *st = lnk_state_of(L);
    const lnk_conn *conn = lnk_check(L, st, 1, LNK_CONN);
    natskit_headers headers = {0};
    const char *reply = NULL;
    size_t subject_len = 0;
    size_t reply_len = 0;
    size_t data_len = 0;
    int64_t timeout_ms = LNK_PUBLISH_MS;
    const char *subject = luaL_checklstring(L, 2, &subject_len);
    const char *data = luaL_optlstring(L, 3, "", &data_len);
    int optioned = !lua_isnoneornil(L, S_DEADLINE);
    if (optioned) {
        lua_settop(L, S_DEADLINE);
        timeout_ms = lnk_send_options(
            L, S_DEADLINE, LNK_OPT_REPLY | LNK_OPT_HEADERS | LNK_OPT_TIMEOUT | LNK_OPT_TRACE, timeout_ms);
        reply = lua_tolstring(L, S_REPLY, &reply_len);
        headers = lnk_headers(L, st, S_HEADERS);
    }
    /* Mostly there is room, and no clock need be asked. */
    natskit_status status =
        natskit_publish(conn->conn, subject, subject_len, reply, reply_len, headers, data, data_len, 0);
    if (status == NATSKIT_OK) {
        lua_pushboolean(L, 1);
        return 1;
    }
    if (status == NATSKIT_WOULD_BLOCK && !conn->fail_fast) {
        lua_settop(L, optioned ? S_HEADERS : S_DEADLINE);
        return send_until(L, SEND_PUBLISH, timeout_ms);
    }
    return status == NATSKIT_INVALID ? lnk_bad_subject(L, "publish", S_SUBJECT, optioned ? S_REPLY : 0)
                                     : lnk_fail(L, status, NULL);
}

/* nc:publish_batch(list [, {timeout =}]) -> number of messages */
int lnk_publish_batch(lua_State *L)
{
    lnk_state *st = lnk_state_of(L);
    const lnk_conn *conn = lnk_check(L, st, 1, LNK_CONN);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 3);
    lua_pushnil(L);
    lua_insert(L, S_DATA);
    int64_t timeout_ms = lnk_send_options(L, S_DEADLINE, LNK_OPT_TIMEOUT, LNK_PUBLISH_MS);
    lua_settop(L, S_TOP);
    lua_pushinteger(L, 0);
    lua_replace(L, S_EXTRA);
    lua_Integer total = lnk_batch_len(L);
    natskit_outgoing *out = lua_newuserdatauv(L, sizeof *out * (size_t)(total + 1), 0);
    int alone = 0;
    for (lua_Integer i = 1; i <= total; i++) { /* all are looked at before the first is sent */
        read_entry(L, st, i, &out[i - 1]);
        alone |= goes_alone(st, &out[i - 1]);
    }
    if (!alone && total > 0) { /* what has no room yet is read anew, since the list may change meanwhile */
        size_t done = 0;
        natskit_status status = natskit_publish_batch(conn->conn, out, sizeof *out, (size_t)total, 0, &done);
        lua_pushinteger(L, (lua_Integer)done);
        lua_replace(L, S_EXTRA);
        if (status != NATSKIT_WOULD_BLOCK || conn->fail_fast) {
            return sent(L, SEND_BATCH, status, NULL);
        }
    }
    return send_until(L, SEND_BATCH, timeout_ms);
}

/* msg:respond([data [, {headers =, timeout =}]]) */
int lnk_respond(lua_State *L)
{
    const lnk_msg *msg = lnk_check(L, lnk_state_of(L), 1, LNK_MSG);
    luaL_argcheck(L, msg->msg != NULL, 1, "the message was closed");
    luaL_optstring(L, 2, "");
    lua_settop(L, 3);
    lua_pushnil(L);
    lua_insert(L, S_SUBJECT);
    int64_t timeout_ms =
        lnk_send_options(L, S_DEADLINE, LNK_OPT_HEADERS | LNK_OPT_TIMEOUT | LNK_OPT_TRACE, LNK_PUBLISH_MS);
    return send_until(L, SEND_RESPOND, timeout_ms);
}

/* msg:respond_error(code, description [, data [, {headers =, timeout =}]]) */
int lnk_respond_error(lua_State *L)
{
    const lnk_msg *msg = lnk_check(L, lnk_state_of(L), 1, LNK_MSG);
    natskit_service_view view;
    luaL_argcheck(L, msg->msg != NULL, 1, "the message was closed");
    luaL_argcheck(L, natskit_msg_service(msg->msg, &view, sizeof view) == NATSKIT_OK, 1,
                  "only requests of a service are answered with an error");
    lua_Integer code = luaL_checkinteger(L, 2);
    luaL_argcheck(L, code >= 1 && code <= INT32_MAX, 2, "a number from 1 on expected");
    luaL_checkstring(L, 3);
    luaL_argcheck(L, lua_rawlen(L, 3) > 0, 3, "an error has a description");
    lua_remove(L, 2);
    luaL_optstring(L, S_DATA, "");
    lua_settop(L, S_DEADLINE);
    int64_t timeout_ms = lnk_send_options(L, S_DEADLINE, LNK_OPT_HEADERS | LNK_OPT_TIMEOUT, LNK_PUBLISH_MS);
    lua_settop(L, S_TOP);
    lua_pushinteger(L, code);
    lua_replace(L, S_EXTRA);
    return send_until(L, SEND_ERROR, timeout_ms);
}

/* msg:republish([subject [, {reply =, timeout =}]]) */
int lnk_msg_republish(lua_State *L)
{
    const lnk_msg *msg = lnk_check(L, lnk_state_of(L), 1, LNK_MSG);
    natskit_message_view view;
    luaL_argcheck(L, msg->msg != NULL, 1, "the message was closed");
    natskit_msg_view(msg->msg, &view, sizeof view);
    luaL_argcheck(L, view.kind == NATSKIT_MSG_MESSAGE || view.kind == NATSKIT_MSG_SERVICE, 1,
                  "an event cannot be published");
    luaL_optstring(L, 2, NULL);
    lua_settop(L, 3);
    lua_pushnil(L);
    lua_insert(L, S_DATA);
    int64_t timeout_ms = lnk_send_options(L, S_DEADLINE, LNK_OPT_REPLY | LNK_OPT_TIMEOUT, LNK_PUBLISH_MS);
    if (lua_isnil(L, S_REPLY) && view.reply_len > 0) {
        lua_pushlstring(L, view.reply, view.reply_len);
        lua_replace(L, S_REPLY);
    }
    return send_until(L, SEND_REPUBLISH, timeout_ms);
}

static int finish_request(lua_State *L, lnk_state *st, lnk_wait *wait, int index, natskit_status status,
                          const natskit_error *err)
{
    if (status != NATSKIT_OK) {
        return lnk_fail(L, status, err);
    }
    lua_getiuservalue(L, index, 1);
    const lnk_conn *conn = lua_touserdata(L, -1);
    lnk_msg *reply = lnk_push_msg(L);
    status = natskit_op_take_msg(wait->op, &reply->msg);
    if (status != NATSKIT_OK) {
        return lnk_fail(L, status, NULL);
    }
    reply->conn = conn->conn;
    reply->fail_fast = conn->fail_fast;
    lnk_account(L, st, reply);
    return 1;
}

/* The options of a request are partly the library's own; those go to slot S_OPTIONS. */
static void prepare_request(lua_State *L, int32_t scope, int64_t timeout_ms)
{
    lnk_check(L, lnk_state_of(L), 1, LNK_CONN);
    luaL_checkstring(L, S_SUBJECT);
    luaL_optstring(L, S_DATA, "");
    lua_settop(L, S_DEADLINE);
    lnk_push_options(L, S_DEADLINE, scope, request_others);
    timeout_ms = lnk_send_options(L, S_DEADLINE, LNK_OPT_LIBRARY, timeout_ms);
    lua_pushvalue(L, S_DEADLINE + 1);
    lua_remove(L, S_DEADLINE + 1);
    lua_pushinteger(L, (lua_Integer)lnk_deadline(timeout_ms));
    lua_replace(L, S_DEADLINE);
    lua_settop(L, S_TOP);
}

/* nc:request(subject [, data [, {timeout =, headers =, trace_destination =, ..., and those of the library}]])
 */
int lnk_request(lua_State *L)
{
    prepare_request(L, NATSKIT_OPTIONS_REQUEST, LNK_REQUEST_MS);
    lnk_push_wait(L, S_WHO)->finish = finish_request;
    lua_replace(L, S_EXTRA);
    return send_k(L, LUA_OK, SEND_REQUEST);
}

/* for msg in nc:request_many(subject [, data [, options]]) do */
int lnk_request_many(lua_State *L)
{
    prepare_request(L, NATSKIT_OPTIONS_REQUEST_MANY, LNK_PUBLISH_MS);
    lnk_push_sub(L, S_WHO, LNK_SUB_VALUES)->many = 1;
    lua_replace(L, S_EXTRA);
    return send_k(L, LUA_OK, SEND_MANY);
}

/* The answer of nc:context: its text. Who has a decoder makes a table of it here. */
static int finish_context(lua_State *L, lnk_state *st, lnk_wait *wait, int index, natskit_status status,
                          const natskit_error *err)
{
    int results = finish_request(L, st, wait, index, status, err);
    if (results == 1) {
        int reply = lua_gettop(L);
        lua_getfield(L, reply, "json");
        lua_pushvalue(L, reply);
        lua_call(L, 1, LUA_MULTRET);
        results = lua_gettop(L) - reply;
        if (results == 1 && lua_istable(L, -1)) {
            lua_getfield(L, -1, "data");
        }
    }
    return results;
}

/* nc:context([timeout]) -> table: what the server knows of the user */
int lnk_context(lua_State *L)
{
    lnk_check(L, lnk_state_of(L), 1, LNK_CONN);
    int64_t timeout_ms = lnk_opt_ms(L, 2, "timeout", LNK_REQUEST_MS);
    lua_settop(L, 1);
    lua_pushliteral(L, "$SYS.REQ.USER.INFO");
    lua_settop(L, S_TOP);
    lua_pushinteger(L, (lua_Integer)lnk_deadline(timeout_ms));
    lua_replace(L, S_DEADLINE);
    lnk_push_wait(L, S_WHO)->finish = finish_context;
    lua_replace(L, S_EXTRA);
    return send_k(L, LUA_OK, SEND_REQUEST);
}
