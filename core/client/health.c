/* See health.h: it never waits for more than the engine lock. */
#include "client/health.h"

#include "base/clock.h"
#include "client/driver.h"
#include "client/feed.h"

#include <stdarg.h>
#include <stdio.h>

#define BLOCKED_NS (1000 * NKI_NS_PER_MS) /* a socket that takes nothing for so long is more than busy */

static void set(struct nki_health *health, enum nki_health_state state, int32_t reason, int64_t since_ns,
                const char *text)
{
    const struct nki_status_row *row = nki_status_row(reason);
    health->state = state;
    health->reason = reason;
    health->since_ns = since_ns;
    nki_str_copy(health->text, sizeof health->text,
                 nki_str_z(text[0] == '\0' && reason != NKI_OK && row != NULL ? row->text : text));
}

static void setf(struct nki_health *health, enum nki_health_state state, int32_t reason, int64_t since_ns,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));

static void setf(struct nki_health *health, enum nki_health_state state, int32_t reason, int64_t since_ns,
                 const char *format, ...)
{
    char text[NKI_HEALTH_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    set(health, state, reason, since_ns, text);
}

void nki_trouble_begin(struct nki_trouble *trouble, int32_t reason, struct nki_str text, int64_t since_ns)
{
    if (trouble->reason != reason) {
        trouble->reason = reason;
        trouble->since_ns = since_ns;
    }
    nki_str_copy(trouble->text, sizeof trouble->text, text);
}

void nki_health_of_trouble(struct nki_health *health, enum nki_health_state state,
                           const struct nki_trouble *trouble, struct nki_str stream, struct nki_str consumer)
{
    int64_t since_ns = trouble->since_ns > health->since_ns ? trouble->since_ns : health->since_ns;
    if (state == NKI_HEALTH_OK) {
        health->since_ns = since_ns;
        return;
    }
    const struct nki_status_row *row = nki_status_row(trouble->reason);
    const char *text = trouble->text[0] != '\0' || row == NULL ? trouble->text : row->text;
    bool named = consumer.len > 0;
    setf(health, state, trouble->reason, since_ns, "%.*s%s%.*s: %s", (int)stream.len, stream.ptr,
         named ? " " : "", (int)consumer.len, named ? consumer.ptr : "",
         trouble->reason == NKI_OK ? "being set up" : text);
}

/* -- connections ------------------------------------------------------------------------------------------
 */

/* A PING is unanswered for longer than half the time between two. */
static bool pong_is_late(const struct nki_engine *engine, int64_t now_ns)
{
    return engine->pings.unanswered > 0 &&
           now_ns - engine->pings.asked_ns >
               nki_engine_option_ns(engine, NKI_OPT_CONNECT_ping_interval_ms) / 2;
}

/* When a drain began: its operation was made for it. */
static int64_t drain_ns(const struct nki_engine *engine, const struct nki_op *op)
{
    return op != NULL                 ? op->begin_ns
           : engine->drain_op != NULL ? engine->drain_op->begin_ns
                                      : engine->connected_ns;
}

static void connected_health(const struct nki_engine *engine, int64_t now_ns, struct nki_health *out)
{
    const char *server = engine->servers.current->text;
    int64_t stall_ns = nki_engine_option_ns(engine, NKI_OPT_CONNECT_write_stall_ms);
    int64_t blocked_ns = engine->stall_ns == NKI_NEVER ? now_ns : engine->stall_ns - stall_ns;
    if (pong_is_late(engine, now_ns)) {
        setf(out, NKI_HEALTH_SILENT, NKI_STALE, engine->pings.asked_ns, "%s: %u pings are not answered",
             server, engine->pings.unanswered);
    } else if (now_ns - blocked_ns > BLOCKED_NS) {
        setf(out, NKI_HEALTH_DEGRADED, NKI_STALE, blocked_ns, "%s: the server takes no bytes", server);
    } else if (engine->draining) {
        set(out, NKI_HEALTH_DEGRADED, NKI_DRAINING, drain_ns(engine, engine->drain_op), "");
    } else if (engine->info.lame_duck) {
        setf(out, NKI_HEALTH_DEGRADED, NKI_DISCONNECTED, engine->lame_duck_ns,
             "%s: the server is about to leave", server);
    } else {
        set(out, NKI_HEALTH_OK, NKI_OK, engine->connected_ns, "");
    }
}

void nki_engine_health(const struct nki_engine *engine, int64_t now_ns, struct nki_health *out)
{
    out->activity_ns = engine->heard_ns;
    out->beat_ns = engine->pong_ns;
    const struct nki_error *error = &engine->last_error;
    if (engine->state == NKI_ENGINE_CONNECTED) {
        connected_health(engine, now_ns, out);
    } else if (engine->state == NKI_ENGINE_CLOSED) {
        set(out, NKI_HEALTH_ENDED, error->status, engine->lost_ns, error->text);
    } else {
        set(out, engine->was_connected ? NKI_HEALTH_DOWN : NKI_HEALTH_STARTING, error->status,
            engine->lost_ns, error->text);
    }
}

int64_t nki_conn_health(struct nki_conn *conn, struct nki_health *out)
{
    nki_conn_lock(conn);
    int64_t now_ns = nki_clock_now_ns();
    nki_engine_health(&conn->engine, now_ns, out);
    nki_conn_unlock(conn);
    return now_ns;
}

/* -- subscriptions ----------------------------------------------------------------------------------------
 */

static int64_t activity_ns(const struct nki_sub *sub)
{
    return sub->arrived_ns != 0 ? sub->arrived_ns : NKI_NEVER;
}

static void be_ok_since(struct nki_health *health, int64_t since_ns)
{
    if (health->state == NKI_HEALTH_OK && health->since_ns < since_ns) {
        health->since_ns = since_ns;
    }
}

static void live_health(const struct nki_engine *engine, const struct nki_sub *sub,
                        const struct nki_inlet_stats *stats, int64_t now_ns, struct nki_health *out)
{
    struct nki_feed *feed = sub->collect != NULL ? sub->collect->feed : NULL;
    bool events = sub->sid == 0;
    nki_engine_health(engine, now_ns, out);
    out->activity_ns = activity_ns(sub);
    out->beat_ns = NKI_NEVER;
    if (events) {
        set(out, NKI_HEALTH_OK, NKI_OK, 0, ""); /* these come without a connection, too */
    }
    if (stats->dropped_msgs == 0) { /* it never was slow */
        be_ok_since(out, stats->since_ns);
    }
    bool reached = out->state == NKI_HEALTH_OK || out->state == NKI_HEALTH_DEGRADED;
    if (reached && feed != NULL && feed->ops->health != NULL) {
        feed->ops->health(feed, now_ns, out);
    }
    if (out->state != NKI_HEALTH_OK) {
        return;
    }
    if (stats->slow) {
        setf(out, NKI_HEALTH_DEGRADED, NKI_SLOW_CONSUMER, stats->since_ns,
             "%llu messages wait in the queue, %llu were dropped", (unsigned long long)stats->pending_msgs,
             (unsigned long long)stats->dropped_msgs);
    } else if (sub->drain != NKI_DRAIN_NONE) {
        set(out, NKI_HEALTH_DEGRADED, NKI_DRAINING, drain_ns(engine, sub->drain_op),
            "the subscription is being drained");
    } else {
        be_ok_since(out, stats->since_ns);
    }
}

void nki_engine_sub_health(const struct nki_engine *engine, struct nki_sub *sub, int64_t now_ns,
                           struct nki_health *out)
{
    struct nki_inlet_stats stats;
    nki_inlet_stats_get(&sub->inlet, &stats);
    if (stats.end_reason == NKI_OK) {
        live_health(engine, sub, &stats, now_ns, out);
        return;
    }
    bool told = sub->end_error != NULL && sub->end_error->status == stats.end_reason;
    set(out, NKI_HEALTH_ENDED, stats.end_reason, stats.since_ns, told ? sub->end_error->text : "");
    out->activity_ns = activity_ns(sub);
    out->beat_ns = NKI_NEVER;
}

int64_t nki_sub_health(struct nki_sub *sub, struct nki_health *out)
{
    struct nki_conn *conn = sub->conn;
    nki_conn_lock(conn);
    int64_t now_ns = nki_clock_now_ns();
    nki_engine_sub_health(&conn->engine, sub, now_ns, out);
    nki_conn_unlock(conn);
    return now_ns;
}

int64_t nki_health_ms(int64_t then_ns, int64_t now_ns)
{
    int64_t ns = then_ns == NKI_NEVER ? -NKI_NS_PER_MS : now_ns - then_ns;
    return then_ns != NKI_NEVER && ns < 0 ? 0 : ns / NKI_NS_PER_MS; /* clocks of two cores */
}
