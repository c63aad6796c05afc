/* Acks as natskit.h promises them. The consumer wants none, so nobody but these tests sees what is sent, or
 * confirms it. With consumers that do: integration/acks_test.c. Main thread, but for the races. */
#include "fixture.h"

#include "support/scripted.h"
#include "support/text.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct scene {
    natskit_conn conn;
    natskit_sub sub;  /* of the messages */
    natskit_sub acks; /* of what is sent for them */
};

static struct scene open_scene(void)
{
    struct scene scene = {.conn = fx_connect()};
    fx_deliver(scene.conn, "M", "m", "delivered");
    assert_ok(natskit_subscribe(scene.conn, "delivered", Z, NULL, 0, NO_OPTIONS, &scene.sub, NULL));
    assert_ok(natskit_subscribe(scene.conn, "$JS.ACK.>", Z, NULL, 0, NO_OPTIONS, &scene.acks, NULL));
    return scene;
}

static natskit_msg *receive(const struct scene *scene)
{
    natskit_msg *msg;
    assert_ok(natskit_publish(scene->conn, "m", Z, NULL, 0, NO_HEADERS, "data", 4, 0));
    assert_ok(natskit_sub_next(scene->sub, 10 * SECONDS, &msg));
    return msg;
}

/* One that comes from no consumer. */
static natskit_msg *receive_plain(const struct scene *scene, const char *reply)
{
    natskit_msg *msg;
    assert_ok(natskit_publish(scene->conn, "delivered", Z, reply, Z, NO_HEADERS, "data", 4, 0));
    assert_ok(natskit_sub_next(scene->sub, 10 * SECONDS, &msg));
    return msg;
}

/* The next ack; the caller releases it. */
static natskit_msg *next_ack(const struct scene *scene, const char *body)
{
    natskit_msg *ack;
    natskit_message_view view;
    assert_ok(natskit_sub_next(scene->acks, 10 * SECONDS, &ack));
    assert_ok(natskit_msg_view(ack, &view, sizeof view));
    if (!fx_is(view.data, view.data_len, body)) {
        print_error("%.*s instead of %s\n", (int)view.data_len, (const char *)view.data, body);
    }
    assert_true(fx_is(view.data, view.data_len, body));
    return ack;
}

static void expect_ack(const struct scene *scene, const char *body)
{
    assert_ok(natskit_msg_release(next_ack(scene, body)));
}

/* Nothing more was sent. */
static void expect_silence(const struct scene *scene)
{
    natskit_msg *ack;
    assert_ok(natskit_flush(scene->conn, 10 * SECONDS));
    assert_status(natskit_sub_next(scene->acks, 0, &ack), NATSKIT_WOULD_BLOCK);
}

static int32_t is_acked(const natskit_msg *msg)
{
    natskit_delivery_view view;
    assert_ok(natskit_msg_delivery(msg, &view, sizeof view));
    return view.acked;
}

/* -- what the server tells ------------------------------------------------------------------------------- */

/* A server's own words, with a reply subject of any kind. */
static natskit_msg *scripted_msg(const char *reply)
{
    char script[600];
    natskit_conn conn;
    natskit_sub sub;
    natskit_msg *msg;
    (void)snprintf(script, sizeof script,
                   "handshake\n< SUB a as sub\n> MSG a ${sub.sid} %s 1\n> x\nwait-close\n", reply);
    struct ts_scripted *server = ts_scripted_start(script);
    assert_non_null(server);
    assert_ok(natskit_connect(ts_scripted_url(server), Z, NO_OPTIONS, 10 * SECONDS, &conn, NULL));
    assert_ok(natskit_subscribe(conn, "a", Z, NULL, 0, NO_OPTIONS, &sub, NULL));
    assert_ok(natskit_sub_next(sub, 10 * SECONDS, &msg));
    assert_ok(natskit_conn_close(conn, 0));
    assert_ok(natskit_sub_close(sub));
    assert_true(ts_scripted_wait(server, 10 * SECONDS));
    assert_true(ts_scripted_stop(server));
    return msg;
}

