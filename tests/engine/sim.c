/* The simulator's driver: does what client/driver.c does, with a virtual clock and without sockets. */
#include "sim.h"

#include "base/alloc.h"

#include <setjmp.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum dial_plan { DIAL_OK, DIAL_REFUSED, DIAL_SILENT };

void sim_fail(struct sim *sim, const char *format, ...)
{
    char text[800];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    nki_alloc_gate_set(NULL);
    print_error("seed %" PRIu64 ", allocation %ld, step %d (%s), state %d, %.3f s: %s\n", sim->options.seed,
                sim->options.nth, sim->step, sim->what, (int)sim->engine.state, (double)sim->now_ns / 1e9,
                text);
    fail();
}

uint64_t sim_below(struct sim *sim, uint64_t limit)
{
    return nki_rand_below(&sim->rand, limit);
}

bool sim_chance(struct sim *sim, unsigned percent)
{
    return sim_below(sim, 100) < percent;
}

void sim_take_right(struct sim *sim, bool kick)
{
    if (kick) {
        SIM_CHECK(sim, !sim->right, "the transmit right was given twice");
        sim->right = true;
        sim->broken = false;
    }
}

static void transmit(struct sim *sim, size_t budget)
{
    struct nki_engine *engine = &sim->engine;
    if (sim->tx_waiting && sim_link_full(sim->link)) {
        return; /* the socket does not ask for more */
    }
    if (sim->tx_waiting) {
        sim->tx_waiting = false;
        sim->blocked_ns = NKI_NEVER;
        nki_engine_writing(engine, false, sim->now_ns);
    }
    enum nki_outbox_result result = nki_outbox_transmit(&engine->outbox, budget);
    if (result == NKI_OUTBOX_AGAIN) {
        sim->tx_waiting = true;
        sim->blocked_ns = sim->now_ns;
        nki_engine_writing(engine, true, sim->now_ns);
    }
    if (result == NKI_OUTBOX_EMPTY || result == NKI_OUTBOX_BROKEN) {
        sim->right = false;
        sim->broken = result == NKI_OUTBOX_BROKEN;
    }
}

static void hang_up(struct sim *sim)
{
    int64_t stall_ms = sim->policy.write_stall_ms;
    sim->stalls = sim->blocked_ns != NKI_NEVER && stall_ms >= 0 &&
                  sim->now_ns >= sim->blocked_ns + stall_ms * NKI_NS_PER_MS;
    sim->dialing = sim->tx_waiting = false;
    sim->blocked_ns = NKI_NEVER;
    sim_policy_lost(sim, sim->link != NULL && sim->link->hello, sim->link != NULL && sim->link->refused);
    if (sim->link != NULL) {
        struct sim_link *link = sim->link;
        SIM_CHECK(sim, sim->engine.stream == NULL, "a transport is let go of that is still used");
        nki_stream_shutdown(&link->stream);
        sim_link_end(link);
        sim_app_lost(sim);
        sim->link = NULL;
        nki_stream_free(&link->stream);
    }
    if (sim->right) {
        transmit(sim, 1);
        SIM_CHECK(sim, !sim->right, "the right was not given back though there is no transport");
    }
}

static void begin_dial(struct sim *sim)
{
    const struct nki_server *server = sim->engine.servers.current;
    SIM_CHECK(sim, server != NULL && sim->link == NULL && !sim->dialing, "dials at the wrong time");
    int index = (int)server->url.port - SIM_PORT;
    SIM_CHECK(sim, index >= 0 && index < SIM_SERVERS, "dials %s, of which nobody told", server->text);
    sim_policy_dial(sim);
    sim->dials++;
    sim->dialing = true;
    sim->dial_server = index;
    sim->dial_ns = sim->now_ns + (int64_t)sim_below(sim, 20) * NKI_NS_PER_MS;
    sim->dial_plan = DIAL_OK;
    if (!sim->healed && !sim->options.faultless && sim_chance(sim, sim->connects == 0 ? 5 : 30)) {
        sim->dial_plan = sim_chance(sim, 80) ? DIAL_REFUSED : DIAL_SILENT;
    }
    if (!sim->healed && sim->now_ns < sim->down_ns[index]) {
        sim->dial_plan = DIAL_REFUSED;
    }
}

