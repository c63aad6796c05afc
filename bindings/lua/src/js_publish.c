/* Publishing to streams: one message with its ack, publishers, which have many under way, one by one or in
 * batches, and the messages of a fast ingest (js_ingest.c). While there is no room a call waits until its
 * deadline. */
#include "lnk.h"

#include <string.h>

/* Slots of a call. Of a batch the list is at S_SUBJECT, and the numbers of what was accepted at S_DATA. */
enum slot { S_WHO = 1, S_SUBJECT, S_DATA, S_OPTIONS, S_DEADLINE, S_WAIT, S_ROOM, S_TOP = S_ROOM };

/* Ways to publish; the numbers go through lua_callk as its context. */
enum way { TO_STREAM, TO_PUBLISHER, BATCH, TO_INGEST, TO_COUNTER /* the data are the digits */ };

/* One message with its ack. */
static int is_single(enum way way)
{
    return way == TO_STREAM || way == TO_COUNTER;
}

static const char *const outcome_names[] = {"pending", "done", "not_sent", "unknown", "rejected"};

#define OUTCOMES ((int32_t)(sizeof outcome_names / sizeof outcome_names[0]))
/* Bytes of headers that a message is taken to have, where it has some. */
#define HEADERS_SIZE 4096

/* -- arguments ---------------------------------------------------------------------------------------------
 */

/* Checks the arguments, and brings them into their slots. Returns the time to wait. */
static int64_t prepare(lua_State *L, int64_t timeout_ms)
{
    luaL_checkstring(L, S_SUBJECT);
    luaL_optstring(L, S_DATA, "");
    lua_settop(L, S_OPTIONS);
    if (!lua_isnil(L, S_OPTIONS)) {
        luaL_checktype(L, S_OPTIONS, LUA_TTABLE);
        lua_getfield(L, S_OPTIONS, "timeout");
        timeout_ms = lnk_opt_ms(L, -1, "timeout", timeout_ms);
        lua_pop(L, 1);
    }
    return timeout_ms;
}

/* -- one try -----------------------------------------------------------------------------------------------
 */

/* What is published, but for its headers. */
struct content {
    const char *subject;
    const char *data;
    size_t subject_len;
    size_t data_len;
};

static struct content read_content(lua_State *L)
{
    struct content content;
    content.data_len = 0;
    content.subject = lua_tolstring(L, S_SUBJECT, &content.subject_len);
    content.data = lua_tolstring(L, S_DATA, &content.data_len);
    return content;
}

/* Hands over what is left of a batch. */
static natskit_status try_batch(lua_State *L, lnk_state *st, int64_t block_ms)
{
    natskit_outgoing out[LNK_BATCH_STEP];
    uint64_t ids[LNK_BATCH_STEP];
    const lnk_publisher *publisher = lua_touserdata(L, S_WHO);
    lua_Integer total = lnk_batch_len(L);
    lua_Integer done = (lua_Integer)lua_rawlen(L, S_DATA);
    natskit_status status = NATSKIT_OK;
    while (status == NATSKIT_OK && done < total) {
        size_t published = 0;
        size_t count = lnk_batch_read(L, st, done, total, out);
        status = natskit_publisher_publish_batch(publisher->publisher, out, sizeof out[0], count, block_ms,
                                                 ids, &published);
        for (size_t i = 0; i < published; i++) {
            lua_pushinteger(L, (lua_Integer)ids[i]);
            lua_rawseti(L, S_DATA, ++done);
        }
    }
    return status;
}