static void test_delivery(void **state)
{
    (void)state;
    (void)fx_server(); /* before the library opens anything: descriptors are counted */
    natskit_msg *msg =
        scripted_msg("$JS.ACK.hub.hash.ORDERS.worker.2.18446744073709551615.3.9223372036854775807.4.more");
    natskit_delivery_view view;
    assert_ok(natskit_msg_delivery(msg, &view, sizeof view));
    assert_true(fx_is(view.domain, view.domain_len, "hub"));
    assert_true(fx_is(view.account, view.account_len, "hash"));
    assert_true(fx_is(view.stream, view.stream_len, "ORDERS"));
    assert_true(fx_is(view.consumer, view.consumer_len, "worker"));
    assert_true(view.delivered == 2 && view.redelivered == 1 && view.stream_seq == UINT64_MAX);
    assert_true(view.consumer_seq == 3 && view.time_ns == INT64_MAX && view.pending == 4 && view.acked == 0);

    /* A part of the view leaves the rest of the caller's memory alone. */
    unsigned char room[sizeof view];
    memset(room, 0xa5, sizeof room);
    assert_ok(natskit_msg_delivery(msg, (natskit_delivery_view *)(void *)room, 9));
    assert_memory_equal(room, &view, 9);
    assert_int_equal(room[9], 0xa5);
    assert_ok(natskit_msg_release(msg));

    /* It begins well, and says something else. */
    msg = scripted_msg("$JS.ACK.s.c.1.2.3.4.5.6");
    assert_status(natskit_msg_delivery(msg, &view, sizeof view), NATSKIT_NOT_JS_MESSAGE);
    assert_status(natskit_msg_ack(msg), NATSKIT_CLOSED); /* may be acked all the same */
    assert_ok(natskit_msg_release(msg));
    msg = scripted_msg("$JS.ACK.s.c.*.2.3.4.5"); /* nothing can be published there */
    assert_status(natskit_msg_ack(msg), NATSKIT_NOT_JS_MESSAGE);
    assert_ok(natskit_msg_release(msg));

    struct scene scene = open_scene();
    time_t before = time(NULL) - 1; /* its clock is coarse */
    for (uint64_t i = 1; i <= 3; i++) {
        msg = receive(&scene);
        assert_ok(natskit_msg_delivery(msg, &view, sizeof view));
        assert_true(fx_is(view.stream, view.stream_len, "M"));
        assert_true(view.consumer_len > 0 && view.domain_len == 0 && view.domain != NULL);
        assert_true(view.delivered == 1 && view.redelivered == 0 && view.pending == 0);
        assert_true(view.stream_seq == i && view.consumer_seq == i);
        assert_in_range(view.time_ns / 1000000000 - before, 0, 600);
        assert_ok(natskit_msg_release(msg));
    }
}

static void test_other_messages(void **state)
{
    (void)state;
    struct scene scene = open_scene();
    static const char *const replies[] = {"", "inbox", "$JS.FC.s.c.1", "$JS.ACKED.s.c.1.2.3.4.5"};
    natskit_delivery_view view;
    natskit_op op;
    natskit_error err;
    size_t acked;
    natskit_sub events;
    assert_ok(natskit_conn_events(scene.conn, NO_OPTIONS, &events, NULL));
    for (size_t i = 0; i < 5; i++) {
        natskit_msg *msg;
        if (i < 4) {
            msg = receive_plain(&scene, replies[i]);
        } else {
            assert_ok(natskit_conn_close(scene.conn, 1000));
            assert_ok(natskit_sub_next(events, 10 * SECONDS, &msg));
        }
        assert_status(natskit_msg_delivery(msg, &view, sizeof view), NATSKIT_NOT_JS_MESSAGE);
        assert_status(natskit_msg_ack(msg), NATSKIT_NOT_JS_MESSAGE);
        assert_status(natskit_msg_nak(msg, 1), NATSKIT_NOT_JS_MESSAGE);
        assert_status(natskit_msg_term(msg, "why", Z), NATSKIT_NOT_JS_MESSAGE);
        assert_status(natskit_msg_in_progress(msg), NATSKIT_NOT_JS_MESSAGE);
        assert_status(natskit_ack_batch(&msg, 1, &acked), NATSKIT_NOT_JS_MESSAGE);
        assert_int_equal(acked, 0);
        assert_status(natskit_msg_ack_confirm(msg, 1000, &err), NATSKIT_NOT_JS_MESSAGE);
        assert_status(err.status, NATSKIT_NOT_JS_MESSAGE);
        assert_status(natskit_msg_ack_confirm_start(msg, NO_OPTIONS, 1000, &op, &err),
                      NATSKIT_NOT_JS_MESSAGE);
        assert_int_equal(op.id, 0);
        assert_ok(natskit_msg_release(msg));
    }
}