static void end_dial(struct sim *sim)
{
    struct nki_error error;
    sim->dialing = false;
    if (sim->dial_plan == DIAL_REFUSED) {
        nki_error_set(&error, NKI_CONNECT_REFUSED, "refused");
        nki_engine_lost(&sim->engine, &error, sim->now_ns);
    } else {
        enum sim_mode mode = SIM_MODE_GOOD;
        if (!sim->healed && !sim->options.faultless && sim_chance(sim, sim->connects == 0 ? 4 : 20)) {
            mode = (enum sim_mode)sim_below(sim, SIM_MODE_COUNT);
        }
        sim->link = sim_link_new(sim, sim->dial_server, mode);
        sim->answered_ns = NKI_NEVER;
        nki_engine_connected(&sim->engine, &sim->link->stream, sim->now_ns);
    }
}

static void check_engine(struct sim *sim)
{
    const struct nki_engine *engine = &sim->engine;
    const struct nki_outbox *outbox = &engine->outbox;
    bool connected = engine->state == NKI_ENGINE_CONNECTED;
    SIM_CHECK(sim, outbox->right_taken == sim->right, "the outbox and we disagree on who has the right");
    SIM_CHECK(sim, connected == (outbox->live && outbox->stream != NULL), "CONNECTED does not mean live");
    SIM_CHECK(sim, (engine->stream != NULL) == (outbox->stream != NULL),
              "engine and outbox disagree on the stream");
    SIM_CHECK(sim, !connected || sim->link != NULL, "CONNECTED without a transport");
    bool something = outbox->handshake.len > 0 || (outbox->live && outbox->head != NULL);
    SIM_CHECK(sim, outbox->stream == NULL || !something || sim->right || sim->broken,
              "something waits to be sent and nobody has the right");
    SIM_CHECK(sim, connected || engine->ping_ns == NKI_NEVER, "a ping is due without a connection");
    SIM_CHECK(sim, (engine->state == NKI_ENGINE_BACKOFF) == (engine->backoff_ns != NKI_NEVER),
              "a pause without an end, or an end without a pause");
    uint64_t msgs;
    uint64_t bytes;
    uint64_t pending;
    nki_outbox_counts_get(&sim->engine.outbox, &msgs, &bytes, &pending);
    SIM_CHECK(sim, msgs == sim->pub_count, "%" PRIu64 " messages accepted, counted %" PRIu64, sim->pub_count,
              msgs);
    SIM_CHECK(sim, engine->state != NKI_ENGINE_CLOSED || nki_engine_deadline_ns(engine) == NKI_NEVER,
              "closed, and something is still due");
}

void sim_settle(struct sim *sim)
{
    struct nki_engine *engine = &sim->engine;
    sim_take_right(sim, (engine->want & NKI_WANT_KICK) != 0);
    engine->want &= ~NKI_WANT_KICK;
    if ((engine->want & NKI_WANT_HANGUP) != 0) {
        engine->want &= ~NKI_WANT_HANGUP;
        hang_up(sim);
    }
    if ((engine->want & NKI_WANT_DIAL) != 0) {
        engine->want &= ~NKI_WANT_DIAL;
        begin_dial(sim);
    }
    SIM_CHECK(sim, engine->want == 0, "wants %u", engine->want);
    sim_app_check(sim);
    check_engine(sim);
}