/* `block_ms` is how long a publisher may block. The number of its message goes to `*id`. */
static natskit_status try_publish(lua_State *L, lnk_state *st, enum way way, int64_t left, int64_t block_ms,
                                  uint64_t *id, natskit_error *err)
{
    const natskit_options none = {0};
    if (way == BATCH) {
        return try_batch(L, st, block_ms);
    }
    natskit_headers headers = lnk_publish_headers(L, st);
    struct content content = read_content(L);
    if (way == TO_PUBLISHER) {
        const lnk_publisher *publisher = lua_touserdata(L, S_WHO);
        return natskit_publisher_publish(publisher->publisher, content.subject, content.subject_len, headers,
                                         content.data, content.data_len, block_ms, id);
    }
    if (way == TO_INGEST) {
        const lnk_ingest *ingest = lua_touserdata(L, S_WHO);
        return natskit_ingest_publish(ingest->ingest, content.subject, content.subject_len, headers,
                                      content.data, content.data_len, block_ms, id);
    }
    const lnk_js *js = lua_touserdata(L, S_WHO);
    lnk_wait *wait = lua_touserdata(L, S_WAIT);
    if (way == TO_COUNTER) {
        return natskit_js_increment_start(js->js, content.subject, content.subject_len, content.data,
                                          content.data_len, headers, none, left, &wait->op, err);
    }
    return natskit_js_publish_start(js->js, content.subject, content.subject_len, headers, content.data,
                                    content.data_len, none, left, &wait->op, err);
}

/* The connection of the context, publisher or ingest at S_WHO, which keeps it. */
static const lnk_conn *conn_of(lua_State *L, enum way way)
{
    if (is_single(way)) {
        return lnk_js_conn(L, S_WHO);
    }
    lua_getiuservalue(L, S_WHO, LNK_PUBLISHER_JS);
    const lnk_conn *conn = lnk_js_conn(L, lua_gettop(L));
    lua_pop(L, 1);
    return conn;
}

static uint64_t bytes_needed(lua_State *L, lnk_state *st, enum way way)
{
    natskit_outgoing out[LNK_BATCH_STEP];
    if (way == BATCH) { /* of the next message */
        lua_Integer done = (lua_Integer)lua_rawlen(L, S_DATA);
        lua_Integer total = (lua_Integer)lua_rawlen(L, S_SUBJECT);
        size_t left = lnk_batch_read(L, st, done, done < total ? done + 1 : total, out);
        return left == 0 ? 0 : out[0].subject_len + out[0].data_len + HEADERS_SIZE;
    }
    return lua_rawlen(L, S_SUBJECT) + lua_rawlen(L, S_DATA) + HEADERS_SIZE;
}

/* Begins an operation that tells when the window has room. */
static lnk_wait *start_window(lua_State *L, enum way way, uint64_t bytes, int64_t left)
{
    const natskit_options none = {0};
    if (lua_isnil(L, S_WAIT)) {
        lnk_push_wait(L, S_WHO);
        lua_replace(L, S_WAIT);
    }
    lnk_wait *room = lua_touserdata(L, S_WAIT);
    if (room->op.id != 0) {
        natskit_op_close(room->op);
        room->op.id = 0;
    }
    natskit_status status;
    if (way == TO_INGEST) {
        const lnk_ingest *ingest = lua_touserdata(L, S_WHO);
        status = natskit_ingest_room_start(ingest->ingest, none, left, &room->op, NULL);
    } else {
        const lnk_publisher *publisher = lua_touserdata(L, S_WHO);
        status = natskit_publisher_room_start(publisher->publisher, none, bytes, left, &room->op, NULL);
    }
    return status == NATSKIT_OK ? room : NULL;
}

/* The end of a batch, good or bad. */
static int published_batch(lua_State *L, natskit_status status)
{
    lua_Integer done = (lua_Integer)lua_rawlen(L, S_DATA);
    if (status == NATSKIT_INVALID) {
        return lnk_batch_bad(L, done + 1);
    }
    int results = status == NATSKIT_OK ? 0 : lnk_fail(L, status, NULL);
    lua_pushinteger(L, done); /* how many were accepted, in any case */
    lua_pushvalue(L, S_DATA);
    return results + 2;
}

/* The end of a publish, good or bad. */
static int published(lua_State *L, enum way way, natskit_status status, uint64_t id, const natskit_error *err)
{
    if (way == BATCH) {
        return published_batch(L, status);
    }
    if (status == NATSKIT_INVALID && way == TO_COUNTER && err->status == status) {
        return luaL_error(L, "increment: %s", err->text);
    }
    if (status == NATSKIT_INVALID) {
        return lnk_bad_subject(L, "publish", S_SUBJECT, 0);
    }
    if (status != NATSKIT_OK) {
        return lnk_fail(L, status, err);
    }
    if (is_single(way)) {
        return lnk_await(L, S_WAIT);
    }
    lua_pushinteger(L, (lua_Integer)id);
    return 1;
}