/* -- what is sent ---------------------------------------------------------------------------------------- */

static void test_bodies(void **state)
{
    (void)state;
    struct scene scene = open_scene();
    natskit_msg *msg = receive(&scene);
    natskit_message_view view;
    natskit_message_view sent;
    assert_ok(natskit_msg_in_progress(msg));
    assert_ok(natskit_msg_in_progress(msg));
    assert_ok(natskit_msg_ack(msg));
    expect_ack(&scene, "+WPI");
    expect_ack(&scene, "+WPI");
    natskit_msg *ack = next_ack(&scene, "+ACK");
    assert_ok(natskit_msg_view(msg, &view, sizeof view));
    assert_ok(natskit_msg_view(ack, &sent, sizeof sent));
    assert_int_equal(sent.subject_len, view.reply_len);
    assert_memory_equal(sent.subject, view.reply, view.reply_len);
    assert_int_equal(sent.reply_len, 0);
    assert_int_equal(sent.header_block_len, 0);
    expect_silence(&scene);
    assert_ok(natskit_msg_release(ack));
    assert_ok(natskit_msg_release(msg));
}

static natskit_status nak(natskit_msg *msg)
{
    return natskit_msg_nak(msg, 0);
}

static natskit_status nak_later(natskit_msg *msg)
{
    return natskit_msg_nak(msg, 1500);
}

static natskit_status nak_last(natskit_msg *msg)
{
    return natskit_msg_nak(msg, INT64_MAX / 1000000);
}

static natskit_status term(natskit_msg *msg)
{
    return natskit_msg_term(msg, NULL, 0);
}

static natskit_status term_reason(natskit_msg *msg)
{
    return natskit_msg_term(msg, "no such \xc3\xa4rticle", Z);
}

static natskit_status batch(natskit_msg *msg)
{
    size_t acked;
    natskit_status status = natskit_ack_batch(&msg, 1, &acked);
    assert_int_equal(acked, status == NATSKIT_OK);
    return status;
}

static natskit_status confirm(natskit_msg *msg)
{
    natskit_error err = {0};
    natskit_status status = natskit_msg_ack_confirm(msg, 0, &err);
    assert_status(err.status, status);
    return status;
}

static natskit_status confirm_start(natskit_msg *msg)
{
    natskit_op op = {7};
    natskit_error err = {0};
    natskit_status status = natskit_msg_ack_confirm_start(msg, NO_OPTIONS, 1000, &op, &err);
    assert_status(err.status, status);
    assert_int_equal(op.id == 0, status != NATSKIT_OK);
    return status;
}

static const struct final {
    natskit_status (*send)(natskit_msg *msg);
    const char *body;
} finals[] = {
    {natskit_msg_ack, "+ACK"},
    {nak, "-NAK"},
    {nak_later, "-NAK {\"delay\":1500000000}"},
    {nak_last, "-NAK {\"delay\":9223372036854000000}"},
    {term, "+TERM"},
    {term_reason, "+TERM no such \xc3\xa4rticle"},
    {batch, "+ACK"},
};
#define FINALS (sizeof finals / sizeof finals[0])

static void test_first_counts(void **state)
{
    (void)state;
    struct scene scene = open_scene();
    for (size_t i = 0; i < FINALS; i++) {
        natskit_msg *msg = receive(&scene);
        assert_int_equal(is_acked(msg), 0);
        assert_ok(finals[i].send(msg));
        assert_int_equal(is_acked(msg), 1);
        for (size_t j = 0; j < FINALS; j++) {
            assert_status(finals[j].send(msg), NATSKIT_ALREADY_ACKED);
        }
        assert_status(confirm(msg), NATSKIT_ALREADY_ACKED);
        assert_status(confirm_start(msg), NATSKIT_ALREADY_ACKED);
        assert_status(natskit_msg_in_progress(msg), NATSKIT_ALREADY_ACKED);
        expect_ack(&scene, finals[i].body);
        expect_silence(&scene);
        assert_ok(natskit_msg_release(msg));
    }
}