/* The client reads: in pieces, some of a large body straight to its place, as the driver does. */
static void feed(struct sim *sim, size_t max)
{
    struct sim_link *link = sim->link;
    struct nki_engine *engine = &sim->engine;
    size_t len = link->out.len < max ? link->out.len : max;
    bool closing = engine->closing;
    if (closing && link->mark_at < link->mark_count) {
        /* Frame by frame, so that it is known which one closes. */
        uint64_t left = link->marks[link->mark_at].end - link->out_begin;
        len = left < len ? (size_t)left : len;
    }
    if (len == 0) {
        return;
    }
    uint8_t *body;
    size_t room = nki_engine_body_room(engine, 1 + sim_below(sim, 3000), &body);
    size_t direct = room < len ? room : len;
    if (direct > 0) {
        memcpy(body, link->out.at, direct);
        nki_engine_fed_body(engine, direct);
    }
    /* A copy of just this size, so that a read past its end is seen. */
    uint8_t *copy = ts_alloc(len - direct + 1);
    memcpy(copy, link->out.at + direct, len - direct);
    nki_engine_feed(engine, copy, len - direct, sim->now_ns);
    free(copy);
    ts_buf_drop_front(&link->out, len);
    link->out_begin += len;
    bool fatal = false;
    while (!fatal && link->mark_at < link->mark_count && link->marks[link->mark_at].end <= link->out_begin) {
        const struct sim_mark *mark = &link->marks[link->mark_at++];
        fatal = mark->kind == SIM_MARK_FATAL;
        link->refused = link->refused || (fatal && link->mode == SIM_MODE_AUTH);
        if (!sim->options.lenient) {
            sim_app_saw(sim, mark);
        }
        fatal = fatal || (closing && engine->state == NKI_ENGINE_CLOSED);
    }
    bool lost = engine->stream != &link->stream;
    link->hello = link->hello || (!lost && engine->state == NKI_ENGINE_CONNECTED);
    SIM_CHECK(sim, !fatal || lost, "the transport was to be given up here");
    /* Garbage may be refused before its end. */
    bool within = link->mark_at < link->mark_count && link->marks[link->mark_at].kind == SIM_MARK_FATAL;
    /* What ends a drain may come after its deadline. */
    bool late = sim->overdue && engine->state == NKI_ENGINE_CLOSED && sim->now_ns >= sim->drain_deadline_ns;
    /* Or nothing is left to be confirmed when it is done. */
    bool done = engine->state == NKI_ENGINE_CLOSED && engine->draining && engine->confirmed;
    SIM_CHECK(sim, fatal || within || !lost || late || done || sim->options.lenient,
              "the transport was given up: %s", engine->last_error.text);
}

static void read_end(struct sim *sim)
{
    struct nki_error error;
    nki_error_set(&error, NKI_DISCONNECTED, "the server closed the connection");
    nki_engine_lost(&sim->engine, &error, sim->now_ns);
}

static void fault(struct sim *sim)
{
    struct sim_link *link = sim->link;
    if (link == NULL) {
        return;
    }
    if (sim_chance(sim, 30)) {
        link->stalled = !link->stalled;
    } else if (link->lame || sim_chance(sim, 60)) {
        sim->what = "cut";
        if (sim_chance(sim, 50)) {
            sim_link_process(link, (size_t)sim_below(sim, link->wire.len + 1));
        }
        link->cut = true;
        if (sim_chance(sim, 40)) { /* ... for a while: another one is to accept */
            sim->down_ns[link->server] = sim->now_ns + (int64_t)sim_below(sim, 8000) * NKI_NS_PER_MS;
        }
    }
}

/* One small thing on the way between client and server. */
static void network(struct sim *sim)
{
    struct sim_link *link = sim->link;
    switch (sim_below(sim, 4)) {
    case 0:
        sim->what = "transmit";
        if (sim->right) {
            transmit(sim, (size_t)sim_below(sim, 40000) + 1);
        }
        break;
    case 1:
        sim->what = "process";
        if (link != NULL && !link->stalled && !link->cut) {
            sim_link_process(link, sim_chance(sim, 50) ? SIZE_MAX : (size_t)sim_below(sim, 3000));
        }
        break;
    case 2:
        sim->what = "speak";
        if (link != NULL && !link->stalled && !link->cut && link->hello) {
            sim_link_speak(link);
        }
        break;
    default:
        sim->what = "feed";
        if (link != NULL && link->out.len > 0) {
            feed(sim, sim_chance(sim, 50) ? SIZE_MAX
                                          : 1 + (size_t)sim_below(sim, sim_chance(sim, 50) ? 20 : 2000));
        } else if (link != NULL && link->cut && sim_chance(sim, 50)) {
            sim->what = "end of stream";
            read_end(sim);
        }
        break;
    }
    sim_settle(sim);
}