static int publish_k(lua_State *L, int resumed, lua_KContext context)
{
    enum way way = (enum way)context;
    lnk_state *st = lnk_state_of(L);
    int64_t deadline = (int64_t)lua_tointeger(L, S_DEADLINE);
    int suspend = resumed == LUA_YIELD ? lnk_suspended(L, st) : lnk_may_suspend(L, st);
    int waited = resumed == LUA_YIELD;
    natskit_error err;
    err.status = NATSKIT_OK;
    for (;; waited = 1) {
        uint64_t id = 0;
        int64_t left = lnk_left(deadline);
        int64_t slice = left < 0 || left > LNK_SLICE_MS ? LNK_SLICE_MS : left;
        natskit_status status = try_publish(L, st, way, left, suspend ? 0 : slice, &id, &err);
        int fast = status == NATSKIT_WOULD_BLOCK && left != 0 && conn_of(L, way)->fail_fast;
        if (fast && suspend && !is_single(way)) { /* with a moment to wait it is the outbox that is full */
            status = try_publish(L, st, way, left, 1, &id, &err);
            fast = status == NATSKIT_WOULD_BLOCK;
        }
        int full = status == NATSKIT_WOULD_BLOCK || (!is_single(way) && status == NATSKIT_TIMEOUT);
        if (!full || left == 0 || fast) {
            return published(L, way, full && waited && !fast ? NATSKIT_TIMEOUT : status, id, &err);
        }
        /* Which of the two is full is not told: each is asked in its turn. */
        int window = !is_single(way) && (lua_isnil(L, S_WAIT) || lua_toboolean(L, S_TOP + 1));
        lua_settop(L, S_TOP);
        lua_pushboolean(L, !window);
        if (!suspend && !is_single(way)) { /* it has waited already */
            lnk_breathe(L);
            continue;
        }
        int slot = window ? S_WAIT : S_ROOM;
        uint64_t bytes = bytes_needed(L, st, way);
        const lnk_wait *room = window ? start_window(L, way, bytes, left)
                                      : lnk_room_start(L, conn_of(L, way)->conn, S_ROOM, bytes, left);
        if (suspend) {
            lnk_room_push(L, st, room, slot, left);
            lua_callk(L, 2, 1, context, publish_k);
            suspend = lnk_suspended(L, st);
        } else {
            lnk_room_block(L, room, left);
        }
    }
}

/* -- js:publish --------------------------------------------------------------------------------------------
 */

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

void lnk_push_digits(lua_State *L, const char *digits, size_t len)
{
    lua_pushlstring(L, digits, len);
    if (lua_stringtonumber(L, lua_tostring(L, -1)) != 0) {
        if (lua_isinteger(L, -1)) {
            lua_remove(L, -2);
        } else {
            lua_pop(L, 1);
        }
    }
}

/* Pushes a table of what became of a message that is in its stream. */
static void push_ack(lua_State *L, const natskit_pub_ack *ack)
{
    lua_createtable(L, 0, 4);
    set_integer(L, "seq", ack->seq);
    set_text(L, "stream", ack->stream, ack->stream_len);
    set_text(L, "domain", ack->domain, ack->domain_len);
    lua_pushboolean(L, ack->duplicate);
    lua_setfield(L, -2, "duplicate");
    set_text(L, "batch", ack->batch, ack->batch_len);
    if (ack->count > 0) {
        set_integer(L, "count", ack->count);
    }
    if (ack->value_len > 0) {
        lnk_push_digits(L, ack->value, ack->value_len);
        lua_setfield(L, -2, "value");
    }
}

void lnk_push_outcome_name(lua_State *L, int32_t outcome)
{
    lua_pushstring(L, outcome_names[outcome > 0 && outcome < OUTCOMES ? outcome : 0]);
}

