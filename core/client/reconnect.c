/* The engine's servers, rounds and pauses: the first connect, loss, trying again, giving up; what the
 * application decides of it. Under the engine lock. */
#include "client/feed.h"

#include "base/probe.h"

/* Words of option first_connect. */
enum { FAIL, RETRY, BACKGROUND };

/* Whether a failure is not the end: it was connected once, or the first connect is tried again and again. */
static bool goes_on(const struct nki_engine *engine)
{
    return engine->was_connected ||
           nki_options_choice(engine->options, NKI_OPT_CONNECT_first_connect) != FAIL;
}

static void dial(struct nki_engine *engine, int64_t now_ns)
{
    engine->state = NKI_ENGINE_DIALING;
    engine->want |= NKI_WANT_DIAL;
    NKI_PROBE(connect, engine->origin, engine->servers.current->text, engine->was_connected);
    engine->attempt_deadline_ns = now_ns + nki_engine_option_ns(engine, NKI_OPT_CONNECT_attempt_timeout_ms);
    if (goes_on(engine)) {
        struct nki_event event = {.type = NKI_EVENT_RECONNECTING};
        nki_engine_emit(engine, &event);
    }
}

/* Asks the application how long the pause is to be; it has time to answer at least up to its deadline. */
static void ask_delay(struct nki_engine *engine, int64_t wait_ns, int64_t now_ns)
{
    int64_t timeout_ns = nki_engine_option_ns(engine, NKI_OPT_CONNECT_answer_timeout_ms);
    engine->delay.request = ++engine->requests;
    engine->delay.asked_ns = now_ns;
    engine->backoff_ns = now_ns + (wait_ns > timeout_ns ? wait_ns : timeout_ns);
    struct nki_event event = {.type = NKI_EVENT_DELAY_NEEDED,
                              .request = engine->delay.request,
                              .delay_ms = wait_ns / NKI_NS_PER_MS,
                              .count = engine->rounds,
                              .status = engine->last_error.status,
                              .text = nki_str_z(engine->last_error.text)};
    nki_engine_emit(engine, &event);
}

/* `wait_ns` is cut to the longest pause, which also is the one after refused credentials. */
static void begin_pause(struct nki_engine *engine, int64_t wait_ns, int64_t now_ns)
{
    int64_t cap_ns = nki_engine_option_ns(engine, NKI_OPT_CONNECT_reconnect_wait_max_ms);
    wait_ns = engine->auth_refused || wait_ns > cap_ns ? cap_ns : wait_ns;
    const struct nki_server *server = engine->servers.current;
    bool tls = nki_engine_tls_intent(engine) || (server != NULL && server->speaks_tls);
    int64_t jitter = nki_engine_option_ns(engine, tls ? NKI_OPT_CONNECT_reconnect_jitter_tls_ms
                                                      : NKI_OPT_CONNECT_reconnect_jitter_ms);
    wait_ns += (int64_t)nki_rand_below(&engine->rand, (uint64_t)jitter + 1);
    engine->auth_refused = false;
    engine->state = NKI_ENGINE_BACKOFF;
    engine->backoff_ns = now_ns + wait_ns;
    if (nki_subs_answering(&engine->subs) != NULL) {
        ask_delay(engine, wait_ns, now_ns);
    }
}

int32_t nki_engine_answer_delay(struct nki_engine *engine, uint64_t request, int64_t delay_ms, int64_t now_ns)
{
    if (request == 0 || request != engine->delay.request || engine->state != NKI_ENGINE_BACKOFF) {
        return NKI_NOT_FOUND;
    }
    int64_t at_ns = engine->delay.asked_ns + delay_ms * NKI_NS_PER_MS;
    engine->delay.request = 0;
    engine->backoff_ns = at_ns > now_ns ? at_ns : now_ns;
    return NKI_OK;
}