/* Time goes on, at most to the next thing that is due. */
static void pass_time(struct sim *sim, int64_t most_ns)
{
    int64_t due = nki_engine_deadline_ns(&sim->engine);
    if (sim->dialing && sim->dial_plan != DIAL_SILENT && sim->dial_ns < due) {
        due = sim->dial_ns;
    }
    int64_t to = sim->now_ns + most_ns;
    sim->now_ns = to < due ? to : due;
    sim->overdue = sim->tardy && !sim->healed && to >= due && sim_chance(sim, 50);
    if (sim->overdue) { /* the driver is busy elsewhere: the tick comes after its time, and after other things
                         */
        sim->now_ns += (int64_t)sim_below(sim, 30) * NKI_NS_PER_MS;
        for (uint64_t i = sim_below(sim, 10); i > 0; i--) {
            network(sim);
        }
        sim->what = "late";
        if (sim->draining && sim_chance(sim, 50)) {
            sim_app_finish(sim);
        } else {
            sim_app_act(sim);
        }
        sim_settle(sim);
    }
    if (sim->now_ns >= nki_engine_deadline_ns(&sim->engine)) {
        nki_engine_tick(&sim->engine, sim->now_ns);
        SIM_CHECK(sim, nki_engine_deadline_ns(&sim->engine) > sim->now_ns, "a tick left something due");
        sim_op_expire(sim);
        sim_settle(sim);
    }
    sim->overdue = false;
    if (sim->dialing && sim->dial_plan != DIAL_SILENT && sim->now_ns >= sim->dial_ns) {
        end_dial(sim);
    }
    sim_settle(sim);
}

static void one_step(struct sim *sim)
{
    uint64_t dice = sim_below(sim, 100);
    if (dice < 70) {
        network(sim);
    } else if (dice < 90) {
        sim->what = "application";
        sim_app_act(sim);
        sim_settle(sim);
    } else if (dice < 98 || sim->options.faultless) {
        sim->what = "time";
        int64_t most = sim->slow ? 4000 : sim_chance(sim, 90) ? 50 : 15000;
        pass_time(sim, (int64_t)sim_below(sim, (uint64_t)most) * NKI_NS_PER_MS);
    } else {
        sim->what = "fault";
        fault(sim);
        sim_settle(sim);
    }
}

/* All is well from now on: what was begun must come to an end. */
static void heal(struct sim *sim)
{
    sim->healed = true;
    sim->what = "healing";
    nki_alloc_gate_set(NULL);
    if (sim->link != NULL) {
        sim->link->stalled = false;
    }
    for (int i = 0; i < 200000; i++) {
        if (sim->closed || (sim->link != NULL && sim->link->hello && sim->link->out.len == 0 &&
                            sim->link->wire.len == 0 && !sim->right && !sim->link->cut)) {
            return;
        }
        if (sim_chance(sim, 90)) {
            uint64_t kind = sim_below(sim, 3);
            if (kind == 0 && sim->right) {
                transmit(sim, 100000);
            } else if (kind == 1 && sim->link != NULL && !sim->link->cut) {
                sim_link_process(sim->link, SIZE_MAX);
            } else if (sim->link != NULL && sim->link->out.len > 0) {
                feed(sim, SIZE_MAX);
            } else if (sim->link != NULL && sim->link->cut) {
                read_end(sim);
            }
            sim_settle(sim);
        } else {
            pass_time(sim, 100 * NKI_NS_PER_MS);
        }
    }
    sim_fail(sim, "does not come to rest");
}

/* What was to be drained is drained once everything is taken: the connection, too, which then closes. */
static void prove_drains(struct sim *sim)
{
    SIM_CHECK(sim, sim->closed || !sim->closing, "it has flushed everything, and does not close");
    for (size_t i = 0; i < sim->sub_count && !sim->closed; i++) {
        const struct sim_sub *sub = &sim->subs[i];
        SIM_CHECK(sim, sub->released || sub->drain != NKI_DRAIN_ASKED, "sid %" PRIu64 " waits for its PONG",
                  sub->sid);
    }
    if (sim->closed || (!sim->draining && sim_chance(sim, 50))) {
        return;
    }
    sim_app_finish(sim);
    sim_settle(sim);
    heal(sim);
    SIM_CHECK(sim, sim->closed || !sim->draining, "all was taken, and the drain does not end");
}