int lnk_finish_publish(lua_State *L, lnk_state *st, lnk_wait *wait, int index, natskit_status status,
                       const natskit_error *err)
{
    (void)st;
    (void)index;
    natskit_pub_ack ack;
    int32_t outcome = 0;
    if (status == NATSKIT_OK) {
        lnk_msg *reply = lnk_push_msg(L); /* owns it while strings are made */
        status = natskit_op_take_msg(wait->op, &reply->msg);
        if (status == NATSKIT_OK) {
            status = natskit_msg_pub_ack(reply->msg, &ack, sizeof ack);
        }
        if (status == NATSKIT_OK) {
            push_ack(L, &ack);
            natskit_msg_release(reply->msg);
            reply->msg = NULL;
            return 1;
        }
        err = NULL;
    }
    natskit_op_result(wait->op, &outcome, NULL);
    int base = lua_gettop(L);
    lnk_js_fail(L, status, err);
    lua_settop(L, base + 5);
    lnk_push_outcome_name(L, outcome);
    return 6;
}

/* js:publish(subject [, data [, {headers =, timeout =, msg_id =, ...}]]) -> ack */
int lnk_js_publish(lua_State *L)
{
    const lnk_js *js = lnk_check(L, lnk_state_of(L), S_WHO, LNK_JS);
    int64_t timeout_ms = prepare(L, js->timeout_ms);
    lua_pushinteger(L, (lua_Integer)lnk_deadline(timeout_ms));
    lnk_push_wait(L, S_WHO)->finish = lnk_finish_publish;
    lua_settop(L, S_TOP);
    return publish_k(L, LUA_OK, TO_STREAM);
}

/* The sum alone, of a finished ack. */
static int finish_increment(lua_State *L, lnk_state *st, lnk_wait *wait, int index, natskit_status status,
                            const natskit_error *err)
{
    int results = lnk_finish_publish(L, st, wait, index, status, err);
    if (results == 1) {
        lua_getfield(L, -1, "value");
    }
    return results;
}

/* js:increment(subject [, by [, {timeout =, headers =, msg_id =}]]) -> the sum: an integer, or digits */
int lnk_js_increment(lua_State *L)
{
    const lnk_js *js = lnk_check(L, lnk_state_of(L), S_WHO, LNK_JS);
    luaL_checkstring(L, S_SUBJECT);
    if (lua_isnoneornil(L, S_DATA)) {
        lua_settop(L, S_OPTIONS);
        lua_pushliteral(L, "1");
        lua_replace(L, S_DATA);
    } else if (lua_type(L, S_DATA) != LUA_TSTRING && !lua_isinteger(L, S_DATA)) {
        return luaL_argerror(L, S_DATA, "integer or its digits expected");
    }
    lua_tostring(L, S_DATA);
    int64_t timeout_ms = prepare(L, js->timeout_ms);
    lua_pushinteger(L, (lua_Integer)lnk_deadline(timeout_ms));
    lnk_push_wait(L, S_WHO)->finish = finish_increment;
    lua_settop(L, S_TOP);
    return publish_k(L, LUA_OK, TO_COUNTER);
}

/* -- publishers --------------------------------------------------------------------------------------------
 */

static const lnk_publisher *check_publisher(lua_State *L)
{
    return lnk_check(L, lnk_state_of(L), S_WHO, LNK_PUBLISHER);
}

/* Pushes the options at 2. Outcomes that nobody asked for would hold up the publisher when nobody takes them.
 */
static lnk_options *push_options(lua_State *L, int *takes_all)
{
    natskit_error err;
    lnk_options *options = lnk_begin_options(L);
    lnk_options_open(L, options, NATSKIT_OPTIONS_PUBLISHER);
    *takes_all = 0;
    natskit_options_set(options->options, "acks", NATSKIT_ZLEN, "failures", NATSKIT_ZLEN, &err);
    if (!lua_isnil(L, 2)) {
        lnk_fill_options(L, options, 2, NATSKIT_OPTIONS_PUBLISHER, NULL);
        lua_getfield(L, 2, "acks");
        *takes_all = lua_isstring(L, -1) && strcmp(lua_tostring(L, -1), "all") == 0;
        lua_pop(L, 1);
    }
    return options;
}

