/* The engine's time: deadlines of operations, attempts, drains and outages; pings, and sockets that take
 * nothing. Under the engine lock. */
#include "client/chain.h"
#include "client/lame_duck.h"

static void expire_ops(struct nki_engine *engine, int64_t now_ns)
{
    while (nki_heap_top_ns(&engine->timers) <= now_ns) {
        struct nki_op *op = NKI_CONTAINER_OF(nki_heap_top(&engine->timers), struct nki_op, timer);
        nki_op_retain(op);
        nki_engine_drain_sub_late(op);
        nki_engine_cancel(engine, op);
        nki_op_finish(op, NKI_TIMEOUT, nki_op_late_outcome(op), NULL, NULL);
        nki_op_release(op);
    }
}

static void lost_stale(struct nki_engine *engine, const struct nki_error *error, int64_t now_ns)
{
    struct nki_event event = {.type = NKI_EVENT_STALE, .status = NKI_STALE, .text = nki_str_z(error->text)};
    nki_engine_emit(engine, &event);
    nki_engine_lost(engine, error, now_ns);
}

void nki_engine_writing(struct nki_engine *engine, bool blocked, int64_t now_ns)
{
    int64_t max_ms = nki_options_int(engine->options, NKI_OPT_CONNECT_write_stall_ms);
    bool counts = blocked && max_ms >= 0 && engine->stream != NULL;
    engine->stall_ns = counts ? now_ns + max_ms * NKI_NS_PER_MS : NKI_NEVER;
}

static void lost_by_stall(struct nki_engine *engine, int64_t now_ns)
{
    struct nki_error error;
    nki_error_set(&error, NKI_STALE, "%s: the server has taken no byte for %lld ms",
                  engine->servers.current->text,
                  (long long)nki_options_int(engine->options, NKI_OPT_CONNECT_write_stall_ms));
    lost_stale(engine, &error, now_ns);
}

static void close_after_outage(struct nki_engine *engine, int64_t now_ns)
{
    struct nki_error error;
    nki_error_set(&error, NKI_TIMEOUT, "no connection for %lld ms; the last: %s",
                  (long long)nki_options_int(engine->options, NKI_OPT_CONNECT_max_outage_ms),
                  engine->last_error.text);
    nki_engine_close(engine, &error, now_ns);
}

static void check_liveness(struct nki_engine *engine, int64_t now_ns)
{
    int64_t max = nki_options_int(engine->options, NKI_OPT_CONNECT_max_pings_out);
    if (engine->move.phase == NKI_MOVE_SETTLE && now_ns < engine->move.at_ns) {
        engine->ping_ns = engine->move.at_ns; /* until then pings are held, and nobody can answer them */
        return;
    }
    if (engine->pings.unanswered >= max) {
        struct nki_error error;
        nki_error_set(&error, NKI_STALE, "%s: %u pings were not answered", engine->servers.current->text,
                      engine->pings.unanswered);
        lost_stale(engine, &error, now_ns);
        return;
    }
    engine->ping_ns = now_ns + nki_engine_option_ns(engine, NKI_OPT_CONNECT_ping_interval_ms);
    int32_t status = nki_engine_ping(engine, (struct nki_ping){.kind = NKI_PING_PLAIN}, NKI_STR(""));
    if (status == NKI_OK || status == NKI_LIMIT) {
        engine->pings.asked_ns = engine->pings.unanswered == 0 ? now_ns : engine->pings.asked_ns;
        engine->pings.unanswered++; /* at the limit thousands of others wait for an answer */
    }
    struct nki_event event = {.type = NKI_EVENT_PING, .count = engine->pings.unanswered};
    nki_engine_emit(engine, &event);
    nki_slab_trim(&engine->slab);
}

const char *nki_engine_late(const struct nki_engine *engine)
{
    switch (engine->state) {
    case NKI_ENGINE_DIALING:
        return "no connection in time";
    case NKI_ENGINE_WAIT_INFO:
        return "no INFO in time; a server that begins with TLS wants option tls_first, one of WebSocket "
               "ws:// or wss://";
    case NKI_ENGINE_WAIT_TLS:
        return "the TLS handshake was not done in time";
    case NKI_ENGINE_WAIT_UPGRADE:
        return "no answer to the upgrade to WebSocket in time";
    case NKI_ENGINE_WAIT_AUTH:
    case NKI_ENGINE_WAIT_PONG:
        return "no answer to CONNECT in time";
    default:
        return "";
    }
}

void nki_engine_tick(struct nki_engine *engine, int64_t now_ns)
{
    expire_ops(engine, now_ns);
    nki_engine_chains_resume(engine, now_ns);
    nki_engine_expire_subs(engine, now_ns);
    if (now_ns >= engine->close_deadline_ns) {
        struct nki_error error;
        nki_error_set(&error, NKI_TIMEOUT, "closed by the application; the server did not confirm in time");
        nki_engine_close(engine, &error, now_ns);
    } else if (now_ns >= engine->first_deadline_ns) {
        struct nki_error error;
        bool tried = engine->last_error.text[0] != '\0';
        const char *late = nki_engine_late(engine);
        nki_error_set(&error, NKI_TIMEOUT, "no connection to %s by the deadline%s%s%s%s",
                      engine->servers.current != NULL ? engine->servers.current->text : "any server",
                      late[0] != '\0' ? ": " : "", late, tried ? "; before that: " : "",
                      engine->last_error.text);
        nki_engine_close(engine, &error, now_ns);
    } else if (now_ns >= engine->drain_deadline_ns) {
        nki_engine_drain_late(engine, now_ns);
    } else if (now_ns >= engine->outage_ns) {
        close_after_outage(engine, now_ns);
    } else if (now_ns >= engine->stall_ns) {
        lost_by_stall(engine, now_ns);
    } else if (now_ns >= engine->attempt_deadline_ns) {
        nki_engine_attempt_failed(engine, NKI_TIMEOUT, nki_engine_late(engine), now_ns);
    }
    nki_engine_login_late(engine, now_ns);
    if (engine->state == NKI_ENGINE_BACKOFF && now_ns >= engine->backoff_ns) {
        nki_engine_end_pause(engine, now_ns);
    }
    if (engine->state == NKI_ENGINE_CONNECTED && now_ns >= engine->ping_ns) {
        check_liveness(engine, now_ns);
    }
    nki_engine_move_step(engine, now_ns);
    nki_engine_drain_step(engine, now_ns);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t nki_engine_deadline_ns(const struct nki_engine *engine)
{
    int64_t at = nki_heap_top_ns(&engine->timers);
    at = earlier(at, nki_heap_top_ns(&engine->pauses));
    at = earlier(at, nki_heap_top_ns(&engine->subs.timers));
    at = earlier(at, engine->first_deadline_ns);
    at = earlier(at, engine->attempt_deadline_ns);
    at = earlier(at, engine->backoff_ns);
    at = earlier(at, engine->login.deadline_ns);
    at = earlier(at, engine->ping_ns);
    at = earlier(at, engine->stall_ns);
    at = earlier(at, engine->outage_ns);
    at = earlier(at, engine->move.at_ns);
    at = earlier(at, engine->drain_deadline_ns);
    return earlier(at, engine->close_deadline_ns);
}