/* Every server of the round was tried: the first connect has failed, or there is a pause. */
static void end_round(struct nki_engine *engine, int64_t now_ns)
{
    if (!goes_on(engine) || engine->servers.count == 0) {
        struct nki_error error = engine->last_error;
        if (engine->servers.count > 1) {
            nki_error_set(&error, NKI_NO_SERVERS, "none of %zu servers; the last: %s", engine->servers.count,
                          engine->last_error.text);
        }
        nki_engine_close(engine, &error, now_ns);
        return;
    }
    int64_t cap = nki_engine_option_ns(engine, NKI_OPT_CONNECT_reconnect_wait_max_ms);
    int64_t wait = nki_engine_option_ns(engine, NKI_OPT_CONNECT_reconnect_wait_ms);
    for (uint32_t i = 0; i < engine->rounds && wait < cap; i++) {
        wait *= 2;
    }
    engine->rounds++;
    begin_pause(engine, wait, now_ns);
}

static void try_next(struct nki_engine *engine, int64_t now_ns)
{
    if (nki_servers_next(&engine->servers) != NULL) {
        dial(engine, now_ns);
    } else {
        end_round(engine, now_ns);
    }
}

static void begin_outage(struct nki_engine *engine, int64_t now_ns)
{
    int64_t max_ms = nki_options_int(engine->options, NKI_OPT_CONNECT_max_outage_ms);
    engine->outage_ns = max_ms < 0 ? NKI_NEVER : now_ns + max_ms * NKI_NS_PER_MS;
}

void nki_engine_start(struct nki_engine *engine, struct nki_op *connect_op, int64_t deadline_ns,
                      int64_t now_ns)
{
    assert(engine->state == NKI_ENGINE_IDLE);
    engine->connect_op = connect_op;
    engine->lost_ns = now_ns;
    engine->first_deadline_ns = deadline_ns;
    if (nki_options_choice(engine->options, NKI_OPT_CONNECT_first_connect) == BACKGROUND) {
        nki_engine_finish_own(&engine->connect_op, NKI_OK, NULL);
        engine->first_deadline_ns = NKI_NEVER;
        begin_outage(engine, now_ns);
    }
    try_next(engine, now_ns);
}

void nki_engine_connected(struct nki_engine *engine, struct nki_stream *stream, int64_t now_ns)
{
    assert(engine->state == NKI_ENGINE_DIALING);
    engine->stream = stream;
    engine->secured = false;
    engine->heard_ns = NKI_NEVER;
    engine->epoch++;
    nki_parser_reset(&engine->parser);
    nki_outbox_set_stream(&engine->outbox, stream);
    nki_engine_begin_handshake(engine, now_ns);
}

/* A server that has failed too often in a row is given up. */
static void count_failure(struct nki_engine *engine)
{
    struct nki_server *server = engine->servers.current;
    int64_t max = nki_options_int(engine->options, NKI_OPT_CONNECT_max_reconnect_attempts);
    server->failures++;
    if (engine->was_connected && max >= 0 && server->failures >= max) {
        nki_servers_remove_current(&engine->servers);
    }
}

/* Counts refusals of the credentials; whether there were too many in a row. */
static bool refused_too_often(struct nki_engine *engine, int32_t status)
{
    struct nki_server *server = engine->servers.current;
    bool refused = status == NKI_AUTH || status == NKI_AUTH_EXPIRED || status == NKI_AUTH_REVOKED;
    int64_t max = nki_options_int(engine->options, NKI_OPT_CONNECT_max_auth_failures);
    engine->auth_refused = engine->auth_refused || refused;
    if (server == NULL || engine->state == NKI_ENGINE_CONNECTED) {
        return false;
    }
    server->auth_failures = refused ? server->auth_failures + 1 : 0;
    return max >= 0 && refused && server->auth_failures >= max;
}

/* A server that lets us in and then throws us out (what we subscribe again may be what it minds) is not to be
 * tried without end as fast as it goes. */
static bool lost_at_once_again(struct nki_engine *engine, int64_t now_ns)
{
    bool brief = !engine->forced && now_ns - engine->connected_ns <
                                        nki_engine_option_ns(engine, NKI_OPT_CONNECT_reconnect_wait_ms);
    engine->brief = brief ? engine->brief + 1 : 0;
    return engine->brief > 1;
}

