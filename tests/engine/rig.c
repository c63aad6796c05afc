/* See rig.h. */
#include "rig.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>

static ptrdiff_t rig_write(struct nki_stream *stream, const struct iovec *iov, int count)
{
    struct rig *rig = NKI_CONTAINER_OF(stream, struct rig, stream);
    size_t total = 0;
    if (rig->deaf) {
        return NKI_STREAM_AGAIN;
    }
    for (int i = 0; i < count; i++) {
        if (ts_oracle_feed(rig->oracle, iov[i].iov_base, iov[i].iov_len) != 0) {
            fail_msg("oracle: %s", ts_oracle_error(rig->oracle));
        }
        ts_buf_add(&rig->written, iov[i].iov_base, iov[i].iov_len);
        total += iov[i].iov_len;
    }
    return (ptrdiff_t)total;
}

static ptrdiff_t rig_read(struct nki_stream *stream, const struct iovec *iov, int count)
{
    (void)stream;
    (void)iov;
    (void)count;
    return NKI_STREAM_AGAIN;
}

static void rig_shutdown(struct nki_stream *stream)
{
    (void)stream;
}

static const struct nki_stream_ops rig_ops = {rig_read, rig_write, rig_shutdown, rig_shutdown, NULL};

static void take_events(struct rig *rig)
{
    struct nki_msg *msg;
    size_t count;
    struct nki_inlet *inlet = &rig->events_sub->inlet;
    pthread_mutex_lock(&inlet->wait.mu);
    while (nki_inlet_take_locked(inlet, &msg, 1, &count) == NKI_OK) {
        const struct nki_event *from = nki_event_of(msg);
        assert_true(rig->event_count < RIG_EVENTS);
        struct rig_event *event = &rig->events[rig->event_count++];
        event->type = from->type;
        event->status = from->status;
        event->count = from->count;
        event->request = from->request;
        event->delay_ms = from->delay_ms;
        event->now_ns = rig->now_ns;
        snprintf(event->subject, sizeof event->subject, "%.*s", (int)from->subject.len, from->subject.ptr);
        snprintf(event->text, sizeof event->text, "%.*s", (int)from->text.len, from->text.ptr);
        nki_msg_release(msg);
    }
    pthread_mutex_unlock(&inlet->wait.mu);
}

static void transmit(struct rig *rig)
{
    enum nki_outbox_result result = NKI_OUTBOX_MORE;
    while (rig->right && result == NKI_OUTBOX_MORE) {
        result = nki_outbox_transmit(&rig->engine.outbox, 1u << 20);
        rig->right = result != NKI_OUTBOX_EMPTY && result != NKI_OUTBOX_BROKEN;
    }
}

static void dial(struct rig *rig)
{
    const struct nki_server *server = rig->engine.servers.current;
    size_t n = (size_t)rig->dials % 64;
    rig->dialed_ns[n] = rig->now_ns;
    snprintf(rig->dialed[n], sizeof rig->dialed[n], "%.60s", server->url.host);
    rig->dials++;
    if (rig->refuse) {
        struct nki_error error;
        nki_error_set(&error, NKI_CONNECT_REFUSED, "refused");
        nki_engine_lost(&rig->engine, &error, rig->now_ns);
    } else if (!rig->silent) {
        ts_oracle_free(rig->oracle);
        rig->oracle = ts_oracle_new(NULL);
        rig->written.len = 0;
        rig->stream.ops = &rig_ops;
        rig->stream.fd = -1;
        rig->has_stream = true;
        rig->tls_wanted = false;
        rig->upgrade_wanted = false;
        nki_engine_connected(&rig->engine, &rig->stream, rig->now_ns);
    }
}

void rig_settle(struct rig *rig)
{
    struct nki_engine *engine = &rig->engine;
    while (engine->want != 0) {
        uint32_t want = engine->want;
        engine->want = 0;
        if ((want & NKI_WANT_KICK) != 0) {
            assert_false(rig->right);
            rig->right = true;
        }
        if ((want & NKI_WANT_HANGUP) != 0) {
            rig->has_stream = false;
            transmit(rig);
            assert_false(rig->right);
        }
        if ((want & NKI_WANT_DIAL) != 0) {
            dial(rig);
        }
        rig->upgrade_wanted = rig->upgrade_wanted || (want & NKI_WANT_UPGRADE) != 0;
        rig->tls_wanted = rig->tls_wanted || (engine->want & NKI_WANT_TLS) != 0 || (want & NKI_WANT_TLS) != 0;
        transmit(rig);
    }
    transmit(rig);
    take_events(rig);
    assert_int_equal(engine->outbox.right_taken, rig->right);
}

