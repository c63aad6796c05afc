/* Moving away from a server that will leave, to the nanosecond of a virtual clock: when it goes, what is held
 * meanwhile, and that nothing of it is lost, repeated or out of order, whatever happens on the way. */
#include "ask.h"
#include "base/alloc.h"
#include "support/chance.h"

#include <stdio.h>
#include <string.h>

#define TWO_SERVERS "nats://a:4222,nats://b:4222"
#define LAME "INFO {\"ldm\":true}\r\n"
enum { SPREAD_MS = 4000, QUIET_MS = 3000, SETTLE_MS = 1000 };

static struct rig *lame_rig(const char *urls, const char *const *settings)
{
    struct rig *rig = rig_new(urls, settings, 5000);
    rig_hello(rig);
    return rig;
}

static int64_t unconfirmed(const struct rig *rig)
{
    return (int64_t)rig->engine.counts.unconfirmed;
}

static int pings(const struct rig *rig)
{
    return count_written(rig, "PING\r\n");
}

static void test_moves_without_loss(void **state)
{
    (void)state;
    struct rig *rig = lame_rig(TWO_SERVERS, NULL);
    struct nki_sub *sub = rig_subscribe(rig, "mine", 0);
    struct nki_op *before = rig_flush(rig, -1);
    rig_publish(rig, "a", "1");
    rig_say(rig, LAME);
    rig_say(rig, LAME);
    assert_int_equal(rig_event_count(rig, NKI_EVENT_LAME_DUCK), 1);
    assert_false(rig_wrote(rig, "UNSUB"));
    rig_pass(rig, SPREAD_MS);
    assert_int_equal(unsubs(rig, sub->sid), 1);
    assert_int_equal(pings(rig), 3); /* CONNECT's, the flush, the last one */
    rig_publish(rig, "a", "2");
    rig_publish(rig, "a", "3");
    struct nki_op *held = rig_flush(rig, -1);
    assert_int_equal(pings(rig), 3);
    assert_false(rig_wrote(rig, "\r\n2\r\n"));
    rig_say(rig, RIG_PONG);
    assert_int_equal(rig_op_status(before), NKI_OK);
    rig_say(rig, "MSG mine 1 4\r\nlast\r\n"); /* before the UNSUB was read */
    assert_int_equal(rig->dials, 1);
    rig_say(rig, RIG_PONG);
    assert_int_equal(rig->dials, 2);
    assert_string_equal(rig->dialed[1], "b");
    expect_take(sub, "last");
    assert_int_equal(rig_event(rig, NKI_EVENT_DISCONNECTED)->status, NKI_DISCONNECTED);
    rig_hello(rig);
    assert_int_equal(rig_event_count(rig, NKI_EVENT_RECONNECTED), 1);
    assert_int_equal(count_written(rig, "SUB mine 1\r\nPUB a 1\r\n2\r\nPUB a 1\r\n3\r\nPING\r\n"), 1);
    assert_false(rig_wrote(rig, "\r\n1\r\n"));
    rig_say(rig, RIG_PONG);
    assert_int_equal(rig_op_status(held), NKI_OK);
    assert_int_equal(unconfirmed(rig), 0);
    assert_int_equal(nki_outbox_unconfirmed(&rig->engine.outbox), 0);
    close_sub(rig, sub);
    rig_free(rig);
}

/* Without another server, or against its will, it stays until it is cut off. */
static void test_stays(void **state)
{
    (void)state;
    static const char *const off[] = {"move_on_lame_duck", "false", NULL};
    for (int i = 0; i < 2; i++) {
        struct rig *rig = lame_rig(i == 0 ? ONE_SERVER : TWO_SERVERS, i == 0 ? NULL : off);
        rig_say(rig, LAME);
        rig_publish(rig, "a", "1");
        rig_pass(rig, 9000);
        assert_true(rig_connected(rig));
        assert_int_equal(rig->dials, 1);
        assert_int_equal(rig_event_count(rig, NKI_EVENT_LAME_DUCK), 1);
        rig_free(rig);
    }
}

static void set_servers(struct rig *rig, const char *urls)
{
    assert_int_equal(nki_engine_servers_set(&rig->engine, nki_str_z(urls), NULL, rig->now_ns), NKI_OK);
    rig_settle(rig);
}