/* An ack that was not accepted does not count. */
static void test_refused(void **state)
{
    (void)state;
    static char reason[2 << 20];
    memset(reason, 'r', sizeof reason);
    struct scene scene = open_scene();
    natskit_msg *msg = receive(&scene);
    assert_status(natskit_msg_term(msg, reason, sizeof reason), NATSKIT_TOO_LARGE);
    assert_int_equal(is_acked(msg), 0);
    assert_ok(natskit_msg_term(msg, reason, 1000));
    assert_int_equal(is_acked(msg), 1);
    assert_ok(natskit_msg_release(msg));

    natskit_msg *late = receive(&scene);
    assert_ok(natskit_msg_retain(late));
    assert_ok(natskit_conn_close(scene.conn, 1000));
    for (size_t i = 0; i < FINALS; i++) {
        assert_status(finals[i].send(late), NATSKIT_CLOSED);
    }
    assert_status(confirm(late), NATSKIT_CLOSED);
    assert_status(confirm_start(late), NATSKIT_CLOSED);
    assert_status(natskit_msg_in_progress(late), NATSKIT_CLOSED);
    assert_int_equal(is_acked(late), 0);
    assert_ok(natskit_msg_release(late));
    assert_ok(natskit_msg_release(late));
}

/* -- batches --------------------------------------------------------------------------------------------- */

enum { MANY = 150 };

/* Messages of two connections in turn: each takes its own acks, and all come. */
static void test_batch(void **state)
{
    (void)state;
    struct scene scene = open_scene();
    struct scene other = {.conn = fx_connect(), .acks = scene.acks};
    natskit_msg *msgs[MANY + 1];
    size_t acked;
    fx_deliver(other.conn, "M2", "m2", "delivered2");
    assert_ok(natskit_subscribe(other.conn, "delivered2", Z, NULL, 0, NO_OPTIONS, &other.sub, NULL));
    assert_ok(natskit_flush(other.conn, 10 * SECONDS));
    for (size_t i = 0; i < MANY; i++) {
        bool second = i >= 70 && i < 75;
        assert_ok(natskit_publish(scene.conn, second ? "m2" : "m", Z, NULL, 0, NO_HEADERS, "x", 1, 0));
        assert_ok(natskit_sub_next(second ? other.sub : scene.sub, 10 * SECONDS, &msgs[i]));
    }
    assert_ok(natskit_ack_batch(msgs, 0, &acked));
    assert_int_equal(acked, 0);
    assert_ok(natskit_ack_batch(msgs, MANY, &acked));
    assert_int_equal(acked, MANY);
    for (size_t i = 0; i < MANY; i++) {
        expect_ack(&scene, "+ACK");
        assert_int_equal(is_acked(msgs[i]), 1);
    }
    assert_ok(natskit_flush(other.conn, 10 * SECONDS));
    expect_silence(&scene);
    assert_status(natskit_ack_batch(msgs, MANY, &acked), NATSKIT_ALREADY_ACKED);
    assert_int_equal(acked, 0);
    assert_ok(natskit_msg_release_batch(msgs, MANY));
}

/* It stops at the first that cannot be acked, wherever that stands. */
static void test_batch_stops(void **state)
{
    (void)state;
    struct scene scene = open_scene();
    static const size_t places[] = {0, 1, 63, 64, 65, 127, 128, MANY - 1};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        natskit_msg *msgs[MANY];
        size_t acked;
        size_t at = places[i];
        for (size_t j = 0; j < MANY; j++) {
            msgs[j] = i % 2 == 0 || j != at ? receive(&scene) : receive_plain(&scene, "none");
        }
        if (i % 2 == 0) {
            assert_ok(natskit_msg_nak(msgs[at], 0));
            expect_ack(&scene, "-NAK");
        }
        assert_status(natskit_ack_batch(msgs, MANY, &acked),
                      i % 2 == 0 ? NATSKIT_ALREADY_ACKED : NATSKIT_NOT_JS_MESSAGE);
        assert_int_equal(acked, at);
        for (size_t j = 0; j < at; j++) {
            expect_ack(&scene, "+ACK");
        }
        expect_silence(&scene);
        size_t rest = MANY - at - 1;
        assert_ok(natskit_ack_batch(msgs + at + 1, rest, &acked)); /* none of them was touched */
        assert_int_equal(acked, rest);
        for (size_t j = 0; j < rest; j++) {
            expect_ack(&scene, "+ACK");
        }
        assert_ok(natskit_msg_release_batch(msgs, MANY));
    }
    natskit_msg *twice[2] = {receive(&scene)};
    size_t acked;
    twice[1] = twice[0];
    assert_status(natskit_ack_batch(twice, 2, &acked), NATSKIT_ALREADY_ACKED);
    assert_int_equal(acked, 1);
    expect_ack(&scene, "+ACK");
    expect_silence(&scene);
    assert_ok(natskit_msg_release(twice[0]));
}

