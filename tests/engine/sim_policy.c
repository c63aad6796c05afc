/* The simulator's options that decide on pauses and the end, and the model of them: which servers are in the
 * pool with how many failures, how long a pause is (an answer of the application is kept to the ns), when the
 * connection must end, and for which reason it may. */
#include "sim.h"

#include <inttypes.h>
#include <stdio.h>

#define WAIT_MIN_MS 250 /* options reconnect_wait_ms, reconnect_wait_max_ms, reconnect_jitter_ms */
#define WAIT_MAX_MS 8000
#define JITTER_MS 10
#define CONNECT_MS 10000
#define PING_NS (10000 * NKI_NS_PER_MS) /* option ping_interval_ms; max_pings_out is 2 */

/* -- options -------------------------------------------------------------------------------------------- */

static bool set(struct sim *sim, struct nki_options *options, const char *name, const char *value)
{
    int32_t status = nki_options_set(options, nki_str_z(name), nki_str_z(value), NULL);
    SIM_CHECK(sim, status == NKI_OK || (status == NKI_NO_MEMORY && sim->options.lenient), "option %s: %d",
              name, status);
    return status == NKI_OK;
}

static bool set_number(struct sim *sim, struct nki_options *options, const char *name, int64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, value);
    return set(sim, options, name, text);
}

static int64_t choose(struct sim *sim, int64_t otherwise, int64_t from, int64_t to)
{
    bool other = sim_chance(sim, 25);
    int64_t value = from + (int64_t)sim_below(sim, (uint64_t)(to - from) + 1);
    return other ? value : otherwise;
}

bool sim_policy_choose(struct sim *sim, struct nki_options *options)
{
    static const char *const words[] = {"fail", "retry", "background"};
    struct sim_policy *policy = &sim->policy;
    policy->first_connect = (int)choose(sim, SIM_FAIL, SIM_RETRY, SIM_BACKGROUND);
    policy->max_auth_failures = choose(sim, -1, 1, 3);
    policy->max_attempts = choose(sim, -1, 1, 5);
    policy->max_outage_ms = choose(sim, -1, 300, 20000);
    policy->write_stall_ms = choose(sim, sim_chance(sim, 20) ? -1 : 10000, 200, 3000);
    policy->answer_timeout_ms = choose(sim, 1000, 50, 3000);
    policy->offline_bytes = choose(sim, 8388608, 1000, 30000);
    policy->offline_bytes = sim_chance(sim, 10) ? 0 : policy->offline_bytes;
    policy->fail_fast = sim_chance(sim, 25);
    policy->asks = sim_chance(sim, 50);
    return set(sim, options, "randomize", "false") && set(sim, options, "inbox_prefix", "_IN.box") &&
           set_number(sim, options, "outbox_bytes", SIM_OUTBOX_BYTES) &&
           set_number(sim, options, "attempt_timeout_ms", 2000) &&
           set_number(sim, options, "reconnect_wait_ms", WAIT_MIN_MS) &&
           set_number(sim, options, "reconnect_wait_max_ms", WAIT_MAX_MS) &&
           set_number(sim, options, "reconnect_jitter_ms", JITTER_MS) &&
           set(sim, options, "first_connect", words[policy->first_connect]) &&
           set_number(sim, options, "max_auth_failures", policy->max_auth_failures) &&
           set_number(sim, options, "max_reconnect_attempts", policy->max_attempts) &&
           set_number(sim, options, "max_outage_ms", policy->max_outage_ms) &&
           set_number(sim, options, "write_stall_ms", policy->write_stall_ms) &&
           set_number(sim, options, "answer_timeout_ms", policy->answer_timeout_ms) &&
           set_number(sim, options, "reconnect_buffer_bytes", policy->offline_bytes) &&
           set(sim, options, "move_on_lame_duck", "false") && /* lame_duck_test.c */
           set(sim, options, "outbox_full", policy->fail_fast ? "fail" : "wait");
}

static int64_t outage_from(const struct sim *sim, int64_t now_ns)
{
    int64_t max_ms = sim->policy.max_outage_ms;
    return max_ms < 0 ? NKI_NEVER : now_ns + max_ms * NKI_NS_PER_MS;
}

void sim_policy_start(struct sim *sim)
{
    bool background = sim->policy.first_connect == SIM_BACKGROUND;
    sim->first_deadline_ns = background ? NKI_NEVER : sim->now_ns + CONNECT_MS * NKI_NS_PER_MS;
    sim->outage_ns = background ? outage_from(sim, sim->now_ns) : NKI_NEVER;
    sim->blocked_ns = sim->drain_deadline_ns = sim->close_deadline_ns = NKI_NEVER;
    const struct nki_servers *servers = &sim->engine.servers;
    for (size_t i = 0; i < servers->count; i++) {
        struct sim_known *known = &sim->known[sim->known_count++];
        *known = (struct sim_known){.configured = true};
        snprintf(known->text, sizeof known->text, "%s", servers->list[i]->text);
    }
}