/* js:publisher([options of the library]) */
int lnk_js_publisher(lua_State *L)
{
    const lnk_js *js = lnk_check(L, lnk_state_of(L), 1, LNK_JS);
    natskit_error err;
    int takes_all;
    lua_settop(L, 2);
    lnk_options *options = push_options(L, &takes_all);
    lnk_publisher *publisher = lnk_new(L, LNK_PUBLISHER, sizeof *publisher, LNK_PUBLISHER_VALUES);
    publisher->takes_all = takes_all;
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, LNK_PUBLISHER_JS);
    lua_getiuservalue(L, 1, LNK_JS_CONN);
    lnk_sub *acks = lnk_push_sub(L, lua_gettop(L), LNK_SUB_VALUES);
    natskit_status status =
        natskit_publisher_open(js->js, lnk_options_of(options), &publisher->publisher, &acks->sub, &err);
    lnk_options_end(options);
    if (status != NATSKIT_OK) {
        return lnk_fail_or_raise(L, status, &err, "publisher");
    }
    lua_setiuservalue(L, -3, LNK_PUBLISHER_ACKS);
    lua_pop(L, 1);
    return 1;
}

static int publish_one(lua_State *L, enum way way)
{
    lnk_state *st = lnk_state_of(L);
    uint64_t id = 0;
    int64_t timeout_ms = prepare(L, LNK_PUBLISH_MS);
    /* Mostly there is room, and no clock need be asked. */
    natskit_status status = try_publish(L, st, way, 0, 0, &id, NULL);
    if (status == NATSKIT_OK) {
        lua_pushinteger(L, (lua_Integer)id);
        return 1;
    }
    if (status != NATSKIT_WOULD_BLOCK) {
        return published(L, way, status, 0, NULL);
    }
    lua_pushinteger(L, (lua_Integer)lnk_deadline(timeout_ms));
    lua_settop(L, S_TOP);
    return publish_k(L, LUA_OK, way);
}

/* pub:publish(subject [, data [, options as of js:publish]]) -> number */
static int publisher_publish(lua_State *L)
{
    check_publisher(L);
    return publish_one(L, TO_PUBLISHER);
}

/* fast:publish(subject [, data [, options as of js:publish]]) -> number */
int lnk_ingest_publish(lua_State *L)
{
    lnk_check(L, lnk_state_of(L), S_WHO, LNK_INGEST);
    return publish_one(L, TO_INGEST);
}

/* All messages of a batch are looked at before the first is handed over. */
static void check_batch(lua_State *L, lnk_state *st)
{
    natskit_outgoing out[LNK_BATCH_STEP];
    lua_Integer total = lnk_batch_len(L);
    for (lua_Integer seen = 0; seen < total;) {
        size_t count = lnk_batch_read(L, st, seen, total, out);
        for (size_t i = 0; i < count; i++) {
            if (out[i].reply_len > 0) {
                luaL_error(L, "publish_batch: message %I: a publisher has replies of its own",
                           seen + (lua_Integer)i + 1);
            }
        }
        seen += (lua_Integer)count;
    }
}

/* pub:publish_batch(list [, {timeout =}]) -> number of messages, list of their numbers */
static int publisher_publish_batch(lua_State *L)
{
    lnk_state *st = lnk_state_of(L);
    check_publisher(L);
    luaL_checktype(L, S_SUBJECT, LUA_TTABLE);
    lua_settop(L, 3);
    int64_t timeout_ms = lnk_send_options(L, 3, LNK_OPT_TIMEOUT, LNK_PUBLISH_MS);
    check_batch(L, st);
    lua_settop(L, S_SUBJECT);
    lua_createtable(L, (int)lnk_batch_len(L), 0);
    lua_settop(L, S_OPTIONS);
    lua_pushinteger(L, (lua_Integer)lnk_deadline(timeout_ms));
    lua_settop(L, S_TOP);
    return publish_k(L, LUA_OK, BATCH);
}