struct rig *rig_new(const char *urls, const char *const *settings, int64_t connect_timeout_ms)
{
    nki_slab_release_cache();
    nki_outbox_release_cache();
    struct rig *rig = ts_alloc(sizeof *rig);
    memset(rig, 0, sizeof *rig);
    rig->bytes_before = nki_alloc_bytes();
    rig->msgs_before = nki_msg_count();
    rig->now_ns = RIG_MS(1000);
    struct nki_options *options = nki_options_new(NKI_SCOPE_CONNECT);
    assert_non_null(options);
    assert_int_equal(nki_options_set(options, NKI_STR("randomize"), NKI_STR("false"), NULL), NKI_OK);
    for (; settings != NULL && settings[0] != NULL; settings += 2) {
        assert_int_equal(nki_options_set(options, nki_str_z(settings[0]), nki_str_z(settings[1]), NULL),
                         NKI_OK);
    }
    assert_int_equal(nki_engine_init(&rig->engine, options, nki_str_z(urls), NULL), NKI_OK);
    struct nki_sub_params params = {.subject = NKI_STR(""), .limits = {100000, UINT64_MAX / 2}};
    rig->events_sub = nki_sub_new(&params);
    assert_non_null(rig->events_sub);
    nki_subs_add_events(&rig->engine.subs, rig->events_sub);
    rig->connect_op = nki_op_new();
    nki_op_retain(rig->connect_op);
    int64_t deadline_ns = connect_timeout_ms < 0 ? NKI_NEVER : rig->now_ns + RIG_MS(connect_timeout_ms);
    nki_engine_start(&rig->engine, rig->connect_op, deadline_ns, rig->now_ns);
    return rig;
}

void rig_free(struct rig *rig)
{
    nki_engine_close(&rig->engine, NULL, rig->now_ns);
    rig_settle(rig);
    assert_int_not_equal(rig_connect_status(rig), NKI_PENDING);
    assert_true(nki_engine_deadline_ns(&rig->engine) == NKI_NEVER);
    assert_int_equal(rig->event_count > 0 ? rig->events[rig->event_count - 1].type : 0, NKI_EVENT_CLOSED);
    nki_sub_release(rig->events_sub);
    nki_op_release(rig->connect_op);
    nki_engine_free(&rig->engine);
    nki_slab_release_cache();
    nki_outbox_release_cache();
    assert_int_equal(nki_msg_count(), rig->msgs_before);
    assert_int_equal(nki_alloc_bytes(), rig->bytes_before);
    ts_oracle_free(rig->oracle);
    ts_buf_free(&rig->written);
    free(rig);
}

void rig_say_bytes(struct rig *rig, const void *data, size_t len, size_t step)
{
    int dials = rig->dials; /* what is left when the transport is lost is not for the next one */
    for (size_t at = 0; at < len && rig->has_stream && rig->dials == dials; at += step) {
        size_t size = len - at < step ? len - at : step;
        uint8_t *copy = ts_alloc(size); /* of just this size: a read past its end is seen */
        memcpy(copy, (const uint8_t *)data + at, size);
        nki_engine_feed(&rig->engine, copy, size, rig->now_ns);
        free(copy);
        rig_settle(rig);
    }
}

void rig_say(struct rig *rig, const char *text)
{
    rig_say_bytes(rig, text, strlen(text), strlen(text));
}

void rig_secure(struct rig *rig)
{
    assert_true(rig->tls_wanted);
    assert_int_equal(rig->written.len, 0); /* nothing went out before */
    nki_engine_filtered(&rig->engine, &rig->stream);
    nki_engine_secured(&rig->engine, rig->now_ns);
    rig_settle(rig);
}

void rig_upgrade(struct rig *rig)
{
    assert_true(rig->upgrade_wanted);
    assert_int_equal(rig->written.len, 0);
    nki_engine_filtered(&rig->engine, &rig->stream);
    nki_engine_upgraded(&rig->engine);
    rig_settle(rig);
}

void rig_eof(struct rig *rig)
{
    struct nki_error error;
    nki_error_set(&error, NKI_DISCONNECTED, "the server closed the connection");
    nki_engine_lost(&rig->engine, &error, rig->now_ns);
    rig_settle(rig);
}

void rig_until(struct rig *rig, int64_t at_ns)
{
    while (nki_engine_deadline_ns(&rig->engine) <= at_ns) {
        int64_t due = nki_engine_deadline_ns(&rig->engine);
        rig->now_ns = due > rig->now_ns ? due : rig->now_ns;
        nki_engine_tick(&rig->engine, rig->now_ns);
        assert_true(nki_engine_deadline_ns(&rig->engine) > rig->now_ns);
        rig_settle(rig);
    }
    rig->now_ns = at_ns;
}