/* -- servers -------------------------------------------------------------------------------------------- */

static struct sim_known *known_by(struct sim *sim, const char *text)
{
    for (size_t i = 0; i < sim->known_count; i++) {
        if (strcmp(sim->known[i].text, text) == 0) {
            return &sim->known[i];
        }
    }
    return NULL;
}

void sim_policy_dial(struct sim *sim)
{
    SIM_CHECK(sim,
              !sim->pause.active || sim->now_ns == sim->pause.end_ns ||
                  (sim->overdue && sim->now_ns > sim->pause.end_ns),
              "a pause ends %" PRId64 " ns late", sim->now_ns - sim->pause.end_ns);
    sim->pause = (struct sim_pause){0};
    SIM_CHECK(sim, !sim->hello_lost || sim->brief <= 1 || sim->options.lenient,
              "no pause after brief connections");
    sim->hello_lost = false;
    snprintf(sim->trying, sizeof sim->trying, "%s", sim->engine.servers.current->text);
    sim->attempt = true;
}

void sim_policy_hello(struct sim *sim)
{
    struct sim_known *known = known_by(sim, sim->trying);
    sim->attempt = sim->refused = false;
    sim->rounds = 0;
    sim->answered_ns = sim->connected_ns = sim->now_ns;
    sim->outage_ns = sim->first_deadline_ns = NKI_NEVER;
    SIM_CHECK(sim, known != NULL, "%s is not in the pool", sim->trying);
    known->failures = known->auth_failures = 0;
}

void sim_policy_lost(struct sim *sim, bool hello, bool refused)
{
    if (sim->options.lenient) {
        return;
    }
    if (hello) {
        bool brief = !sim->forcing && sim->now_ns - sim->connected_ns < WAIT_MIN_MS * NKI_NS_PER_MS;
        sim->brief = brief ? sim->brief + 1 : 0;
        sim->hello_lost = true;
        sim->outage_ns = outage_from(sim, sim->now_ns);
        sim->closing_lost = sim->closing;
    }
    struct sim_known *known = known_by(sim, sim->trying);
    if (!sim->attempt || known == NULL) {
        return;
    }
    sim->attempt = false;
    sim->refused = sim->refused || refused;
    known->failures++;
    known->auth_failures = refused ? known->auth_failures + 1 : 0;
    int64_t max = sim->policy.max_attempts;
    known->given_up = sim->connects > 0 && max >= 0 && known->failures >= max;
    max = sim->policy.max_auth_failures;
    sim->auth_limit = sim->auth_limit || (max >= 0 && refused && known->auth_failures >= max);
}

/* The pool holds what was configured and not given up, and what servers told of. */
static void check_servers(struct sim *sim)
{
    const struct nki_servers *servers = &sim->engine.servers;
    bool present[SIM_KNOWN_MAX] = {false};
    for (size_t i = 0; i < servers->count; i++) {
        const struct nki_server *server = servers->list[i];
        struct sim_known *known = known_by(sim, server->text);
        if (known == NULL) {
            SIM_CHECK(sim, sim->known_count < SIM_KNOWN_MAX, "too many servers");
            known = &sim->known[sim->known_count++];
            *known = (struct sim_known){0};
            snprintf(known->text, sizeof known->text, "%s", server->text);
        }
        present[known - sim->known] = true;
        if (sim->infos > 1 && !known->configured && server->failures == 0) {
            known->failures = known->auth_failures = 0; /* one INFO has removed it, the next one added it */
        }
        SIM_CHECK(sim, !known->given_up, "%s stays after %u failures", known->text, known->failures);
        SIM_CHECK(sim, server->failures == known->failures && server->auth_failures == known->auth_failures,
                  "%s has failed %u times, refused %u, counted %u and %u", known->text, known->failures,
                  known->auth_failures, server->failures, server->auth_failures);
    }
    sim->infos = 0;
    for (size_t i = sim->known_count; i > 0; i--) {
        struct sim_known *known = &sim->known[i - 1];
        SIM_CHECK(sim, present[i - 1] || known->given_up || !known->configured,
                  "%s is gone after %u failures", known->text, known->failures);
        if (!present[i - 1]) {
            *known = sim->known[--sim->known_count];
        }
    }
}

/* -- pauses --------------------------------------------------------------------------------------------- */

/* How long it must be, without jitter. A pause right after a connection is for the second one in a row that
 * was lost as soon as it was made. */