/* It learns of another server when it is a lame duck already: from the server, from the application. */
static void test_moves_when_there_is_another(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct rig *rig = lame_rig(ONE_SERVER, NULL);
        rig_say(rig, LAME);
        rig_pass(rig, 5000);
        if (i == 0) {
            rig_say(rig, "INFO {\"ldm\":true,\"connect_urls\":[\"b:1\"]}\r\n");
        } else {
            set_servers(rig, i == 1 ? "a:4222,b:1" : "b:1"); /* the second time its own is gone */
        }
        rig_pass(rig, SPREAD_MS);
        rig_say(rig, RIG_PONG);
        assert_int_equal(rig->dials, 2);
        assert_string_equal(rig->dialed[1], "b");
        rig_hello(rig);
        assert_int_equal(nki_servers_known(&rig->engine.servers), i == 2 ? 1 : 2);
        rig_free(rig);
    }
    struct rig *rig = lame_rig(TWO_SERVERS, NULL); /* and the other way round */
    rig_say(rig, LAME);
    set_servers(rig, "a:4222");
    rig_pass(rig, 9000);
    assert_int_equal(rig->dials, 1);
    rig_free(rig);
}

/* A server that greets as a lame duck is left, too. */
static void test_a_lame_duck_from_the_start(void **state)
{
    (void)state;
    struct rig *rig = rig_new(TWO_SERVERS, NULL, 5000);
    rig_settle(rig);
    rig_say(rig, "INFO {\"server_id\":\"A\",\"version\":\"2.10.0\",\"proto\":1,\"ldm\":true}\r\n");
    rig_say(rig, RIG_PONG);
    assert_int_equal(rig_event_count(rig, NKI_EVENT_LAME_DUCK), 1);
    rig_pass(rig, SPREAD_MS);
    rig_say(rig, RIG_PONG);
    assert_int_equal(rig->dials, 2);
    rig_free(rig);
}

static void say_reply(struct rig *rig, const char *reply)
{
    char text[ASK_REPLY_MAX + 64];
    snprintf(text, sizeof text, "MSG %s %llu 2\r\nok\r\n", reply,
             (unsigned long long)rig->engine.replies.sid);
    rig_say(rig, text);
}

/* Requests in flight are waited for; nothing is held up for them at first. */
static void test_requests_are_waited_for(void **state)
{
    (void)state;
    char reply[2][ASK_REPLY_MAX];
    struct rig *rig = lame_rig(TWO_SERVERS, NULL);
    struct nki_op *op = rig_request(rig, 60000, reply[0], sizeof reply[0]);
    rig_say(rig, LAME);
    rig_until(rig, rig->engine.move.at_ns + RIG_MS(QUIET_MS) - 1);
    assert_false(rig_wrote(rig, "UNSUB"));
    rig_publish(rig, "a", "meanwhile");
    assert_true(rig_wrote(rig, "meanwhile"));
    say_reply(rig, reply[0]);
    assert_int_equal(rig_op_status(op), NKI_OK);
    assert_true(rig_wrote(rig, "UNSUB")); /* at once */
    op = rig_request(rig, 60000, reply[1], sizeof reply[1]);
    assert_false(rig_wrote(rig, reply[1]));
    rig_say(rig, RIG_PONG);
    assert_int_equal(rig->dials, 2); /* not waited for: it goes to the next server */
    rig_hello(rig);
    assert_true(rig_wrote(rig, reply[1]));
    say_reply(rig, reply[1]);
    assert_int_equal(rig_op_status(op), NKI_OK);
    rig_free(rig);
}

/* Those that are not answered for long: three seconds in which nothing is held, one in which all is; then it
 * goes, and they may be answered there. */