/* What the publisher at 1 tells of itself; what is ahead of the program counts as not taken. */
static natskit_status read_info(lua_State *L, natskit_publisher_info *info)
{
    const lnk_publisher *publisher = lua_touserdata(L, 1);
    memset(info, 0, sizeof *info);
    if (publisher->publisher.id == 0) {
        *info = publisher->last;
        return NATSKIT_OK;
    }
    natskit_status status = natskit_publisher_info_get(publisher->publisher, info, sizeof *info);
    lua_getiuservalue(L, 1, LNK_PUBLISHER_ACKS);
    const lnk_sub *acks = lua_touserdata(L, -1);
    info->untaken += acks->count - acks->head;
    lua_pop(L, 1);
    return status;
}

/* Ends it; its numbers stay. */
static int publisher_gc(lua_State *L)
{
    lnk_publisher *publisher = lua_touserdata(L, 1);
    if (publisher->publisher.id != 0 && read_info(L, &publisher->last) == NATSKIT_OK &&
        publisher->last.reason == NATSKIT_OK) {
        publisher->last.reason = NATSKIT_UNSUBSCRIBED; /* as of other subscriptions that the program closes */
    }
    natskit_publisher_close(publisher->publisher);
    publisher->publisher.id = 0;
    return 0;
}

/* pub:close(): what has no outcome yet gets one; outcomes can still be taken */
static int publisher_close(lua_State *L)
{
    check_publisher(L);
    publisher_gc(L);
    lua_pushboolean(L, 1);
    return 1;
}

/* Begins to wait until all has its outcome. */
static natskit_status start_done(lua_State *L, int64_t timeout_ms, lnk_wait **out, natskit_error *err)
{
    const natskit_options none = {0};
    const lnk_publisher *publisher = check_publisher(L);
    lua_settop(L, 1);
    *out = lnk_push_wait(L, 1);
    return natskit_publisher_done_start(publisher->publisher, none, timeout_ms, &(*out)->op, err);
}

/* Of a publisher whose outcomes the program takes: how many failures are still to be taken. */
static int count_failures(lua_State *L, const lnk_publisher *publisher, const lnk_sub *acks)
{
    natskit_publisher_info info;
    memset(&info, 0, sizeof info);
    natskit_status status = natskit_publisher_info_get(publisher->publisher, &info, sizeof info);
    uint32_t untold = (uint32_t)info.failed - acks->errors;
    if (status != NATSKIT_OK || untold == 0) {
        return lnk_result(L, status, NULL);
    }
    const char *text =
        lua_pushfstring(L, "messages not known to be stored: %I; pub:acks() tells why", (lua_Integer)untold);
    return lnk_fail_text(L, NATSKIT_JS_REFUSED, text);
}

/* Pushes a text of the failures in the list on top, and the code of the first. */
static void push_first(lua_State *L, lua_Integer count)
{
    lua_rawgeti(L, -1, 1);
    int first = lua_gettop(L);
    lua_getfield(L, first, "code");
    lua_getfield(L, first, "text");
    lua_getfield(L, first, "id");
    lua_pushfstring(L, "messages not known to be stored: %I; number %I: %s", count, lua_tointeger(L, -1),
                    lua_tostring(L, -2));
    lua_insert(L, first + 1);
    lua_settop(L, first + 2);
    lua_remove(L, first);
}

/* Takes the failures that nobody has taken: true, or nil, message, code, list of them. */
static int take_failures(lua_State *L)
{
    const lnk_publisher *publisher = lua_touserdata(L, S_WHO);
    lua_getiuservalue(L, S_WHO, LNK_PUBLISHER_ACKS);
    lnk_sub *acks = lua_touserdata(L, -1);
    lua_Integer count = 0;
    if (publisher->takes_all) {
        return count_failures(L, publisher, acks);
    }
    lua_newtable(L);
    int list = lua_gettop(L);
    while (acks->head < acks->count || lnk_sub_refill(acks, 0) == NATSKIT_OK) {
        if (lnk_push_outcome_table(L, acks) == 1) {
            lua_rawseti(L, list, ++count);
        }
        lua_settop(L, list);
    }
    if (count == 0) {
        lua_pushboolean(L, 1);
        return 1;
    }
    push_first(L, count);
    lua_pushnil(L);
    lua_insert(L, list + 1);
    lua_pushvalue(L, list);
    return 4;
}