static int64_t pause_ms(struct sim *sim)
{
    if (sim->hello_lost) {
        SIM_CHECK(sim, sim->brief > 1, "a pause after a connection is lost");
        return WAIT_MIN_MS;
    }
    uint64_t round = sim->rounds++;
    int64_t wait_ms = round < 10 ? WAIT_MIN_MS << round : WAIT_MAX_MS;
    return sim->refused || wait_ms > WAIT_MAX_MS ? WAIT_MAX_MS : wait_ms;
}

static void begin_pause(struct sim *sim)
{
    struct sim_pause *pause = &sim->pause;
    const struct sim_policy *policy = &sim->policy;
    pause->active = true;
    pause->end_ns = sim->engine.backoff_ns;
    int64_t wait_ns = pause->end_ns - sim->now_ns;
    int64_t told_ms = pause_ms(sim);
    sim->refused = sim->hello_lost = false;
    SIM_CHECK(sim, policy->asks == (pause->request != 0), "the application is asked, or not, wrongly");
    int64_t asked_ms =
        pause->delay_ms > policy->answer_timeout_ms ? pause->delay_ms : policy->answer_timeout_ms;
    if (policy->asks) {
        SIM_CHECK(sim, pause->delay_ms >= told_ms && pause->delay_ms <= told_ms + JITTER_MS,
                  "a pause of %" PRId64 " ms is told instead of %" PRId64, pause->delay_ms, told_ms);
        SIM_CHECK(sim, wait_ns / NKI_NS_PER_MS == asked_ms,
                  "a pause of %" PRId64 " ns, not of %" PRId64 " ms", wait_ns, asked_ms);
    } else {
        SIM_CHECK(sim, wait_ns >= told_ms * NKI_NS_PER_MS && wait_ns <= (told_ms + JITTER_MS) * NKI_NS_PER_MS,
                  "a pause of %" PRId64 " ns instead of %" PRId64 " ms", wait_ns, told_ms);
    }
}

void sim_policy_act_answer(struct sim *sim)
{
    struct sim_pause *pause = &sim->pause;
    int64_t delay_ms = (int64_t)sim_below(sim, 4000);
    uint64_t request = sim_chance(sim, 80) ? sim->last_request : sim_below(sim, sim->last_request + 3);
    if (sim->options.lenient) {
        nki_engine_answer_delay(&sim->engine, request, delay_ms, sim->now_ns);
        return;
    }
    bool right = pause->active && request != 0 && request == pause->request;
    int times = sim_chance(sim, 20) ? 2 : 1;
    for (int i = 0; i < times; i++, delay_ms += 100) {
        int32_t status = nki_engine_answer_delay(&sim->engine, request, delay_ms, sim->now_ns);
        SIM_CHECK(sim, status == (right && i == 0 ? NKI_OK : NKI_NOT_FOUND), "an answer gives %d", status);
        if (status == NKI_OK) {
            int64_t end_ns = pause->asked_ns + delay_ms * NKI_NS_PER_MS;
            pause->end_ns = end_ns > sim->now_ns ? end_ns : sim->now_ns;
            pause->request = 0;
        }
    }
}

void sim_policy_act_reconnect(struct sim *sim)
{
    struct nki_engine *engine = &sim->engine;
    bool connected = engine->state == NKI_ENGINE_CONNECTED;
    bool paused = engine->state == NKI_ENGINE_BACKOFF;
    uint64_t dials = sim->dials;
    char old[sizeof sim->trying];
    memcpy(old, sim->trying, sizeof old);
    int32_t status = nki_engine_reconnect(engine, sim->now_ns);
    int32_t expected = sim->closed     ? NKI_CLOSED
                       : sim->draining ? NKI_DRAINING
                       : sim->closing  ? NKI_CLOSED
                                       : NKI_OK;
    SIM_CHECK(sim, status == expected, "to reconnect gives %d instead of %d", status, expected);
    if (status != NKI_OK) {
        return;
    }
    sim->forced += connected || paused;
    if (connected) {
        sim->what = "forced reconnect";
        sim->forcing = true;
        sim_settle(sim);
        sim->forcing = false;
        SIM_CHECK(sim, sim->link == NULL && sim->dialing && sim->dials == dials + 1,
                  "no new transport is made");
        SIM_CHECK(sim, engine->servers.count == 1 || strcmp(old, sim->trying) != 0,
                  "the same server is tried");
    } else if (paused) {
        sim->pause.end_ns = sim->now_ns;
        sim->pause.request = 0;
    }
}