static void test_requests_outlive_the_move(void **state)
{
    (void)state;
    for (int own = 0; own < 2; own++) {
        char reply[ASK_REPLY_MAX];
        uint64_t sid = 0;
        struct ask ask = {.wait_ns = RIG_MS(60000)};
        struct rig *rig = lame_rig(TWO_SERVERS, NULL);
        struct nki_op *op = own ? ask_own(rig, ask, &sid) : ask_mux(rig, ask, reply);
        rig_say(rig, LAME);
        int64_t quiet_ns = rig->engine.move.at_ns;
        rig_until(rig, quiet_ns + RIG_MS(QUIET_MS) - 1);
        rig_publish(rig, "a", "open");
        assert_true(rig_wrote(rig, "open"));
        rig_until(rig, quiet_ns + RIG_MS(QUIET_MS));
        rig_publish(rig, "a", "held");
        rig_until(rig, quiet_ns + RIG_MS(QUIET_MS + SETTLE_MS) - 1);
        assert_false(rig_wrote(rig, "held") || rig_wrote(rig, "UNSUB 1\r\n"));
        rig_until(rig, quiet_ns + RIG_MS(QUIET_MS + SETTLE_MS));
        assert_true(rig_wrote(rig, "UNSUB 1\r\n"));
        rig_say(rig, RIG_PONG);
        rig_hello(rig);
        if (own) {
            say_msg(rig, sid, "ok");
        } else {
            say_reply(rig, reply);
        }
        assert_int_equal(rig_op_status(op), NKI_OK);
        assert_int_equal(unconfirmed(rig), 0);
        expect_over(rig);
        rig_free(rig);
    }
}

/* A reply in the last second is taken, and ends the wait. */
static void test_a_late_reply_ends_the_wait(void **state)
{
    (void)state;
    char reply[ASK_REPLY_MAX];
    struct rig *rig = lame_rig(TWO_SERVERS, NULL);
    struct nki_op *op = rig_request(rig, 60000, reply, sizeof reply);
    rig_say(rig, LAME);
    rig_until(rig, rig->engine.move.at_ns + RIG_MS(QUIET_MS + SETTLE_MS) - 1);
    assert_false(rig_wrote(rig, "UNSUB"));
    say_reply(rig, reply);
    assert_true(rig_wrote(rig, "UNSUB"));
    assert_int_equal(rig_op_status(op), NKI_OK);
    rig_free(rig);
}

/* Until it stands still in a phase: 1 later, 2 quiet, 3 settle, 4 leave. */
static struct rig *rig_in_phase(int phase, struct nki_op **op)
{
    char reply[ASK_REPLY_MAX];
    struct rig *rig = lame_rig(TWO_SERVERS, NULL);
    *op = rig_request(rig, 60000, reply, sizeof reply);
    rig_say(rig, LAME);
    int64_t at_ns = rig->engine.move.at_ns;
    rig_until(rig, phase == 1   ? at_ns - 1
                   : phase == 2 ? at_ns
                   : phase == 3 ? at_ns + RIG_MS(QUIET_MS)
                                : at_ns + RIG_MS(QUIET_MS + SETTLE_MS));
    assert_int_equal(rig->engine.move.phase, phase);
    rig_publish(rig, "a", "waits");
    assert_int_equal(rig_wrote(rig, "waits"), phase < 3);
    return rig;
}

static void test_lost_on_the_way(void **state)
{
    (void)state;
    for (int phase = 1; phase <= 4; phase++) {
        struct nki_op *op;
        struct rig *rig = rig_in_phase(phase, &op);
        rig_eof(rig);
        assert_int_equal(rig_op_status(op), NKI_DISCONNECTED); /* the loss was none of ours */
        rig_hello(rig);
        assert_int_equal(rig_wrote(rig, "waits"), phase >= 3);
        rig_pass(rig, 9000);
        assert_int_equal(rig->dials, 2);
        rig_free(rig);
    }
}

/* The application ends the connection: it does not move, and what was held is sent. */
static void test_ended_on_the_way(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        struct nki_op *op;
        struct rig *rig = rig_in_phase(1 + i / 2, &op);
        struct nki_op *end = nki_op_new();
        nki_op_retain(end);
        if (i % 2 == 0) {
            nki_engine_close_linger(&rig->engine, end, rig->now_ns + RIG_MS(9000), rig->now_ns);
        } else {
            assert_int_equal(nki_engine_drain(&rig->engine, end, rig->now_ns + RIG_MS(9000), rig->now_ns),
                             NKI_OK);
            nki_op_release(end);
        }
        rig_settle(rig);
        assert_true(rig_wrote(rig, "waits"));
        nki_engine_cancel(&rig->engine, op); /* a drain waits for it */
        for (int pong = pings(rig); pong > 0; pong--) {
            rig_say(rig, RIG_PONG);
        }
        rig_pass(rig, 8000);
        for (int pong = pings(rig); pong > 0 && rig->has_stream; pong--) {
            rig_say(rig, RIG_PONG);
        }
        assert_int_equal(rig_op_status(end), NKI_OK);
        assert_int_equal(rig->dials, 1);
        assert_int_equal(rig->engine.counts.unsent + rig->engine.counts.unconfirmed, 0);
        nki_op_release(op);
        rig_free(rig);
    }
}