/* What the application is owed once all is well: subscriptions work, a flush is answered. */
static void prove_alive(struct sim *sim)
{
    prove_drains(sim);
    if (sim->closed) {
        return;
    }
    for (int round = 0; round < 3; round++) {
        size_t count = sim->link != NULL ? sim->link->sub_count : 0;
        for (size_t i = 0; i < count; i++) {
            struct sim_server_sub *sub = &sim->link->subs[i];
            if (!sim->options.lenient) {
                sim_app_check_limit(sim, sub);
            }
            while (sub->live && !sub->inbox && (sub->max > 0 || round == 0)) {
                sim_link_message(sim->link, sub, 20);
                if (sub->max == 0) {
                    break;
                }
            }
        }
        heal(sim);
    }
    for (size_t i = 0; i < sim->sub_count && !sim->closed; i++) {
        const struct sim_sub *sub = &sim->subs[i];
        SIM_CHECK(sim, sub->max == 0 || !sub->live,
                  "sid %" PRIu64 " has got %" PRIu64 " of %" PRIu64
                  " messages, and its server has none left for it",
                  sub->sid, sub->arrived, sub->max);
    }
    int op = sim->closed ? -1 : sim_app_flush(sim, 2000);
    sim_settle(sim);
    heal(sim);
    SIM_CHECK(sim, sim->closed || (op >= 0 && nki_op_result(sim->ops[op].op, NULL, NULL) == NKI_OK),
              "a flush was not answered");
}

static void close_all(struct sim *sim)
{
    sim->what = "close";
    struct nki_engine *engine = &sim->engine;
    if (engine->state != NKI_ENGINE_CLOSED) {
        sim->ending = true;
        nki_engine_close(engine, NULL, sim->now_ns);
        sim_settle(sim);
    }
    SIM_CHECK(sim, sim->link == NULL && !sim->dialing, "a transport outlives the close");
    for (int i = 0; i < 40; i++) { /* which is refused, or harmless */
        sim_app_act(sim);
        sim_settle(sim);
    }
    sim_app_end(sim);
    nki_engine_free(engine);
}

static bool begin(struct sim *sim)
{
    struct nki_options *options = nki_options_new(NKI_SCOPE_CONNECT);
    if (options == NULL) {
        return false;
    }
    if (!sim_policy_choose(sim, options)) {
        nki_options_free(options);
        return false;
    }
    sim->slow = sim_chance(sim, 15);
    sim->tardy = sim_chance(sim, 25);
    char urls[200] = "";
    uint64_t first = sim_below(sim, SIM_SERVERS);
    for (uint64_t i = 0, count = 1 + sim_below(sim, SIM_SERVERS); i < count; i++) {
        size_t len = strlen(urls);
        int server = (int)((first + i) % SIM_SERVERS);
        snprintf(urls + len, sizeof urls - len, "%snats://h%d:%d", i > 0 ? "," : "", server,
                 SIM_PORT + server);
    }
    int32_t status = nki_engine_init(&sim->engine, options, nki_str_z(urls), NULL);
    nki_rand_seed(&sim->engine.rand, sim->options.seed);
    if (status != NKI_OK) {
        SIM_CHECK(sim, status == NKI_NO_MEMORY && sim->options.lenient, "no engine: %d", status);
        nki_engine_free(&sim->engine);
        return false;
    }
    return true;
}

uint64_t sim_run(const struct sim_options *options)
{
    nki_slab_release_cache();
    nki_outbox_release_cache();
    uint64_t bytes_before = nki_alloc_bytes();
    uint64_t msgs_before = nki_msg_count();
    struct sim *sim = ts_alloc(sizeof *sim);
    memset(sim, 0, sizeof *sim);
    sim->options = *options;
    sim->now_ns = INT64_C(1000000000);
    sim->what = "begin";
    nki_rand_seed(&sim->rand, options->seed);
    if (begin(sim)) {
        sim_app_start(sim);
        sim_settle(sim);
        for (sim->step = 0; sim->step < options->steps && !sim->closed; sim->step++) {
            one_step(sim);
        }
        heal(sim);
        prove_alive(sim);
        close_all(sim);
    } else {
        sim->no_memory++;
    }
    nki_slab_release_cache();
    nki_outbox_release_cache();
    SIM_CHECK(sim, nki_msg_count() == msgs_before, "%" PRIu64 " messages leak",
              nki_msg_count() - msgs_before);
    SIM_CHECK(sim, nki_alloc_bytes() == bytes_before, "%" PRIu64 " bytes leak",
              nki_alloc_bytes() - bytes_before);
    uint64_t no_memory = sim->no_memory;
    free(sim->pubs);
    free(sim);
    return no_memory;
}