static int finish_done(lua_State *L, lnk_state *st, lnk_wait *wait, int index, natskit_status status,
                       const natskit_error *err)
{
    return status == NATSKIT_OK ? take_failures(L) : lnk_finish_plain(L, st, wait, index, status, err);
}

/* pub:done([timeout]) */
static int publisher_done(lua_State *L)
{
    natskit_error err;
    lnk_wait *wait;
    natskit_status status = start_done(L, lnk_opt_ms(L, 2, "timeout", LNK_DRAIN_MS), &wait, &err);
    wait->finish = finish_done;
    return status == NATSKIT_OK ? lnk_await(L, 2) : lnk_fail(L, status, &err);
}

/* After an error, which is to be seen, and not what came of it. */
static int finish_left(lua_State *L, lnk_state *st, lnk_wait *wait, int index, natskit_status status,
                       const natskit_error *err)
{
    publisher_gc(L); /* it is at 1 */
    return lnk_finish_plain(L, st, wait, index, status, err);
}

static int finish_close(lua_State *L, lnk_state *st, lnk_wait *wait, int index, natskit_status status,
                        const natskit_error *err)
{
    int results = finish_done(L, st, wait, index, status, err);
    publisher_gc(L);
    if (lua_toboolean(L, -results)) {
        return results;
    }
    return luaL_error(L, "publisher: %s (%s)", lua_tostring(L, 1 - results), lua_tostring(L, 2 - results));
}

/* End of the scope of a <close> variable: waits for the acks, and raises if a message failed. */
static int publisher_to_be_closed(lua_State *L)
{
    natskit_error err;
    lnk_wait *wait;
    int failed = !lua_isnoneornil(L, 2);
    natskit_status status = start_done(L, LNK_DRAIN_MS, &wait, &err);
    wait->finish = failed ? finish_left : finish_close;
    return status == NATSKIT_OK ? lnk_await(L, 2) : publisher_gc(L);
}

/* for number, seq, code, text in pub:acks([timeout]) do */
static int publisher_acks(lua_State *L)
{
    check_publisher(L);
    int64_t timeout_ms = lnk_opt_ms(L, 2, "timeout", -1);
    lua_getiuservalue(L, 1, LNK_PUBLISHER_ACKS);
    return lnk_sub_outcomes(L, timeout_ms);
}

/* pub:next_ack([timeout]) -> table */
static int publisher_next_ack(lua_State *L)
{
    check_publisher(L);
    int64_t timeout_ms = lnk_opt_ms(L, 2, "timeout", -1);
    lua_getiuservalue(L, 1, LNK_PUBLISHER_ACKS);
    return lnk_sub_outcome(L, timeout_ms);
}

/* pub:info() -> table */
static int publisher_info(lua_State *L)
{
    natskit_publisher_info info;
    check_publisher(L);
    natskit_status status = read_info(L, &info);
    if (status != NATSKIT_OK) {
        return lnk_fail(L, status, NULL);
    }
    lua_createtable(L, 0, 11);
    set_integer(L, "published", info.published);
    set_integer(L, "pending", info.pending);
    set_integer(L, "pending_bytes", info.pending_bytes);
    set_integer(L, "acked", info.acked);
    set_integer(L, "duplicates", info.duplicates);
    set_integer(L, "failed", info.failed);
    set_integer(L, "retried", info.retried);
    set_integer(L, "resent", info.resent);
    set_integer(L, "late", info.late);
    set_integer(L, "untaken", info.untaken);
    if (info.reason != NATSKIT_OK) {
        lnk_push_code(L, info.reason);
        lua_setfield(L, -2, "reason");
    }
    return 1;
}

static int publisher_tostring(lua_State *L)
{
    const lnk_publisher *publisher = check_publisher(L);
    lua_pushfstring(L,
                    publisher->publisher.id == 0 ? "natskit.publisher (closed): %p" : "natskit.publisher: %p",
                    (const void *)publisher);
    return 1;
}