/* A drain of one subscription that begins while all is held ends with the transport, as ever. */
static void test_a_drain_in_the_hold(void **state)
{
    (void)state;
    struct nki_op *op;
    struct rig *rig = rig_in_phase(3, &op);
    struct nki_sub *sub = rig_subscribe(rig, "new", 0);
    struct nki_op *drain = nki_op_new();
    assert_int_equal(nki_engine_drain_sub(&rig->engine, sub, drain, rig->now_ns + RIG_MS(9000), rig->now_ns),
                     NKI_OK);
    rig_pass(rig, SETTLE_MS);
    assert_int_equal(unsubs(rig, sub->sid), 0); /* the server has never heard of it */
    rig_say(rig, RIG_PONG);
    assert_int_equal(rig_op_status(drain), NKI_OK);
    rig_hello(rig);
    assert_false(rig_wrote(rig, "SUB new"));
    close_sub(rig, sub);
    nki_op_release(op);
    rig_free(rig);
}

/* A PONG that nobody asked for is not taken for that of a ping which is still held. */
static void test_a_pong_too_many(void **state)
{
    (void)state;
    struct nki_op *op;
    struct rig *rig = rig_in_phase(3, &op);
    struct nki_op *flush = rig_flush(rig, -1);
    rig_say(rig, RIG_PONG);
    assert_int_equal(nki_op_result(flush, NULL, NULL), NKI_PENDING);
    rig_pass(rig, SETTLE_MS);
    rig_say(rig, RIG_PONG);
    rig_hello(rig);
    assert_int_equal(rig->dials, 2);
    assert_int_equal(nki_op_result(flush, NULL, NULL), NKI_PENDING);
    rig_say(rig, RIG_PONG);
    assert_int_equal(rig_op_status(flush), NKI_OK);
    nki_op_release(op);
    rig_free(rig);
}

/* Pings that are held are not missed, however short their interval is. */
static void test_held_pings_are_not_missed(void **state)
{
    (void)state;
    static const char *const settings[] = {"ping_interval_ms", "200", "max_pings_out", "2", NULL};
    char reply[ASK_REPLY_MAX];
    int answered = 1; /* that of the handshake */
    struct rig *rig = lame_rig(TWO_SERVERS, settings);
    struct nki_op *op = rig_request(rig, 60000, reply, sizeof reply);
    rig_say(rig, LAME);
    for (int64_t end_ns = rig->now_ns + RIG_MS(9000); rig->now_ns < end_ns && rig->dials == 1;) {
        rig_pass(rig, 10);
        for (; answered < pings(rig); answered++) {
            rig_say(rig, RIG_PONG);
        }
    }
    assert_int_equal(rig_event_count(rig, NKI_EVENT_STALE), 0);
    assert_int_equal(rig->dials, 2); /* it has moved */
    nki_op_release(op);
    rig_free(rig);
}

/* A server that does not answer the last ping is given up like any that does not answer. */
static void test_a_silent_lame_duck(void **state)
{
    (void)state;
    struct rig *rig = lame_rig(TWO_SERVERS, NULL);
    rig_publish(rig, "a", "1");
    rig_say(rig, LAME);
    rig_pass(rig, 29999);
    rig_publish(rig, "a", "2");
    assert_int_equal(rig->dials, 1);
    rig_pass(rig, 1);
    assert_int_equal(rig_event_count(rig, NKI_EVENT_STALE), 1);
    assert_int_equal(rig->dials, 2);
    assert_int_equal(unconfirmed(rig), 1);
    rig_hello(rig);
    assert_true(rig_wrote(rig, "\r\n2\r\n"));
    rig_free(rig);
}