/* -- confirmed acks -------------------------------------------------------------------------------------- */

static natskit_op begin_confirm(natskit_msg *msg, int64_t timeout_ms)
{
    natskit_op op;
    assert_ok(natskit_msg_ack_confirm_start(msg, NO_OPTIONS, timeout_ms, &op, NULL));
    return op;
}

static void test_confirmed(void **state)
{
    (void)state;
    struct scene scene = open_scene();
    natskit_msg *msg = receive(&scene);
    natskit_op op = begin_confirm(msg, 10 * SECONDS);
    natskit_msg *ack = next_ack(&scene, "+ACK");
    assert_status(natskit_op_result(op, NULL, NULL), NATSKIT_PENDING);
    assert_int_equal(is_acked(msg), 0);
    for (size_t i = 0; i < FINALS; i++) { /* somebody is about to */
        assert_status(finals[i].send(msg), NATSKIT_ALREADY_ACKED);
    }
    assert_status(confirm(msg), NATSKIT_ALREADY_ACKED);
    assert_status(natskit_msg_in_progress(msg), NATSKIT_ALREADY_ACKED);
    assert_ok(natskit_msg_respond(ack, NO_HEADERS, NULL, 0, 0));
    assert_ok(natskit_op_wait(op, 10 * SECONDS));
    assert_ok(natskit_op_result(op, NULL, NULL));
    assert_ok(natskit_op_close(op)); /* before anybody has looked */
    assert_int_equal(is_acked(msg), 1);
    assert_status(natskit_msg_ack(msg), NATSKIT_ALREADY_ACKED);
    expect_silence(&scene);
    assert_ok(natskit_msg_release(ack));
    assert_ok(natskit_msg_release(msg));
}

static void *answer_one(void *arg)
{
    const struct scene *scene = arg;
    natskit_msg *ack;
    if (natskit_sub_next(scene->acks, 10 * SECONDS, &ack) == NATSKIT_OK) {
        natskit_msg_respond(ack, NO_HEADERS, NULL, 0, 0);
        natskit_msg_release(ack);
    }
    return NULL;
}

static void test_confirmed_blocking(void **state)
{
    (void)state;
    struct scene scene = open_scene();
    natskit_msg *msg = receive(&scene);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, answer_one, &scene), 0);
    assert_ok(natskit_msg_ack_confirm(msg, 10 * SECONDS, NULL));
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(is_acked(msg), 1);
    assert_status(natskit_msg_ack(msg), NATSKIT_ALREADY_ACKED);
    expect_silence(&scene);
    assert_ok(natskit_msg_release(msg));
}

/* Without a confirmation nobody knows, and the message can be acked again. */
static void test_not_confirmed(void **state)
{
    (void)state;
    struct scene scene = open_scene();
    natskit_msg *msg = receive(&scene);
    natskit_error err;
    assert_status(natskit_msg_ack_confirm(msg, 1, &err), NATSKIT_TIMEOUT);
    assert_status(err.status, NATSKIT_TIMEOUT);
    assert_string_equal(err.text, "the ack was not confirmed within 1 ms");
    expect_ack(&scene, "+ACK");
    natskit_op op = begin_confirm(msg, 1);
    assert_ok(natskit_op_wait(op, 10 * SECONDS));
    assert_status(natskit_op_result(op, NULL, NULL), NATSKIT_TIMEOUT);
    expect_ack(&scene, "+ACK");
    assert_int_equal(is_acked(msg), 0);
    assert_ok(natskit_op_close(op));
    op = begin_confirm(msg, 10 * SECONDS);
    expect_ack(&scene, "+ACK");
    assert_ok(natskit_op_close(op)); /* cancelled */
    op = begin_confirm(msg, 10 * SECONDS);
    expect_ack(&scene, "+ACK");
    assert_ok(natskit_conn_reconnect(scene.conn, NULL)); /* lost */
    assert_ok(natskit_op_wait(op, 10 * SECONDS));
    assert_status(natskit_op_result(op, NULL, NULL), NATSKIT_DISCONNECTED);
    assert_ok(natskit_msg_nak(msg, 0));
    expect_ack(&scene, "-NAK");
    assert_status(natskit_msg_ack(msg), NATSKIT_ALREADY_ACKED);
    expect_silence(&scene);
    assert_ok(natskit_op_close(op));
    assert_ok(natskit_msg_release(msg));

    assert_ok(natskit_sub_close(scene.acks)); /* nobody is there */
    msg = receive(&scene);
    assert_status(natskit_msg_ack_confirm(msg, 10 * SECONDS, &err), NATSKIT_NO_RESPONDERS);
    assert_int_equal(is_acked(msg), 0);
    assert_ok(natskit_msg_ack(msg));
    assert_ok(natskit_msg_release(msg));
}

