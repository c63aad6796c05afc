/* Runs and snapshots of a stream in memory by direct gets, whose server loses, repeats and delays what it
 * says, lags, and goes away: each message comes once and in order, whatever happens. In virtual time;
 * NATSKIT_SEEDS=n and NATSKIT_SEED=s choose the seeds. */
#include "peer.h"

#include "support/chance.h"

#include "jetstream/direct.h"
#include "jetstream/stored.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MS 200
#define IN_A_ROW 2 /* faults: fewer than the tries that the client makes */

struct world {
    struct peer *peer;
    struct nki_sub *sub;
    struct ts_chance chance;
    bool snapshot;
    int count;        /* messages of the stream, sequences 1 and on; of a snapshot each of its own subject */
    bool known;       /* a message has come of a server that does not lag */
    int bad;          /* faults in a row */
    int next;         /* that is to be taken */
    char before[320]; /* where the answer before was sent to */
};

static bool often(struct world *world, unsigned percent)
{
    return ts_chance_below(&world->chance, 100) < percent;
}

static void send_block(struct world *world, const char *reply, const char *block, const char *data)
{
    char listens[330];
    snprintf(listens, sizeof listens, "%s", reply);
    strcpy(strrchr(listens, '.'), ".*");
    (void)peer_send(world->peer, listens, reply, "", block, data);
}

static void say(struct world *world, const char *reply, int seq, int last, int pending)
{
    char block[300];
    snprintf(block, sizeof block,
             "NATS/1.0\r\nNats-Stream: S\r\nNats-Subject: a.%d\r\nNats-Sequence: %d\r\nNats-Time-Stamp: "
             "2026-01-02T03:04:05Z\r\nNats-Num-Pending: %d\r\nNats-Last-Sequence: %d\r\n\r\n",
             seq, seq, pending, last);
    send_block(world, reply, block, "x");
}

static int number_of(const char *data, const char *member, int absent)
{
    const char *at = strstr(data, member);
    return at != NULL ? atoi(at + strlen(member)) : absent;
}

/* Answers a request, or what there is of an answer. */
static void answer(struct world *world, const struct peer_pub *pub)
{
    char block[200];
    bool faulty = world->bad < IN_A_ROW && often(world, 40);
    /* Before that the end of who lags is all that is known. */
    bool known = world->snapshot ? strstr(pub->data, "up_to_seq") != NULL : world->next > 1;
    bool lags = faulty && known && often(world, 40);
    int end = lags ? (int)ts_chance_below(&world->chance, (uint32_t)world->count + 1) : world->count;
    int batch = number_of(pub->data, "\"batch\":", 1);
    int from = number_of(pub->data, "\"seq\":", 1);
    int last = 0;
    world->bad = faulty ? world->bad + 1 : 0;
    if (world->before[0] != '\0' && often(world, 20)) { /* late, of a request before */
        say(world, world->before, from, 0, 0);
    }
    snprintf(world->before, sizeof world->before, "%s", pub->reply);
    if (faulty && !lags && often(world, 20)) {
        return; /* the request was lost, or its answer */
    }
    if (from > end) {
        send_block(world, pub->reply, "NATS/1.0 404 Message Not Found\r\n\r\n", "");
        return;
    }
    for (int seq = from; seq <= end && seq < from + batch; seq++) {
        if (faulty && !lags && often(world, 15)) { /* lost */
            last = seq;
            continue;
        }
        say(world, pub->reply, seq, last, end - seq);
        last = seq;
        if (faulty && often(world, 5)) { /* twice */
            say(world, pub->reply, seq, last, end - seq);
        }
    }
    if (faulty && !lags && often(world, 30)) {
        return; /* the end was lost */
    }
    snprintf(block, sizeof block,
             "NATS/1.0 204 EOB\r\nNats-Num-Pending: %d\r\nNats-Last-Sequence: %d\r\nNats-UpTo-Sequence: "
             "%d\r\n\r\n",
             end - last, last, world->count);
    send_block(world, pub->reply, block, "");
}

static void take(struct world *world)
{
    struct nki_stored stored;
    struct nki_msg *msg = steps_take(world->peer->rig, world->sub);
    if (msg == NULL) {
        return;
    }
    assert_true(nki_stored_read(msg, &stored));
    assert_int_equal(stored.seq, world->next);
    world->next++;
    nki_msg_release(msg);
}

static void step(struct world *world)
{
    struct peer_pub pub;
    if (often(world, 70) && peer_next(world->peer, &pub)) {
        answer(world, &pub);
    }
    for (uint32_t i = ts_chance_below(&world->chance, 6); i > 0; i--) {
        take(world);
    }
    if (often(world, 2)) {
        peer_cut(world->peer);
        while (!rig_connected(world->peer->rig)) {
            peer_pass(world->peer, 10);
        }
    }
    peer_pass(world->peer, (int64_t)ts_chance_below(&world->chance, 60));
}

static void live(uint64_t seed)
{
    struct world world = {.chance = ts_chance_of(seed, 0), .next = 1};
    const struct nki_str all = NKI_STR(">");
    world.snapshot = often(&world, 50);
    world.count = (int)ts_chance_below(&world.chance, 60);
    world.peer = peer_new();
    struct nki_direct_params params = {.stream = NKI_STR("S"),
                                       .start_time = NKI_STR(""),
                                       .next_by_subj = NKI_STR(""),
                                       .up_to_time = NKI_STR(""),
                                       .subjects = &all,
                                       .subject_count = world.snapshot ? 1 : 0,
                                       .page_msgs = 1 + ts_chance_below(&world.chance, 9),
                                       .page_bytes = 100000,
                                       .answer_ms = ANSWER_MS};
    assert_int_equal(nki_direct_open(world.peer->js, &params, &world.sub, NULL), NKI_OK);
    int steps = 0;
    while (rig_end_reason(world.sub) == 0) {
        assert_true(steps++ < 20000);
        step(&world);
    }
    while (world.next <= world.count) {
        int before = world.next;
        take(&world);
        assert_int_equal(world.next, before + 1);
    }
    assert_null(steps_take(world.peer->rig, world.sub));
    assert_int_equal(rig_end_reason(world.sub), NKI_MAX_REACHED);
    nki_engine_close_sub(&world.peer->rig->engine, world.sub, world.peer->rig->now_ns);
    rig_settle(world.peer->rig);
    nki_sub_release(world.sub);
    peer_free(world.peer);
}

static uint64_t running; /* seed; 0: none */

static int tell_seed(void **state)
{
    (void)state;
    if (running != 0) {
        print_error("NATSKIT_SEED=%llu\n", (unsigned long long)running);
    }
    return 0;
}

static uint64_t count_of(const char *name, uint64_t absent)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : absent;
}

static void test_model(void **state)
{
    (void)state;
    bool one = getenv("NATSKIT_SEED") != NULL;
    uint64_t first = count_of("NATSKIT_SEED", 1);
    uint64_t seeds = one ? 1 : count_of("NATSKIT_SEEDS", 300);
    for (uint64_t seed = first; seed < first + seeds; seed++) {
        running = seed;
        live(seed);
    }
    running = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(test_model, tell_seed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