static const luaL_Reg publisher_methods[] = {
    {"publish", publisher_publish}, {"publish_batch", publisher_publish_batch},
    {"acks", publisher_acks},       {"next_ack", publisher_next_ack},
    {"done", publisher_done},       {"info", publisher_info},
    {"close", publisher_close},     {NULL, NULL}};

static const luaL_Reg publisher_meta[] = {{"__gc", publisher_gc},
                                          {"__close", publisher_to_be_closed},
                                          {"__tostring", publisher_tostring},
                                          {NULL, NULL}};

void lnk_publisher_register(lua_State *L, int state_index)
{
    luaL_newmetatable(L, lnk_names[LNK_PUBLISHER]);
    lnk_set_funcs(L, state_index, publisher_meta);
    lua_newtable(L);
    lnk_set_funcs(L, state_index, publisher_methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}

/* -- what became of messages of a publisher ----------------------------------------------------------------
 */

/* Numbers alone, which need no memory; 0 if there is more to say. */
static int push_numbers(lua_State *L, lnk_sub *sub)
{
    natskit_pub_ack ack;
    natskit_msg *msg = sub->head < sub->count ? sub->ahead[sub->head] : NULL;
    if (msg == NULL || natskit_msg_pub_ack(msg, &ack, sizeof ack) != NATSKIT_OK || ack.status != NATSKIT_OK) {
        return 0;
    }
    lnk_sub_shift(sub);
    lua_pushinteger(L, (lua_Integer)ack.id);
    lua_pushinteger(L, (lua_Integer)ack.seq);
    natskit_msg_release(msg);
    return 2;
}

/* Takes the next one, and pushes an owner of it. 0: it was closed by a finalizer meanwhile. */
static lnk_msg *take(lua_State *L, lnk_sub *sub, natskit_pub_ack *ack)
{
    lnk_msg *owner = lnk_push_msg(L);
    owner->msg = lnk_sub_shift(sub);
    memset(ack, 0, sizeof *ack);
    if (owner->msg == NULL || natskit_msg_pub_ack(owner->msg, ack, sizeof *ack) != NATSKIT_OK) {
        return NULL;
    }
    return owner;
}

static void push_text(lua_State *L, const natskit_pub_ack *ack)
{
    if (ack->text_len > 0) {
        lua_pushlstring(L, ack->text, ack->text_len);
    } else {
        lua_pushstring(L, lnk_status_text(ack->status));
    }
}

static void release(lnk_msg *owner)
{
    natskit_msg_release(owner->msg);
    owner->msg = NULL;
}

int lnk_push_outcome(lua_State *L, lnk_sub *sub)
{
    natskit_pub_ack ack;
    int results = push_numbers(L, sub);
    if (results > 0) {
        return results;
    }
    lnk_msg *owner = take(L, sub, &ack);
    if (owner == NULL) {
        lua_pushnil(L);
        return 1;
    }
    sub->errors++;
    lua_pushinteger(L, (lua_Integer)ack.id);
    lua_pushnil(L);
    lnk_push_code(L, ack.status);
    push_text(L, &ack);
    release(owner);
    return 4;
}

int lnk_push_outcome_table(lua_State *L, lnk_sub *sub)
{
    natskit_pub_ack ack;
    lnk_msg *owner = take(L, sub, &ack);
    if (owner == NULL) {
        return lnk_fail(L, NATSKIT_CLOSED, NULL);
    }
    push_ack(L, &ack);
    set_integer(L, "id", ack.id);
    lnk_push_outcome_name(L, ack.outcome);
    lua_setfield(L, -2, "outcome");
    if (ack.status != NATSKIT_OK) {
        sub->errors++;
        lua_pushnil(L);
        lua_setfield(L, -2, "seq");
        lnk_push_code(L, ack.status);
        lua_setfield(L, -2, "code");
        push_text(L, &ack);
        lua_setfield(L, -2, "text");
        set_integer(L, "err_code", (uint64_t)ack.err_code);
        set_integer(L, "server_code", (uint64_t)ack.server_code);
    }
    release(owner);
    return 1;
}