/* The message is given up first, or last; the connection goes before. fx_check_clean counts. */
static void test_released_while_confirming(void **state)
{
    (void)state;
    struct scene scene = open_scene();
    natskit_msg *first = receive(&scene);
    natskit_msg *last = receive(&scene);
    natskit_op op = begin_confirm(first, 10 * SECONDS);
    (void)begin_confirm(last, 10 * SECONDS);
    assert_ok(natskit_msg_release(first));
    natskit_msg *ack = next_ack(&scene, "+ACK");
    assert_ok(natskit_msg_respond(ack, NO_HEADERS, NULL, 0, 0));
    assert_ok(natskit_op_wait(op, 10 * SECONDS));
    assert_ok(natskit_msg_release(ack));
    assert_ok(natskit_conn_close(scene.conn, 0));
    assert_int_equal(is_acked(last), 0);
    assert_ok(natskit_msg_release(last));
}

/* -- races ----------------------------------------------------------------------------------------------- */

enum { RACERS = 4, ROUNDS = 200 };

struct race {
    pthread_barrier_t barrier;
    natskit_msg *msg;
    atomic_int won;
    atomic_int wrong;
};

struct racer {
    pthread_t thread;
    struct race *race;
    int number;
};

static void *run(void *arg)
{
    const struct racer *me = arg;
    struct race *race = me->race;
    for (int i = 0; i < ROUNDS; i++) {
        pthread_barrier_wait(&race->barrier);
        natskit_status got = finals[(size_t)(me->number + i) % FINALS].send(race->msg);
        atomic_fetch_add(&race->won, got == NATSKIT_OK);
        atomic_fetch_add(&race->wrong, got != NATSKIT_OK && got != NATSKIT_ALREADY_ACKED);
        pthread_barrier_wait(&race->barrier);
    }
    return NULL;
}

static void test_race(void **state)
{
    (void)state;
    struct scene scene = open_scene();
    struct race race = {0};
    struct racer racers[RACERS];
    assert_int_equal(pthread_barrier_init(&race.barrier, NULL, RACERS + 1), 0);
    for (int i = 0; i < RACERS; i++) {
        racers[i] = (struct racer){.race = &race, .number = i};
        assert_int_equal(pthread_create(&racers[i].thread, NULL, run, &racers[i]), 0);
    }
    for (int i = 0; i < ROUNDS; i++) {
        race.msg = receive(&scene);
        pthread_barrier_wait(&race.barrier);
        pthread_barrier_wait(&race.barrier);
        natskit_msg *ack;
        assert_ok(natskit_sub_next(scene.acks, 10 * SECONDS, &ack));
        assert_ok(natskit_msg_release(ack));
        assert_ok(natskit_msg_release(race.msg));
        assert_int_equal(atomic_load(&race.won), i + 1);
    }
    expect_silence(&scene);
    assert_int_equal(atomic_load(&race.wrong), 0);
    for (int i = 0; i < RACERS; i++) {
        assert_int_equal(pthread_join(racers[i].thread, NULL), 0);
    }
    pthread_barrier_destroy(&race.barrier);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, fx_mark, fx_check_clean)
    const struct CMUnitTest tests[] = {
        TEST(test_delivery),
        TEST(test_other_messages),
        TEST(test_bodies),
        TEST(test_first_counts),
        TEST(test_refused),
        TEST(test_batch),
        TEST(test_batch_stops),
        TEST(test_confirmed),
        TEST(test_confirmed_blocking),
        TEST(test_not_confirmed),
        TEST(test_released_while_confirming),
        TEST(test_race),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fx_server_end();
    return failed;
}