void rig_pass(struct rig *rig, int64_t ms)
{
    rig_until(rig, rig->now_ns + RIG_MS(ms));
}

void rig_hello(struct rig *rig)
{
    rig_settle(rig);
    rig_say(rig, RIG_INFO);
    rig_say(rig, RIG_PONG);
    assert_true(rig_connected(rig));
}

bool rig_connected(const struct rig *rig)
{
    return rig->engine.state == NKI_ENGINE_CONNECTED && rig->has_stream;
}

int32_t rig_connect_status(struct rig *rig)
{
    return nki_op_result(rig->connect_op, NULL, NULL);
}

const struct rig_event *rig_event(const struct rig *rig, int32_t type)
{
    const struct rig_event *found = NULL;
    for (size_t i = 0; i < rig->event_count; i++) {
        found = rig->events[i].type == type ? &rig->events[i] : found;
    }
    return found;
}

int rig_event_count(const struct rig *rig, int32_t type)
{
    int count = 0;
    for (size_t i = 0; i < rig->event_count; i++) {
        count += rig->events[i].type == type;
    }
    return count;
}

bool rig_wrote(const struct rig *rig, const char *text)
{
    return rig->written.len > 0 && memmem(rig->written.at, rig->written.len, text, strlen(text)) != NULL;
}

struct nki_sub *rig_subscribe(struct rig *rig, const char *subject, uint64_t max)
{
    struct nki_sub_params params = {
        .subject = nki_str_z(subject), .queue = NKI_STR(""), .limits = {1000, UINT64_MAX / 2}, .max = max};
    struct nki_sub *sub = nki_sub_new(&params);
    assert_non_null(sub);
    assert_int_equal(nki_engine_subscribe(&rig->engine, sub), NKI_OK);
    rig_settle(rig);
    return sub;
}

bool rig_take(struct nki_sub *sub, char *out, size_t cap)
{
    struct nki_msg *msg;
    size_t count;
    pthread_mutex_lock(&sub->inlet.wait.mu);
    int32_t status = nki_inlet_take_locked(&sub->inlet, &msg, 1, &count);
    pthread_mutex_unlock(&sub->inlet.wait.mu);
    if (status != NKI_OK) {
        return false;
    }
    snprintf(out, cap, "%.*s", (int)nki_msg_data(msg).len, nki_msg_data(msg).ptr);
    nki_msg_release(msg);
    return true;
}

int32_t rig_end_reason(struct nki_sub *sub)
{
    struct nki_inlet_stats stats;
    nki_inlet_stats_get(&sub->inlet, &stats);
    return stats.end_reason;
}

void rig_publish(struct rig *rig, const char *subject, const char *data)
{
    struct nki_outgoing_msg msg = {.subject = nki_str_z(subject), .data = nki_str_z(data)};
    size_t done;
    bool kick;
    assert_int_equal(nki_outbox_append(&rig->engine.outbox, &msg, 1, 0, &done, &kick), NKI_OK);
    rig->right = rig->right || kick;
    rig_settle(rig);
}

struct nki_op *rig_flush(struct rig *rig, int64_t timeout_ms)
{
    struct nki_op *op = nki_op_new();
    int64_t deadline_ns = timeout_ms < 0 ? NKI_NEVER : rig->now_ns + RIG_MS(timeout_ms);
    assert_int_equal(nki_engine_flush(&rig->engine, op, deadline_ns), NKI_OK);
    rig_settle(rig);
    return op;
}

struct nki_op *rig_request(struct rig *rig, int64_t timeout_ms, char *reply, size_t cap)
{
    char subject[400];
    size_t len;
    struct nki_op *op = nki_op_new();
    int64_t deadline_ns = timeout_ms < 0 ? NKI_NEVER : rig->now_ns + RIG_MS(timeout_ms);
    assert_int_equal(nki_engine_request(&rig->engine, op, deadline_ns, subject, &len), NKI_OK);
    rig_settle(rig);
    struct nki_outgoing_msg msg = {
        .subject = NKI_STR("ask"), .reply = nki_str_make(subject, len), .data = NKI_STR("?")};
    size_t done;
    bool kick;
    assert_int_equal(nki_outbox_append(&rig->engine.outbox, &msg, 1, 0, &done, &kick), NKI_OK);
    rig->right = rig->right || kick;
    rig_settle(rig);
    snprintf(reply, cap, "%.*s", (int)len, subject);
    return op;
}

int32_t rig_op_status(struct nki_op *op)
{
    int32_t status = nki_op_result(op, NULL, NULL);
    nki_op_release(op);
    return status;
}
