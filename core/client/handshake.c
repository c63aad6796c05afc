/* The engine's way to a transport and back: servers, rounds and pauses, INFO and CONNECT, loss. Under the
 * engine lock. */
#include "client/engine.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "wire/connect.h"

/* Words of option first_connect. */
enum { FAIL, RETRY, BACKGROUND };

static int64_t option_ns(const struct nki_engine *engine, enum nki_option_id id)
{
    return nki_options_int(engine->options, id) * NKI_NS_PER_MS;
}

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
    engine->attempt_deadline_ns = now_ns + option_ns(engine, NKI_OPT_CONNECT_attempt_timeout_ms);
    if (goes_on(engine)) {
        struct nki_event event = {.type = NKI_EVENT_RECONNECTING};
        nki_engine_emit(engine, &event);
    }
}

/* Asks the application how long the pause is to be; it has time to answer at least up to its deadline. */
static void ask_delay(struct nki_engine *engine, int64_t wait_ns, int64_t now_ns)
{
    int64_t timeout_ns = option_ns(engine, NKI_OPT_CONNECT_answer_timeout_ms);
    engine->delay.request = ++engine->delay.serial;
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

static void begin_pause(struct nki_engine *engine, int64_t wait_ns, int64_t now_ns)
{
    const struct nki_server *server = engine->servers.current;
    bool tls = server != NULL && server->url.scheme == NKI_SCHEME_TLS;
    int64_t jitter = option_ns(engine, tls ? NKI_OPT_CONNECT_reconnect_jitter_tls_ms
                                           : NKI_OPT_CONNECT_reconnect_jitter_ms);
    wait_ns += (int64_t)nki_rand_below(&engine->rand, (uint64_t)jitter + 1);
    engine->auth_refused = false;
    engine->state = NKI_ENGINE_BACKOFF;
    engine->backoff_ns = now_ns + wait_ns;
    if (nki_subs_answering(&engine->subs) != NULL) {
        ask_delay(engine, wait_ns, now_ns);
    }
}

static void end_pause(struct nki_engine *engine)
{
    engine->backoff_ns = NKI_NEVER;
    engine->delay.request = 0;
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
    int64_t cap = option_ns(engine, NKI_OPT_CONNECT_reconnect_wait_max_ms);
    int64_t wait = option_ns(engine, NKI_OPT_CONNECT_reconnect_wait_ms);
    for (uint32_t i = 0; i < engine->rounds && wait < cap; i++) {
        wait *= 2;
    }
    if (engine->auth_refused || wait > cap) {
        wait = cap;
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
    (void)now_ns;
    assert(engine->state == NKI_ENGINE_DIALING);
    engine->state = NKI_ENGINE_WAIT_INFO;
    engine->stream = stream;
    engine->epoch++;
    nki_parser_reset(&engine->parser);
    nki_outbox_set_stream(&engine->outbox, stream);
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
    bool refused = status == NKI_AUTH || status == NKI_AUTH_EXPIRED;
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
    bool brief = !engine->forced &&
                 now_ns - engine->connected_ns < option_ns(engine, NKI_OPT_CONNECT_reconnect_wait_ms);
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
    if (goes_on(engine)) {
        struct nki_event event = {.type = connected ? NKI_EVENT_DISCONNECTED : NKI_EVENT_ASYNC_ERROR,
                                  .status = error->status,
                                  .text = nki_str_z(error->text)};
        nki_engine_emit(engine, &event);
    }
    if (connected) {
        begin_outage(engine, now_ns);
        nki_engine_fail_ops(engine, NKI_DISCONNECTED);
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
        begin_pause(engine,
                    option_ns(engine, engine->auth_refused ? NKI_OPT_CONNECT_reconnect_wait_max_ms
                                                           : NKI_OPT_CONNECT_reconnect_wait_ms),
                    now_ns);
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

/* The message that names server and fault of an attempt. */
static void attempt_failed(struct nki_engine *engine, int32_t status, const char *fault, int64_t now_ns)
{
    struct nki_error error;
    nki_error_set(&error, status, "%s: %s", engine->servers.current->text, fault);
    nki_engine_lost(engine, &error, now_ns);
}

/* CONNECT and PING in one piece. */
static bool say_hello(struct nki_engine *engine)
{
    const struct nki_url *url = &engine->servers.current->url;
    struct nki_options *options = engine->options;
    struct nki_connect_params params = {
        .name = nki_options_str(options, NKI_OPT_CONNECT_name),
        .user = nki_options_str(options, NKI_OPT_CONNECT_user),
        .password = nki_options_str(options, NKI_OPT_CONNECT_password),
        .token = nki_options_str(options, NKI_OPT_CONNECT_token),
        .version = NKI_STR(NKI_VERSION),
        .verbose = nki_options_bool(options, NKI_OPT_CONNECT_verbose),
        .pedantic = nki_options_bool(options, NKI_OPT_CONNECT_pedantic),
        .echo = !nki_options_bool(options, NKI_OPT_CONNECT_no_echo),
    };
    if (url->has_user) {
        /* What stands in the url wins; a user without a password is a token. */
        params.user = url->has_password ? nki_str_z(url->user) : NKI_STR("");
        params.password = url->has_password ? nki_str_z(url->password) : NKI_STR("");
        params.token = url->has_password ? NKI_STR("") : nki_str_z(url->user);
    }
    struct nki_buf hello = {0};
    bool kick = false;
    bool ok = nki_connect_emit(&hello, &params) && nki_buf_append(&hello, "PING\r\n", 6) &&
              nki_outbox_handshake(&engine->outbox, hello.data, hello.len, &kick);
    engine->want |= kick ? NKI_WANT_KICK : 0;
    if (hello.data != NULL) {
        explicit_bzero(hello.data, hello.len);
    }
    nki_buf_free(&hello);
    return ok;
}

static void keep_info(struct nki_engine *engine, struct nki_str json)
{
    engine->info_json.len = 0;
    if (!nki_buf_append(&engine->info_json, json.ptr, json.len)) {
        engine->info_json.len = 0; /* only shown to the application */
    }
}

static void answer_first_info(struct nki_engine *engine, int64_t now_ns)
{
    if (engine->info.tls_required) {
        attempt_failed(engine, NKI_TLS_REQUIRED, "the server wants TLS, which this version does not speak",
                       now_ns);
    } else if (nki_options_bool(engine->options, NKI_OPT_CONNECT_no_echo) && engine->info.proto < 1) {
        attempt_failed(engine, NKI_INVALID, "option no_echo: the server does not support it", now_ns);
    } else if (!say_hello(engine)) {
        attempt_failed(engine, NKI_NO_MEMORY, "no memory for the handshake", now_ns);
    } else {
        engine->state = NKI_ENGINE_WAIT_PONG;
    }
}

void nki_engine_got_info(struct nki_engine *engine, struct nki_str json, int64_t now_ns)
{
    struct nki_error error;
    bool first = engine->state == NKI_ENGINE_WAIT_INFO;
    bool was_lame_duck = !first && engine->info.lame_duck;
    if (first) {
        nki_info_init(&engine->info); /* nothing of another server's INFO stays */
    }
    engine->info.has_urls = false;
    int32_t status = nki_info_parse(json, &engine->info, &error);
    if (status != NKI_OK && first) {
        attempt_failed(engine, status, error.text, now_ns);
        return;
    }
    if (status != NKI_OK) {
        struct nki_event event = {
            .type = NKI_EVENT_ASYNC_ERROR, .status = status, .text = nki_str_z(error.text)};
        nki_engine_emit(engine, &event); /* the INFO before it stays in force */
        return;
    }
    keep_info(engine, json);
    if (nki_options_bool(engine->options, NKI_OPT_CONNECT_use_discovered) &&
        nki_servers_merge(&engine->servers, &engine->info)) {
        struct nki_event event = {.type = NKI_EVENT_SERVERS, .count = engine->servers.count};
        nki_engine_emit(engine, &event);
    }
    if (first) {
        answer_first_info(engine, now_ns);
    } else if (engine->info.lame_duck && !was_lame_duck) {
        struct nki_event event = {.type = NKI_EVENT_LAME_DUCK};
        nki_engine_emit(engine, &event);
    }
}

/* Everything that a new transport has to know before what waits in the outbox. */
static bool attach(struct nki_engine *engine)
{
    struct nki_buf replay = {0};
    bool kick = false;
    bool ok = nki_subs_replay(&engine->subs, &replay) &&
              (engine->replies.sid == 0 || nki_replies_emit_sub(&engine->replies, &replay)) &&
              nki_outbox_attach(&engine->outbox, replay.data, replay.len, &kick);
    nki_buf_free(&replay);
    engine->want |= kick ? NKI_WANT_KICK : 0;
    return ok;
}

void nki_engine_got_handshake_pong(struct nki_engine *engine, int64_t now_ns)
{
    if (engine->state != NKI_ENGINE_WAIT_PONG) {
        return;
    }
    if (!attach(engine)) {
        attempt_failed(engine, NKI_NO_MEMORY, "no memory to subscribe again", now_ns);
        return;
    }
    bool again = engine->was_connected;
    engine->state = NKI_ENGINE_CONNECTED;
    engine->was_connected = true;
    engine->rounds = 0;
    engine->connected_ns = now_ns;
    engine->auth_refused = false;
    engine->servers.current->failures = 0;
    engine->servers.current->auth_failures = 0;
    engine->attempt_deadline_ns = NKI_NEVER;
    engine->first_deadline_ns = NKI_NEVER;
    engine->outage_ns = NKI_NEVER;
    engine->pings.unanswered = 0;
    engine->ping_ns = now_ns + option_ns(engine, NKI_OPT_CONNECT_ping_interval_ms);
    engine->counts.reconnects += again ? 1 : 0;
    struct nki_event event = {.type = again ? NKI_EVENT_RECONNECTED : NKI_EVENT_CONNECTED};
    nki_engine_emit(engine, &event);
    nki_engine_finish_own(&engine->connect_op, NKI_OK, NULL);
    if (engine->closing && now_ns < engine->close_deadline_ns) { /* else the tick says that it is late */
        nki_engine_close_linger(engine, NULL, engine->close_deadline_ns, now_ns);
    }
}

static void expire_ops(struct nki_engine *engine, int64_t now_ns)
{
    while (nki_heap_top_ns(&engine->timers) <= now_ns) {
        struct nki_op *op = NKI_CONTAINER_OF(nki_heap_top(&engine->timers), struct nki_op, timer);
        nki_op_retain(op);
        nki_engine_cancel(engine, op);
        nki_engine_drain_sub_late(engine, op);
        nki_op_finish(op, NKI_TIMEOUT, NKI_OUTCOME_UNKNOWN, NULL, NULL);
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
    if (engine->pings.unanswered >= max) {
        struct nki_error error;
        nki_error_set(&error, NKI_STALE, "%s: %u pings were not answered", engine->servers.current->text,
                      engine->pings.unanswered);
        lost_stale(engine, &error, now_ns);
        return;
    }
    engine->ping_ns = now_ns + option_ns(engine, NKI_OPT_CONNECT_ping_interval_ms);
    int32_t status = nki_engine_ping(engine, (struct nki_ping){.kind = NKI_PING_PLAIN}, NKI_STR(""));
    if (status == NKI_OK || status == NKI_LIMIT) {
        engine->pings.unanswered++; /* at the limit thousands of others wait for an answer */
    }
    struct nki_event event = {.type = NKI_EVENT_PING, .count = engine->pings.unanswered};
    nki_engine_emit(engine, &event);
    nki_slab_trim(&engine->slab);
}

void nki_engine_tick(struct nki_engine *engine, int64_t now_ns)
{
    expire_ops(engine, now_ns);
    if (now_ns >= engine->close_deadline_ns) {
        struct nki_error error;
        nki_error_set(&error, NKI_TIMEOUT, "closed by the application; the server did not confirm in time");
        nki_engine_close(engine, &error, now_ns);
    } else if (now_ns >= engine->first_deadline_ns) {
        struct nki_error error;
        bool tried = engine->last_error.text[0] != '\0';
        nki_error_set(&error, NKI_TIMEOUT, "no connection to %s by the deadline%s%s",
                      engine->servers.current != NULL ? engine->servers.current->text : "any server",
                      tried ? "; before that: " : "", engine->last_error.text);
        nki_engine_close(engine, &error, now_ns);
    } else if (now_ns >= engine->drain_deadline_ns) {
        nki_engine_drain_late(engine, now_ns);
    } else if (now_ns >= engine->outage_ns) {
        close_after_outage(engine, now_ns);
    } else if (now_ns >= engine->stall_ns) {
        lost_by_stall(engine, now_ns);
    } else if (now_ns >= engine->attempt_deadline_ns) {
        attempt_failed(engine, NKI_TIMEOUT,
                       engine->state == NKI_ENGINE_DIALING     ? "no connection in time"
                       : engine->state == NKI_ENGINE_WAIT_INFO ? "no INFO in time"
                                                               : "no answer to CONNECT in time",
                       now_ns);
    }
    if (engine->state == NKI_ENGINE_BACKOFF && now_ns >= engine->backoff_ns) {
        end_pause(engine);
        nki_servers_begin_round(&engine->servers);
        try_next(engine, now_ns);
    }
    if (engine->state == NKI_ENGINE_CONNECTED && now_ns >= engine->ping_ns) {
        check_liveness(engine, now_ns);
    }
    nki_engine_drain_step(engine, now_ns);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t nki_engine_deadline_ns(const struct nki_engine *engine)
{
    int64_t at = nki_heap_top_ns(&engine->timers);
    at = earlier(at, engine->first_deadline_ns);
    at = earlier(at, engine->attempt_deadline_ns);
    at = earlier(at, engine->backoff_ns);
    at = earlier(at, engine->ping_ns);
    at = earlier(at, engine->stall_ns);
    at = earlier(at, engine->outage_ns);
    at = earlier(at, engine->drain_deadline_ns);
    return earlier(at, engine->close_deadline_ns);
}
