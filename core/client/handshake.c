/* The engine's handshake: INFO, CONNECT, PONG, and INFO that comes later. Under the engine lock. */
#include "client/engine.h"
#include "client/feed.h"
#include "client/lame_duck.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/probe.h"

static bool given(const struct nki_engine *engine, enum nki_option_id id)
{
    return nki_options_str(engine->options, id).len > 0;
}

bool nki_engine_tls_intent(const struct nki_engine *engine)
{
    const struct nki_options *options = engine->options;
    size_t word = nki_options_choice(options, NKI_OPT_CONNECT_tls);
    if (word != NKI_TLS_AUTO) {
        return word == NKI_TLS_REQUIRE;
    }
    return nki_servers_secure(&engine->servers) || nki_options_bool(options, NKI_OPT_CONNECT_tls_first) ||
           given(engine, NKI_OPT_CONNECT_tls_ca_file) || given(engine, NKI_OPT_CONNECT_tls_ca_path) ||
           given(engine, NKI_OPT_CONNECT_tls_ca) || given(engine, NKI_OPT_CONNECT_tls_cert_file) ||
           given(engine, NKI_OPT_CONNECT_tls_cert);
}

static void begin_tls(struct nki_engine *engine)
{
    engine->state = NKI_ENGINE_WAIT_TLS;
    engine->want |= NKI_WANT_TLS;
}

static void begin_upgrade(struct nki_engine *engine)
{
    engine->state = NKI_ENGINE_WAIT_UPGRADE;
    engine->want |= NKI_WANT_UPGRADE;
}

void nki_engine_begin_handshake(struct nki_engine *engine, int64_t now_ns)
{
    (void)now_ns;
    engine->state = NKI_ENGINE_WAIT_INFO;
    nki_info_init(&engine->info); /* nothing of another server's INFO stays */
    engine->info_told = false;
    if (nki_url_is_ws(&engine->servers.current->url)) {
        /* TLS is below WebSocket, so it begins before the server has said anything, or not at all. */
        if (nki_engine_tls_intent(engine)) {
            begin_tls(engine);
        } else {
            begin_upgrade(engine);
        }
    } else if (nki_options_bool(engine->options, NKI_OPT_CONNECT_tls_first)) {
        begin_tls(engine);
    }
}

void nki_engine_filtered(struct nki_engine *engine, struct nki_stream *stream)
{
    assert(nki_engine_before_filter(engine));
    engine->stream = stream;
    nki_outbox_set_stream(&engine->outbox, stream);
}

void nki_engine_secured(struct nki_engine *engine, int64_t now_ns)
{
    assert(engine->state == NKI_ENGINE_WAIT_TLS);
    engine->secured = true;
    engine->servers.current->speaks_tls = true;
    if (engine->info_told) {
        nki_engine_begin_login(engine, now_ns);
    } else if (nki_url_is_ws(&engine->servers.current->url)) {
        begin_upgrade(engine);
    } else {
        engine->state = NKI_ENGINE_WAIT_INFO;
    }
}

void nki_engine_upgraded(struct nki_engine *engine)
{
    assert(engine->state == NKI_ENGINE_WAIT_UPGRADE);
    engine->state = NKI_ENGINE_WAIT_INFO;
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
    const struct nki_info *info = &engine->info;
    size_t word = nki_options_choice(engine->options, NKI_OPT_CONNECT_tls);
    bool intent = nki_engine_tls_intent(engine);
    bool offered = info->tls_required || info->tls_available;
    engine->info_told = true;
    engine->servers.current->speaks_tls = engine->secured;
    if (nki_options_bool(engine->options, NKI_OPT_CONNECT_no_echo) && info->proto < 1) {
        nki_engine_attempt_failed(engine, NKI_INVALID, "option no_echo: the server does not support it",
                                  now_ns);
    } else if (engine->secured || nki_url_is_ws(&engine->servers.current->url)) {
        /* What an INFO through WebSocket says of TLS is of what lies below it; a proxy may have ended that.
         */
        nki_engine_begin_login(engine, now_ns);
    } else if (intent && !offered) {
        nki_engine_attempt_failed(engine, NKI_TLS_REQUIRED, "TLS was asked for, and the server offers none",
                                  now_ns);
    } else if (word == NKI_TLS_OFF && info->tls_required) {
        nki_engine_attempt_failed(engine, NKI_TLS_REQUIRED, "the server wants TLS, and option tls is off",
                                  now_ns);
    } else if (offered && word != NKI_TLS_OFF) {
        begin_tls(engine);
    } else {
        nki_engine_begin_login(engine, now_ns);
    }
}

/* What is published from now on is held to this server's limits: whether they are others than before. Not
 * before it has let us in. */