/* That a lost connection is not made anew does not mean that one is not to move. */
static void test_moves_without_reconnects(void **state)
{
    (void)state;
    static const char *const settings[] = {"reconnect", "false", NULL};
    struct rig *rig = lame_rig(TWO_SERVERS, settings);
    rig_say(rig, LAME);
    rig_pass(rig, SPREAD_MS);
    rig_say(rig, RIG_PONG);
    assert_int_equal(rig->dials, 2);
    rig_hello(rig);
    rig_eof(rig);
    assert_int_equal(rig->engine.state, NKI_ENGINE_CLOSED);
    rig_free(rig);
}

static _Atomic long allocations_left;

static bool refuse_one(size_t size)
{
    (void)size;
    return atomic_fetch_sub(&allocations_left, 1) != 1;
}

/* Without memory at any point of it, it moves or stays, or is made anew; what was published arrives once. */
static void test_without_memory(void **state)
{
    (void)state;
    long points = 0;
    for (bool refused = true; refused; points++) {
        struct rig *rig = lame_rig(TWO_SERVERS, NULL);
        struct nki_sub *sub = rig_subscribe(rig, "mine", 0);
        rig_publish(rig, "a", "first");
        rig_say(rig, LAME);
        rig_until(rig, rig->engine.move.at_ns - 1);
        atomic_store(&allocations_left, points + 1);
        nki_alloc_gate_set(refuse_one);
        rig_pass(rig, 1);
        bool held = rig->engine.move.phase == NKI_MOVE_LEAVE;
        nki_outbox_release_cache();
        if (held) {
            rig_say(rig, RIG_PONG);
            rig_say(rig, RIG_INFO);
            rig_say(rig, RIG_PONG);
        }
        nki_alloc_gate_set(NULL);
        refused = atomic_load(&allocations_left) <= 0;
        for (int i = 0; i < 4 && !rig_connected(rig); i++) {
            rig_pass(rig, 9000);
            rig_say(rig, RIG_INFO);
            rig_say(rig, RIG_PONG);
        }
        assert_true(rig_connected(rig));
        assert_int_equal(unconfirmed(rig), 0);
        rig_publish(rig, "a", "last");
        assert_true(rig_wrote(rig, "\r\nlast\r\n"));
        assert_int_equal(rig_wrote(rig, "\r\nfirst\r\n"), rig->dials == 1);
        assert_true(rig_wrote(rig, "SUB mine"));
        close_sub(rig, sub);
        rig_free(rig);
    }
    assert_true(points > 4); /* lines, segment, events, CONNECT, what is subscribed again */
}

/* The clients of a server do not all come to the next one at once. */
static void test_the_moves_are_spread(void **state)
{
    (void)state;
    enum { CLIENTS = 200, PARTS = 8 };
    int parts[PARTS] = {0};
    for (int i = 0; i < CLIENTS; i++) {
        struct rig *rig = lame_rig(TWO_SERVERS, NULL);
        rig_say(rig, LAME);
        int64_t after_ns = rig->engine.move.at_ns - rig->now_ns;
        assert_in_range(after_ns, 0, RIG_MS(SPREAD_MS) - 1);
        parts[after_ns / (RIG_MS(SPREAD_MS) / PARTS)]++;
        rig_free(rig);
    }
    for (int i = 0; i < PARTS; i++) {
        assert_in_range(parts[i], 5, 60); /* 25 are expected; out of this once in 10^5 runs at most */
    }
}

/* -- at random: each message once and in order over all servers, whatever is done on the way --------------
 */

struct mess {
    struct rig *rig;
    struct ts_chance chance;
    uint64_t published;
    uint64_t seen; /* the next number that a server is to see */
    size_t looked; /* bytes of this transport that were looked at */
    int pongs;     /* that this transport owes */
    int dials;
    struct nki_op *flushes[8];
};

