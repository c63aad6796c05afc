/* The connection as callers use it: opening, publishing, requests, state, end. See conn.h. Any thread. */
#include "client/conn.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/probe.h"
#include "client/chain.h"
#include "client/driver.h"

#include <errno.h>
#include <unistd.h>

/* A publish that comes alone is written at once; when they come closer than this the I/O thread gathers them.
 */
#define ALONE_NS (50 * INT64_C(1000))
#define STREAM_MSGS 8 /* so many between two writes, close to each other, are a stream */

void nki_conn_retain(struct nki_conn *conn)
{
    atomic_fetch_add_explicit(&conn->refs, 1, memory_order_relaxed);
}

void nki_conn_release(struct nki_conn *conn)
{
    if (atomic_fetch_sub_explicit(&conn->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    assert(conn->transport == NULL && conn->resolve == NULL && conn->dial == NULL && conn->prepare == NULL);
    nki_tls_config_release(conn->tls_config);
    nki_engine_free(&conn->engine);
    if (conn->nudge_fd >= 0) {
        close(conn->nudge_fd);
    }
    pthread_mutex_destroy(&conn->engine_mu);
    pthread_mutex_destroy(&conn->turn_mu);
    nki_free(conn);
}

static struct nki_conn *conn_new(const struct nki_conn_params *params, struct nki_error *err, int32_t *status)
{
    struct nki_conn *conn = nki_calloc(1, sizeof *conn);
    struct nki_options *options =
        params->options != NULL ? nki_options_clone(params->options) : nki_options_new(NKI_SCOPE_CONNECT);
    if (conn == NULL || options == NULL) {
        nki_free(conn);
        nki_options_free(options);
        *status = nki_error_set(err, NKI_NO_MEMORY, NULL);
        return NULL;
    }
    atomic_init(&conn->refs, 1);
    pthread_mutex_init(&conn->engine_mu, NULL);
    pthread_mutex_init(&conn->turn_mu, NULL);
    conn->nudge_fd = -1;
    conn->armed_ns = NKI_NEVER;
    conn->gather_ns = NKI_NEVER;
    conn->lease_ns = NKI_NEVER;
    /* Until the first INFO tells better. */
    nki_list_init(&conn->run_node);
    nki_list_init(&conn->live_node);
    nki_list_init(&conn->timer_node);
    nki_list_init(&conn->post_node);
    *status = nki_engine_init(&conn->engine, options, params->urls, err);
    conn->engine.origin = params->origin;
    conn->engine.outbox.origin = params->origin;
    return conn;
}

int32_t nki_conn_open(const struct nki_conn_params *params, struct nki_conn **out, struct nki_op **op,
                      struct nki_error *err)
{
    int32_t status;
    struct nki_op *connect_op = nki_op_new();
    if (connect_op == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    struct nki_conn *conn = conn_new(params, err, &status);
    if (conn != NULL && status == NKI_OK) {
        nki_op_retain(connect_op);
        nki_engine_start(&conn->engine, connect_op, params->deadline_ns, nki_clock_now_ns());
        status = nki_loop_add(conn, err);
        if (status == NKI_OK) {
            nki_driver_begin(conn);
        } else {
            nki_engine_close(&conn->engine, NULL, 0);
        }
    }
    if (status != NKI_OK) {
        nki_op_release(connect_op);
        if (conn != NULL) {
            nki_conn_release(conn);
        }
        return status;
    }
    if (op != NULL) {
        *op = connect_op;
    } else {
        nki_op_release(connect_op);
    }
    *out = conn;
    return NKI_OK;
}

uint64_t nki_conn_origin(const struct nki_conn *conn)
{
    return conn->engine.origin; /* constant */
}

/* Unlocks after an engine call, and writes if the engine got the transmit right. */
static void leave(struct nki_conn *conn)
{
    bool right = nki_driver_settle(conn);
    nki_conn_unlock(conn);
    if (right) {
        nki_driver_transmit(conn);
    }
}

int32_t nki_conn_check_size(const struct nki_conn *conn, const struct nki_outgoing_msg *msg)
{
    return nki_engine_check_size(&conn->engine, msg);
}

enum urgency {
    AT_ONCE,  /* somebody waits for it */
    SOON,     /* by whoever is faster, the caller or the I/O thread */
    IN_STREAM /* among many it may wait until more have gathered */
};

/* The caller got the right with what it appended: it writes itself what is urgent, comes alone, or is enough
 * for a write. The fields that measure this belong to whoever holds the right. */
static void use_right(struct nki_conn *conn, enum urgency urgency)
{
    uint64_t msgs;
    uint64_t bytes;
    uint64_t pending;
    if (urgency == AT_ONCE) {
        nki_driver_transmit(conn);
        return;
    }
    int64_t now_ns = nki_clock_now_ns();
    nki_outbox_counts_get(&conn->engine.outbox, &msgs, &bytes, &pending);
    int64_t since = (int64_t)(msgs - conn->last_msgs);
    bool stream = since >= STREAM_MSGS || bytes - conn->last_bytes >= NKI_OUTBOX_PARKED_BYTES;
    bool alone = now_ns - conn->last_msg_ns > since * ALONE_NS;
    if (!alone && pending >= NKI_OUTBOX_PARKED_BYTES) {
        nki_driver_transmit(conn); /* not remembered: the message after it is part of the stream, too */
        return;
    }
    conn->last_msg_ns = now_ns;
    conn->last_msgs = msgs;
    conn->last_bytes = bytes;
    if (alone) {
        nki_driver_transmit(conn);
    } else if (urgency == IN_STREAM ? stream : atomic_load_explicit(&conn->waits, memory_order_relaxed)) {
        nki_driver_park_right(conn);
    } else if (urgency == IN_STREAM || !nki_lease_call(conn)) {
        nki_driver_pass_right(conn);
    }
}

void nki_conn_use_right(struct nki_conn *conn, bool at_once)
{
    use_right(conn, at_once ? AT_ONCE : IN_STREAM);
}

static int32_t publish(struct nki_conn *conn, const struct nki_outgoing_msg *msgs, size_t count,
                       int64_t deadline_ns, enum urgency urgency, size_t *published)
{
    int32_t fault = NKI_OK;
    size_t good = 0;
    while (good < count && (fault = nki_conn_check_size(conn, &msgs[good])) == NKI_OK) {
        good++;
    }
    int32_t status = good > 0 ? NKI_WOULD_BLOCK : NKI_OK;
    *published = 0;
    while (status == NKI_WOULD_BLOCK) {
        bool kick;
        size_t done;
        status = nki_outbox_append(&conn->engine.outbox, msgs + *published, good - *published, deadline_ns,
                                   &done, &kick);
        *published += done;
        if (kick || (urgency == AT_ONCE && nki_outbox_hurry(&conn->engine.outbox))) {
            use_right(conn, status == NKI_WOULD_BLOCK ? AT_ONCE : urgency); /* room comes by writing */
        }
        if (deadline_ns == 0 || conn->engine.outbox.limits.fail_fast) {
            break;
        }
    }
    return status != NKI_OK ? status : fault;
}

int32_t nki_conn_publish(struct nki_conn *conn, const struct nki_outgoing_msg *msg, int64_t deadline_ns)
{
    bool kick;
    if (NKI_LIKELY(nki_conn_check_size(conn, msg) == NKI_OK &&
                   nki_outbox_append_soon(&conn->engine.outbox, msg, &kick))) {
        if (NKI_UNLIKELY(kick)) {
            use_right(conn, IN_STREAM);
        }
        return NKI_OK;
    }
    size_t published;
    return publish(conn, msg, 1, deadline_ns, IN_STREAM, &published);
}

int32_t nki_conn_respond(struct nki_conn *conn, const struct nki_outgoing_msg *msg, int64_t deadline_ns)
{
    size_t published;
    return publish(conn, msg, 1, deadline_ns, AT_ONCE, &published);
}

int32_t nki_conn_publish_batch(struct nki_conn *conn, const struct nki_outgoing_msg *msgs, size_t count,
                               int64_t deadline_ns, size_t *published)
{
    return publish(conn, msgs, count, deadline_ns, IN_STREAM, published);
}

/* Appends a request, which may have to write what others left to gather before there is room. *kick: the
 * caller holds the transmit right. */
static int32_t append_request(struct nki_conn *conn, const struct nki_outgoing_msg *msg, int64_t room_ns,
                              bool *kick)
{
    struct nki_outbox *outbox = &conn->engine.outbox;
    size_t done;
    int32_t status = nki_outbox_append(outbox, msg, 1, room_ns, &done, kick);
    while (status == NKI_WOULD_BLOCK && *kick && room_ns != 0 && !outbox->limits.fail_fast) {
        use_right(conn, AT_ONCE);
        status = nki_outbox_append(outbox, msg, 1, room_ns, &done, kick);
    }
    return status;
}

/* Over the common inbox, with an operation that is taken over. The engine gives it a timer up to `timer_ns`;
 * for room it waits until `room_ns`. */
static int32_t send_request(struct nki_conn *conn, const struct nki_outgoing_msg *msg, int64_t timer_ns,
                            int64_t room_ns, struct nki_op *op, struct nki_op **out, struct nki_error *err)
{
    char reply[NKI_INBOX_MAX];
    size_t reply_len = 0;
    int32_t status;
    op->asked = nki_str_hash(msg->subject);
    op->asks = true;
    NKI_PROBE(request__begin, conn->engine.origin, op, msg->subject.ptr, msg->subject.len);
    nki_conn_lock(conn);
    assert(conn->engine.replies.prefix_len + NKI_REPLIES_TOKEN_MAX <= sizeof reply);
    status = nki_engine_request(&conn->engine, op, timer_ns, reply, &reply_len);
    bool right = nki_driver_settle(conn);
    nki_conn_unlock(conn);
    if (right && room_ns != 0) {
        use_right(conn, AT_ONCE); /* whoever waits for room must not hold what makes it */
        right = false;
    }
    if (status == NKI_OK) {
        struct nki_outgoing_msg with_reply = *msg;
        with_reply.reply = nki_str_make(reply, reply_len);
        bool kick;
        status = append_request(conn, &with_reply, room_ns, &kick);
        right = right || kick;
        if (status != NKI_OK) {
            nki_conn_cancel(conn, op);
        }
    }
    enum urgency urgency =
        room_ns != 0 ? AT_ONCE : SOON; /* a caller that waits for room waits for the reply */
    if (right || (urgency == AT_ONCE && nki_outbox_hurry(&conn->engine.outbox))) {
        use_right(conn, urgency);
    }
    if (status != NKI_OK) {
        nki_op_release(op);
        return nki_error_set(err, status, NULL);
    }
    *out = op;
    return NKI_OK;
}

/* The operation of a message that fits the server; NULL with a status. */
static struct nki_op *request_op(struct nki_conn *conn, const struct nki_outgoing_msg *msg,
                                 struct nki_error *err)
{
    int32_t status = nki_conn_check_size(conn, msg);
    struct nki_op *op = status == NKI_OK ? nki_op_new() : NULL;
    if (op == NULL) {
        nki_error_set(err, status == NKI_OK ? NKI_NO_MEMORY : status, NULL);
    }
    return op;
}

static int32_t request(struct nki_conn *conn, const struct nki_outgoing_msg *msg, int64_t timer_ns,
                       int64_t room_ns, bool keep, struct nki_op **out, struct nki_error *err)
{
    struct nki_error error;
    struct nki_op *op = request_op(conn, msg, &error);
    if (op == NULL) {
        return nki_error_set(err, error.status, NULL);
    }
    op->keep = keep;
    return send_request(conn, msg, timer_ns, room_ns, op, out, err);
}

int32_t nki_conn_chain(struct nki_conn *conn, struct nki_chain *chain, int64_t deadline_ns, bool timed,
                       bool wait_room, struct nki_op **out, struct nki_error *err)
{
    struct nki_error error;
    struct nki_op *op = request_op(conn, &chain->out, &error);
    if (op == NULL) {
        chain->part.free(&chain->part);
        return nki_error_set(err, error.status, NULL);
    }
    nki_chain_attach(chain, op, timed ? deadline_ns : NKI_NEVER);
    return send_request(conn, &chain->out, chain->deadline_ns, wait_room ? deadline_ns : 0, op, out, err);
}

int32_t nki_conn_request(struct nki_conn *conn, const struct nki_outgoing_msg *msg, int64_t deadline_ns,
                         bool timed, bool wait_room, struct nki_op **out, struct nki_error *err)
{
    return request(conn, msg, timed ? deadline_ns : NKI_NEVER, wait_room ? deadline_ns : 0, false, out, err);
}

int32_t nki_conn_request_with(struct nki_conn *conn, const struct nki_outgoing_msg *msg,
                              const struct nki_request_params *params, int64_t deadline_ns,
                              struct nki_op **out, struct nki_error *err)
{
    return params->own_sub ? nki_conn_ask(conn, msg, params, deadline_ns, out, err)
                           : request(conn, msg, deadline_ns, 0, params->keep, out, err);
}

/* Gives the operation to the caller if it was begun, else drops it. */
static int32_t give_op(int32_t status, struct nki_op *op, struct nki_op **out, struct nki_error *err)
{
    if (status != NKI_OK) {
        nki_op_release(op);
        return nki_error_set(err, status, NULL);
    }
    *out = op;
    return NKI_OK;
}

int32_t nki_conn_flush(struct nki_conn *conn, int64_t deadline_ns, bool timed, struct nki_op **out,
                       struct nki_error *err)
{
    struct nki_op *op = nki_op_new();
    if (op == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    nki_conn_lock(conn);
    int32_t status = nki_engine_flush(&conn->engine, op, timed ? deadline_ns : NKI_NEVER);
    leave(conn);
    return give_op(status, op, out, err);
}

/* With the engine lock: a timer, if the connection lives. */
static int32_t begin_timed(struct nki_conn *conn, struct nki_op *op, int64_t deadline_ns)
{
    if (conn->engine.state == NKI_ENGINE_CLOSED) {
        return NKI_CLOSED;
    }
    return nki_engine_timer(&conn->engine, op, deadline_ns) ? NKI_OK : NKI_NO_MEMORY;
}

int32_t nki_conn_room(struct nki_conn *conn, uint64_t bytes, int64_t deadline_ns, struct nki_op **out,
                      struct nki_error *err)
{
    struct nki_op *op = nki_op_new();
    if (op == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    nki_conn_lock(conn);
    int32_t status = begin_timed(conn, op, deadline_ns);
    leave(conn);
    if (status == NKI_OK) {
        nki_outbox_room(&conn->engine.outbox, op, bytes);
    }
    return give_op(status, op, out, err);
}

int32_t nki_conn_promise(struct nki_conn *conn, int64_t deadline_ns, bool timed, struct nki_op **out,
                         struct nki_error *err)
{
    struct nki_op *op = nki_op_new();
    if (op == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    nki_conn_lock(conn);
    int32_t status = begin_timed(conn, op, timed ? deadline_ns : NKI_NEVER);
    leave(conn);
    return give_op(status, op, out, err);
}

int32_t nki_conn_written(struct nki_conn *conn, int64_t deadline_ns, struct nki_op **out,
                         struct nki_error *err)
{
    struct nki_op *op = nki_op_new();
    if (op == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    nki_conn_lock(conn);
    int32_t status = begin_timed(conn, op, deadline_ns);
    leave(conn);
    if (status == NKI_OK) {
        nki_outbox_written(&conn->engine.outbox, op);
    }
    return give_op(status, op, out, err);
}

int32_t nki_conn_closed(struct nki_conn *conn, int64_t deadline_ns, struct nki_op **out,
                        struct nki_error *err)
{
    struct nki_op *op = nki_op_new();
    if (op == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    nki_conn_lock(conn);
    bool ok = nki_engine_closed_op(&conn->engine, op, deadline_ns);
    leave(conn);
    return give_op(ok ? NKI_OK : NKI_NO_MEMORY, op, out, err);
}

int32_t nki_conn_drain(struct nki_conn *conn, int64_t deadline_ns, struct nki_op **out, struct nki_error *err)
{
    struct nki_op *op = nki_op_new();
    if (op == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    nki_conn_lock(conn);
    int32_t status = nki_engine_drain(&conn->engine, op, deadline_ns, nki_clock_now_ns());
    leave(conn);
    return give_op(status, op, out, err);
}

int32_t nki_conn_reconnect(struct nki_conn *conn, struct nki_error *err)
{
    nki_conn_lock(conn);
    int32_t status = nki_engine_reconnect(&conn->engine, nki_clock_now_ns());
    leave(conn);
    return status == NKI_OK ? NKI_OK : nki_error_set(err, status, NULL);
}

int32_t nki_conn_answer_auth(struct nki_conn *conn, uint64_t request, const struct nki_options *answer,
                             struct nki_error *err)
{
    struct nki_answer read = {.signature = {NULL, 0}};
    int32_t status = answer != NULL ? nki_answer_read(&read, answer, err) : NKI_OK;
    if (status != NKI_OK) {
        return status;
    }
    nki_conn_lock(conn);
    status = nki_engine_answer_auth(&conn->engine, request, &read, nki_clock_now_ns());
    leave(conn);
    nki_answer_free(&read);
    return status == NKI_OK
               ? NKI_OK
               : nki_error_set(err, status, "request %llu: not open any more", (unsigned long long)request);
}

int32_t nki_conn_answer_delay(struct nki_conn *conn, uint64_t request, int64_t delay_ms)
{
    nki_conn_lock(conn);
    int32_t status = nki_engine_answer_delay(&conn->engine, request, delay_ms, nki_clock_now_ns());
    leave(conn);
    return status;
}

void nki_conn_cancel(struct nki_conn *conn, struct nki_op *op)
{
    nki_op_close(op); /* first: nobody who waits for it may see it end by what the engine does now */
    nki_conn_lock(conn);
    nki_engine_cancel(&conn->engine, op);
    nki_engine_drain_step(&conn->engine, nki_clock_now_ns()); /* which may have waited for the request */
    leave(conn);
}

int32_t nki_conn_close_start(struct nki_conn *conn, int64_t deadline_ns, struct nki_op **out,
                             struct nki_error *err)
{
    struct nki_op *op = nki_op_new();
    if (op == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    nki_op_retain(op);
    nki_conn_lock(conn);
    nki_engine_close_linger(&conn->engine, op, deadline_ns, nki_clock_now_ns());
    nki_lease_end(conn); /* whoever closes it may collect no more */
    leave(conn);
    *out = op;
    return NKI_OK;
}

int32_t nki_conn_close(struct nki_conn *conn, int64_t deadline_ns)
{
    struct nki_op *op = NULL;
    int32_t status = deadline_ns == 0 ? NKI_OK : nki_conn_close_start(conn, deadline_ns, &op, NULL);
    if (op == NULL) {
        nki_conn_lock(conn);
        nki_engine_close(&conn->engine, NULL, nki_clock_now_ns());
        leave(conn);
        return status;
    }
    nki_conn_wait_op(conn, op, NKI_NEVER); /* the close has its own deadline */
    status = nki_op_result(op, NULL, NULL);
    nki_op_release(op);
    nki_conn_lock(conn);
    leave(conn); /* whoever closed it for us has hung up, too */
    return status;
}

void nki_conn_status_get(struct nki_conn *conn, struct nki_conn_status *out)
{
    static const enum nki_conn_state states[] = {
        [NKI_ENGINE_IDLE] = NKI_STATE_CONNECTING,      [NKI_ENGINE_DIALING] = NKI_STATE_CONNECTING,
        [NKI_ENGINE_WAIT_INFO] = NKI_STATE_CONNECTING, [NKI_ENGINE_WAIT_TLS] = NKI_STATE_CONNECTING,
        [NKI_ENGINE_WAIT_AUTH] = NKI_STATE_CONNECTING, [NKI_ENGINE_WAIT_PONG] = NKI_STATE_CONNECTING,
        [NKI_ENGINE_CONNECTED] = NKI_STATE_CONNECTED,  [NKI_ENGINE_BACKOFF] = NKI_STATE_CONNECTING,
        [NKI_ENGINE_CLOSED] = NKI_STATE_CLOSED,        [NKI_ENGINE_WAIT_UPGRADE] = NKI_STATE_CONNECTING,
    };
    nki_conn_lock(conn);
    const struct nki_engine *engine = &conn->engine;
    out->state = states[engine->state];
    if (out->state == NKI_STATE_CONNECTING && engine->was_connected) {
        out->state = NKI_STATE_RECONNECTING;
    }
    out->reason = engine->last_error.status;
    nki_str_copy(out->reason_text, sizeof out->reason_text, nki_str_z(engine->last_error.text));
    out->late = nki_engine_late(engine);
    out->epoch = engine->epoch;
    int64_t now_ns = nki_clock_now_ns();
    bool connected = engine->state == NKI_ENGINE_CONNECTED;
    out->connected_ms = connected ? (now_ns - engine->connected_ns) / NKI_NS_PER_MS : -1;
    out->silent_ms = engine->stream != NULL && engine->heard_ns != NKI_NEVER
                         ? (now_ns - engine->heard_ns) / NKI_NS_PER_MS
                         : -1;
    out->draining = engine->draining;
    const struct nki_server *server = engine->servers.current;
    nki_str_copy(out->url, sizeof out->url, server != NULL ? nki_str_z(server->text) : NKI_STR(""));
    out->info = engine->info;
    out->secured = engine->secured;
    out->tls_insecure = conn->tls.insecure;
    out->tls_resumed = conn->tls.resumed;
    nki_str_copy(out->tls_version, sizeof out->tls_version, nki_str_z(conn->tls.version));
    nki_str_copy(out->tls_cipher, sizeof out->tls_cipher, nki_str_z(conn->tls.cipher));
    nki_conn_unlock(conn);
}

void nki_conn_counts_get(struct nki_conn *conn, struct nki_conn_counts *out)
{
    nki_conn_lock(conn);
    const struct nki_engine *engine = &conn->engine;
    *out = (struct nki_conn_counts){
        .in_msgs = engine->counts.in_msgs,
        .in_bytes = engine->counts.in_bytes,
        .dropped_msgs = engine->counts.dropped_msgs,
        .orphan_msgs = engine->counts.orphan_msgs,
        .late_replies = engine->replies.late,
        .unconfirmed = engine->counts.unconfirmed,
        .unsent = engine->counts.unsent,
        .reconnects = engine->counts.reconnects,
        .subs = engine->subs.by_sid.len - engine->subs.request_count,
        .requests = engine->replies.used + engine->pauses.len + engine->subs.request_count,
        .abandoned_msgs = engine->counts.abandoned_msgs,
    };
    nki_outbox_counts_get(&conn->engine.outbox, &out->out_msgs, &out->out_bytes, &out->pending_out_bytes);
    nki_conn_unlock(conn);
}

size_t nki_conn_server_info(struct nki_conn *conn, char *out, size_t cap)
{
    nki_conn_lock(conn);
    size_t len = conn->engine.info_json.len;
    if (len > 0 && len <= cap) {
        memcpy(out, conn->engine.info_json.data, len);
    }
    nki_conn_unlock(conn);
    return len;
}

bool nki_conn_trace(struct nki_conn *conn, struct nki_buf *out)
{
    return nki_trace_json(conn->engine.outbox.trace, out);
}

size_t nki_conn_new_inbox(struct nki_conn *conn, char *out, size_t cap)
{
    nki_conn_lock(conn);
    size_t len = nki_engine_new_inbox(&conn->engine, out, cap);
    nki_conn_unlock(conn);
    return len;
}