static bool publish_limits(struct nki_engine *engine)
{
    const struct nki_info *info = &engine->info;
    int64_t max = atomic_exchange_explicit(&engine->max_payload, info->max_payload, memory_order_relaxed);
    bool headers = atomic_exchange_explicit(&engine->headers, info->headers, memory_order_relaxed);
    return max != info->max_payload || headers != info->headers;
}

void nki_engine_got_info(struct nki_engine *engine, struct nki_str json, int64_t now_ns)
{
    struct nki_error error;
    bool first = engine->state == NKI_ENGINE_WAIT_INFO;
    bool was_lame_duck = !first && engine->info.lame_duck;
    struct nki_info_urls urls;
    int32_t status = nki_info_parse(json, &engine->info, &urls, &error);
    if (status != NKI_OK && first) {
        nki_engine_attempt_failed(engine, status, error.text, now_ns);
        return;
    }
    if (status != NKI_OK) {
        struct nki_event event = {
            .type = NKI_EVENT_ASYNC_ERROR, .status = status, .text = nki_str_z(error.text)};
        nki_engine_emit(engine, &event); /* the INFO before it stays in force */
        return;
    }
    keep_info(engine, json);
    if (engine->state == NKI_ENGINE_CONNECTED && publish_limits(engine)) {
        (void)nki_engine_fit(engine); /* else the server refuses it, and the next transport does it */
    }
    if (first) {
        answer_first_info(engine, now_ns);
    }
    /* Who speaks in plain text where TLS is to be does not name servers: those of the INFO inside TLS count.
     */
    bool believed = engine->state == NKI_ENGINE_WAIT_AUTH || engine->state == NKI_ENGINE_WAIT_PONG ||
                    engine->state == NKI_ENGINE_CONNECTED;
    if (believed && nki_options_bool(engine->options, NKI_OPT_CONNECT_use_discovered) &&
        nki_servers_merge(&engine->servers, &urls)) {
        struct nki_event event = {.type = NKI_EVENT_SERVERS, .count = nki_servers_known(&engine->servers)};
        nki_engine_emit(engine, &event);
    }
    if (!first && engine->info.lame_duck && !was_lame_duck) {
        nki_engine_lame_duck(engine, now_ns);
    } else {
        nki_engine_move_plan(engine, now_ns); /* perhaps it told of the first other server */
    }
}

/* Everything that a new transport has to know before what waits in the outbox. */
static bool attach(struct nki_engine *engine)
{
    struct nki_buf replay = {0};
    bool kick = false;
    bool ok = nki_subs_replay(&engine->subs, &replay) &&
              (engine->replies.sid == 0 || nki_replies_emit_sub(&engine->replies, &replay));
    if (ok) {
        nki_engine_feeds_again(engine, &replay);
    }
    ok = ok && nki_outbox_attach(&engine->outbox, replay.data, replay.len, &kick) &&
         nki_engine_resume_ops(engine);
    nki_buf_free(&replay);
    engine->want |= kick ? NKI_WANT_KICK : 0;
    return ok;
}

void nki_engine_got_handshake_pong(struct nki_engine *engine, int64_t now_ns)
{
    if (engine->state != NKI_ENGINE_WAIT_PONG) {
        return;
    }
    (void)publish_limits(engine);
    if (!nki_engine_fit(engine) || !attach(engine)) {
        nki_engine_attempt_failed(engine, NKI_NO_MEMORY, "no memory to subscribe again", now_ns);
        return;
    }
    bool again = engine->was_connected;
    engine->state = NKI_ENGINE_CONNECTED;
    engine->was_connected = true;
    engine->rounds = 0;
    engine->connected_ns = now_ns;
    engine->pong_ns = now_ns;
    engine->auth_refused = false;
    engine->servers.current->failures = 0;
    engine->servers.current->auth_failures = 0;
    engine->attempt_deadline_ns = NKI_NEVER;
    engine->first_deadline_ns = NKI_NEVER;
    engine->outage_ns = NKI_NEVER;
    engine->pings.unanswered = 0;
    engine->ping_ns = now_ns + nki_engine_option_ns(engine, NKI_OPT_CONNECT_ping_interval_ms);
    engine->counts.reconnects += again ? 1 : 0;
    NKI_PROBE(connected, engine->origin, engine->servers.current->text, engine->epoch, again);
    struct nki_event event = {.type = again ? NKI_EVENT_RECONNECTED : NKI_EVENT_CONNECTED};
    nki_engine_emit(engine, &event);
    if (engine->info.lame_duck) {
        nki_engine_lame_duck(engine, now_ns);
    }
    nki_engine_finish_own(&engine->connect_op, NKI_OK, NULL);
    nki_engine_feeds_up(engine, now_ns);
    if (engine->closing && now_ns < engine->close_deadline_ns) { /* else the tick says that it is late */
        nki_engine_close_linger(engine, NULL, engine->close_deadline_ns, now_ns);
    }
}