/* Reads what the client has written: counts pings, checks the numbers. */
static void look(struct mess *mess)
{
    struct rig *rig = mess->rig;
    if (rig->dials != mess->dials) {
        mess->dials = rig->dials;
        mess->looked = 0;
        mess->pongs = 0;
    }
    while (mess->looked < rig->written.len) {
        const char *line = (const char *)rig->written.at + mess->looked;
        const char *end = memmem(line, rig->written.len - mess->looked, "\r\n", 2);
        assert_non_null(end);
        unsigned long long number;
        if (sscanf(line, "PUB n %*d\r\n%llu\r\n", &number) == 1) {
            assert_int_equal(number, mess->seen);
            mess->seen++;
        } else if (strncmp(line, "PING\r\n", 6) == 0) {
            mess->pongs++;
        }
        mess->looked += (size_t)(end - line) + 2;
    }
}

static void publish_number(struct mess *mess)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)mess->published++);
    rig_publish(mess->rig, "n", text);
}

static void flush_some(struct mess *mess)
{
    struct nki_op **op = &mess->flushes[ts_chance_below(&mess->chance, 8)];
    if (*op == NULL) {
        *op = rig_flush(mess->rig, -1);
    } else if (nki_op_result(*op, NULL, NULL) != NKI_PENDING) {
        assert_int_equal(rig_op_status(*op), NKI_OK);
        *op = NULL;
    }
}

static void answer(struct mess *mess)
{
    struct rig *rig = mess->rig;
    if (rig->engine.state == NKI_ENGINE_WAIT_INFO) {
        rig_say(rig, RIG_INFO);
    } else if (mess->pongs > 0) {
        mess->pongs--;
        rig_say(rig, RIG_PONG);
    }
}

static void step(struct mess *mess)
{
    struct rig *rig = mess->rig;
    uint32_t dice = ts_chance_below(&mess->chance, 100);
    if (dice < 40) {
        publish_number(mess);
    } else if (dice < 50 && rig_connected(rig)) {
        flush_some(mess);
    } else if (dice < 80) {
        answer(mess);
    } else if (dice < 84 && rig_connected(rig)) {
        rig_say(rig, LAME);
    } else if (dice < 88) {
        rig->deaf = !rig->deaf;
        rig_settle(rig);
    } else {
        rig_pass(rig, ts_chance_below(&mess->chance, 1500));
    }
    look(mess);
}

static void one_mess(uint64_t seed)
{
    static const char *const settings[] = {"max_pings_out", "1000", "write_stall_ms", "-1", NULL};
    struct mess mess = {.chance = {seed}, .rig = lame_rig(TWO_SERVERS, settings)};
    look(&mess);
    mess.pongs--; /* CONNECT's was answered */
    for (int i = 0; i < 600; i++) {
        step(&mess);
    }
    mess.rig->deaf = false;
    for (int i = 0; i < 100; i++) { /* all is answered now, also what comes of that */
        rig_settle(mess.rig);
        answer(&mess);
        look(&mess);
        rig_pass(mess.rig, 100);
    }
    assert_true(rig_connected(mess.rig));
    assert_int_equal(mess.seen, mess.published);
    assert_int_equal(unconfirmed(mess.rig), 0);
    for (size_t i = 0; i < 8; i++) {
        if (mess.flushes[i] != NULL) {
            assert_int_equal(rig_op_status(mess.flushes[i]), NKI_OK);
        }
    }
    rig_free(mess.rig);
}

static void test_at_random(void **state)
{
    (void)state;
    uint64_t first = ts_chance_seed();
    print_message("NATSKIT_SEED=%llu\n", (unsigned long long)first);
    for (uint64_t seed = first; seed < first + 200; seed++) {
        one_mess(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moves_without_loss),
        cmocka_unit_test(test_stays),
        cmocka_unit_test(test_moves_when_there_is_another),
        cmocka_unit_test(test_a_lame_duck_from_the_start),
        cmocka_unit_test(test_requests_are_waited_for),
        cmocka_unit_test(test_requests_outlive_the_move),
        cmocka_unit_test(test_a_late_reply_ends_the_wait),
        cmocka_unit_test(test_lost_on_the_way),
        cmocka_unit_test(test_ended_on_the_way),
        cmocka_unit_test(test_a_drain_in_the_hold),
        cmocka_unit_test(test_a_pong_too_many),
        cmocka_unit_test(test_held_pings_are_not_missed),
        cmocka_unit_test(test_a_silent_lame_duck),
        cmocka_unit_test(test_moves_without_reconnects),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_the_moves_are_spread),
        cmocka_unit_test(test_at_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