void nki_engine_lost(struct nki_engine *engine, const struct nki_error *error, int64_t now_ns)
{
    bool connected = engine->state == NKI_ENGINE_CONNECTED;
    if (engine->state == NKI_ENGINE_IDLE || engine->state == NKI_ENGINE_BACKOFF ||
        engine->state == NKI_ENGINE_CLOSED) {
        return;
    }
    bool refused = refused_too_often(engine, error->status);
    /* Between the losing and the next state nothing may find a transport: handing over emits events. */
    engine->state = NKI_ENGINE_BACKOFF;
    nki_engine_drop_transport(engine);
    engine->last_error = *error;
    engine->lost_ns = connected ? now_ns : engine->lost_ns;
    if (connected) {
        NKI_PROBE(disconnected, engine->origin, error->status, error->text);
    } else {
        NKI_PROBE(connect__failed, engine->origin, error->status, error->text);
    }
    if (goes_on(engine)) {
        struct nki_event event = {.type = connected ? NKI_EVENT_DISCONNECTED : NKI_EVENT_ASYNC_ERROR,
                                  .status = error->status,
                                  .text = nki_str_z(error->text)};
        nki_engine_emit(engine, &event);
    }
    if (connected) {
        nki_engine_feeds_down(engine, now_ns);
        begin_outage(engine, now_ns);
        if (engine->move.going) {
            nki_engine_keep_ops(engine);
        } else {
            nki_engine_fail_ops(engine, NKI_DISCONNECTED);
        }
    } else {
        count_failure(engine);
    }
    bool stays = engine->was_connected && !engine->forced &&
                 !nki_options_bool(engine->options, NKI_OPT_CONNECT_reconnect);
    /* A close that lingers waits for a new connection, but what was sent over a lost one is in doubt. */
    if ((engine->closing && connected) || stays || refused) {
        nki_engine_close(engine, error, now_ns);
        return;
    }
    if (connected) {
        nki_servers_begin_round(&engine->servers);
    }
    if (connected && lost_at_once_again(engine, now_ns)) {
        begin_pause(engine, nki_engine_option_ns(engine, NKI_OPT_CONNECT_reconnect_wait_ms), now_ns);
    } else {
        try_next(engine, now_ns);
    }
    nki_engine_drain_step(engine, now_ns); /* subscriptions and requests may have ended with the transport */
}

int32_t nki_engine_reconnect(struct nki_engine *engine, int64_t now_ns)
{
    if (engine->state == NKI_ENGINE_CLOSED) {
        return NKI_CLOSED;
    }
    if (engine->draining || engine->closing) {
        return engine->draining ? NKI_DRAINING : NKI_CLOSED;
    }
    struct nki_event event = {.type = NKI_EVENT_FORCED_RECONNECT};
    if (engine->state == NKI_ENGINE_BACKOFF) {
        nki_engine_emit(engine, &event);
        engine->delay.request = 0;
        engine->backoff_ns = now_ns;
    } else if (engine->state == NKI_ENGINE_CONNECTED) {
        struct nki_error error;
        nki_error_set(&error, NKI_DISCONNECTED, "%s: the application asked to reconnect",
                      engine->servers.current->text);
        nki_engine_emit(engine, &event);
        engine->forced = true;
        nki_engine_lost(engine, &error, now_ns);
        engine->forced = false;
    }
    return NKI_OK;
}

void nki_engine_attempt_failed(struct nki_engine *engine, int32_t status, const char *fault, int64_t now_ns)
{
    struct nki_error error;
    nki_error_set(&error, status, "%s: %s", engine->servers.current->text, fault);
    nki_engine_lost(engine, &error, now_ns);
}

void nki_engine_end_pause(struct nki_engine *engine, int64_t now_ns)
{
    engine->backoff_ns = NKI_NEVER;
    engine->delay.request = 0;
    nki_servers_begin_round(&engine->servers);
    try_next(engine, now_ns);
}