void sim_policy_event(struct sim *sim, const struct nki_event *event)
{
    switch (event->type) {
    case NKI_EVENT_STALE:
        SIM_CHECK(sim, sim->stalls || sim->now_ns - sim->answered_ns >= 2 * PING_NS,
                  "stale after %" PRId64 " ns without an answer", sim->now_ns - sim->answered_ns);
        break;
    case NKI_EVENT_FORCED_RECONNECT:
        sim->forced_events++;
        break;
    case NKI_EVENT_LAME_DUCK:
        sim->lame_events++;
        break;
    case NKI_EVENT_DELAY_NEEDED:
        SIM_CHECK(sim, event->request > sim->last_request && !sim->pause.active, "a strange question");
        sim->last_request = sim->pause.request = event->request;
        sim->pause.asked_ns = sim->now_ns;
        sim->pause.delay_ms = event->delay_ms;
        break;
    case NKI_EVENT_CLOSED:
        SIM_CHECK(sim, event->status == sim->engine.last_error.status, "CLOSED tells %d", event->status);
        break;
    default:
        break;
    }
}

/* -- the end -------------------------------------------------------------------------------------------- */

/* Why it must have ended by now; NULL if it lives rightly. */
static const char *must_end(const struct sim *sim)
{
    bool first = sim->connects == 0 && sim->now_ns >= sim->first_deadline_ns;
    return sim->auth_limit                                          ? "refused too often"
           : sim->now_ns >= sim->outage_ns                          ? "an outage that is too long"
           : first                                                  ? "the deadline of the first connect"
           : sim->closing_lost                                      ? "lost while it lingers"
           : sim->draining && sim->now_ns >= sim->drain_deadline_ns ? "the deadline of the drain"
           : sim->closing && sim->now_ns >= sim->close_deadline_ns  ? "the deadline of the close"
           : sim->engine.servers.count == 0                         ? "no server is left"
                                                                    : NULL;
}

void sim_policy_check(struct sim *sim)
{
    const struct nki_engine *engine = &sim->engine;
    if (sim->options.lenient || engine->state == NKI_ENGINE_CLOSED) {
        return;
    }
    bool paused = engine->state == NKI_ENGINE_BACKOFF;
    if (paused && !sim->pause.active) {
        begin_pause(sim);
    }
    SIM_CHECK(sim, paused == sim->pause.active, "a pause ends without another attempt");
    SIM_CHECK(sim, !paused || engine->backoff_ns == sim->pause.end_ns, "a pause has changed its end");
    int64_t stall_ms = sim->policy.write_stall_ms;
    bool counts = sim->blocked_ns != NKI_NEVER && stall_ms >= 0;
    SIM_CHECK(sim, engine->stall_ns == (counts ? sim->blocked_ns + stall_ms * NKI_NS_PER_MS : NKI_NEVER),
              "a socket that takes nothing is not given up in time");
    bool connected = engine->state == NKI_ENGINE_CONNECTED;
    SIM_CHECK(sim, !connected || sim->tardy || sim->now_ns - sim->answered_ns < 3 * PING_NS,
              "no PONG for %" PRId64 " ns, and not given up", sim->now_ns - sim->answered_ns);
    SIM_CHECK(sim, sim->overdue || must_end(sim) == NULL, "goes on in spite of %s", must_end(sim));
    SIM_CHECK(sim, sim->forced_events == sim->forced,
              "%" PRIu64 " reconnects were forced, %" PRIu64 " events", sim->forced, sim->forced_events);
    SIM_CHECK(sim, sim->lame_events == sim->lame, "%" PRIu64 " servers will leave, %" PRIu64 " events",
              sim->lame, sim->lame_events);
    check_servers(sim);
}

void sim_policy_closed(struct sim *sim)
{
    sim->pause = (struct sim_pause){0};
    if (sim->options.lenient) {
        return;
    }
    const struct nki_engine *engine = &sim->engine;
    int32_t status = engine->last_error.status;
    bool asked = sim->closing || sim->ending;
    bool deadline = (sim->closing && sim->now_ns >= sim->close_deadline_ns) ||
                    (sim->draining && sim->now_ns >= sim->drain_deadline_ns) ||
                    sim->now_ns >= sim->outage_ns ||
                    (sim->connects == 0 && sim->now_ns >= sim->first_deadline_ns);
    bool first = sim->connects == 0 && sim->policy.first_connect == SIM_FAIL;
    size_t count = engine->servers.count;
    bool all_failed = first && sim->dials >= count && (count == 1 || status == NKI_NO_SERVERS);
    bool none_left = count == 0 && sim->policy.max_attempts >= 0 && sim->connects > 0;
    bool refused = sim->auth_limit && status == NKI_AUTH;
    SIM_CHECK(sim, engine->by_application == (status == NKI_CLOSED), "closed by whom?");
    SIM_CHECK(sim,
              (asked && status == NKI_CLOSED) || (deadline && status == NKI_TIMEOUT) || sim->closing_lost ||
                  refused || all_failed || none_left,
              "closed for no reason: %d, %s", status, engine->last_error.text);
}
