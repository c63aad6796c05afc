/* What a bucket does by the engine alone, against a server that a test plays by hand: sweeps, the entries at
 * hand, and several keys by an ordered consumer; each with messages that are lost, connections that are,
 * errors that are answered, and allocations that fail. One thread. */
#include "peer.h"

#include "kv/cache.h"
#include "kv/entry.h"
#include "kv/get_many.h"
#include "kv/sweep.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAME "{\"created\":\"1970-01-01T00:00:00Z\",\"state\":{\"last_seq\":1000000}}"
#define DEL "NATS/1.0\r\nKV-Operation: DEL\r\n\r\n"
#define ACK "{\"stream\":\"KV_B\",\"seq\":9}"
#define PURGED "{\"success\":true,\"purged\":1}"
#define REFUSED "{\"error\":{\"code\":500,\"err_code\":10999,\"description\":\"no room\"}}"
#define NOBODY "NATS/1.0 503\r\n\r\n"
#define MADE_NS INT64_C(946684800000000000) /* as say_made tells it */
#define LAST "\"deliver_policy\":\"last_per_subject\""

/* A consumer as the client has asked for it. */
struct asked {
    char name[64];
    char deliver[320];
    char data[1600];
};

static struct peer *begin(struct nki_kv **kv)
{
    struct peer *peer = peer_new();
    assert_int_equal(nki_kv_open(peer->js, NKI_STR("B"), NULL, kv, NULL), NKI_OK);
    return peer;
}

static void finish(struct peer *peer, struct nki_kv *kv)
{
    nki_kv_release(kv);
    peer_free(peer);
}

static void close_sub(struct peer *peer, struct nki_sub *sub)
{
    nki_engine_close_sub(&peer->rig->engine, sub, peer->rig->now_ns);
    rig_settle(peer->rig);
    nki_sub_release(sub);
}

/* -- the server ------------------------------------------------------------------------------------------ */

/* The next one published, after a pause if need be; false if nothing comes within half a minute. */
static bool next_pub(struct peer *peer, struct peer_pub *pub)
{
    bool there = false;
    for (int passed = 0; !(there = peer_next(peer, pub)) && passed < 30000; passed += 50) {
        peer_pass(peer, 50);
    }
    return there;
}

/* The next consumer; before it the one before may be deleted, and what the stream is may be asked. False if
 * none is asked for. */
static bool find_create(struct peer *peer, struct asked *out)
{
    static const char create[] = "$JS.API.CONSUMER.CREATE.KV_B.";
    struct peer_pub pub;
    while (next_pub(peer, &pub)) {
        if (strcmp(pub.subject, "$JS.API.STREAM.INFO.KV_B") == 0) {
            assert_true(peer_send(peer, pub.reply, pub.reply, "", "", SAME));
        } else if (strncmp(pub.subject, create, sizeof create - 1) == 0) {
            snprintf(out->name, sizeof out->name, "%.63s", pub.subject + sizeof create - 1);
            out->name[strcspn(out->name, ".")] = '\0'; /* a filter may follow */
            snprintf(out->deliver, sizeof out->deliver, "%s", pub.reply);
            snprintf(out->data, sizeof out->data, "%s", pub.data);
            return true;
        } else {
            assert_non_null(strstr(pub.subject, "CONSUMER.DELETE"));
        }
    }
    return false;
}

static void expect_create(struct peer *peer, struct asked *out, const char *holds)
{
    assert_true(find_create(peer, out));
    if (strstr(out->data, holds) == NULL) {
        fail_msg("%s is not in %s", holds, out->data);
    }
}

/* It begins behind `before`. Made after all that is listed was stored: nothing of that has come since. */
static void say_made_behind(struct peer *peer, const struct asked *asked, int before, int pending)
{
    char text[240];
    snprintf(text, sizeof text,
             "{\"created\":\"2000-01-01T00:00:00Z\",\"delivered\":{\"consumer_seq\":0,\"stream_seq\":%d},"
             "\"num_pending\":%d}",
             before, pending);
    (void)peer_send(peer, asked->deliver, asked->deliver, "", "", text);
}

static void say_made(struct peer *peer, const struct asked *asked, int pending)
{
    say_made_behind(peer, asked, 0, pending);
}

/* An entry of the stream: its revision is its value, too, and the moment at which it was stored, this long
 * after `begin_ns`. */
static void say_at(struct peer *peer, const struct asked *asked, const char *key, const char *block, int seq,
                   int consumer_seq, int pending, int64_t begin_ns)
{
    char subject[64];
    char reply[200];
    char data[20] = "";
    snprintf(subject, sizeof subject, "$KV.B.%s", key);
    snprintf(reply, sizeof reply, "$JS.ACK.KV_B.%s.1.%d.%d.%" PRId64 ".%d", asked->name, seq, consumer_seq,
             begin_ns + seq, pending);
    if (block[0] == '\0') {
        snprintf(data, sizeof data, "%d", seq);
    }
    (void)peer_send(peer, asked->deliver, subject, reply, block, data);
}

static void say(struct peer *peer, const struct asked *asked, const char *key, const char *block, int seq,
                int consumer_seq, int pending)
{
    say_at(peer, asked, key, block, seq, consumer_seq, pending, 0);
}

/* One that was stored after the consumer was made. */
static void say_since(struct peer *peer, const struct asked *asked, const char *key, const char *block,
                      int seq, int consumer_seq, int pending)
{
    say_at(peer, asked, key, block, seq, consumer_seq, pending, MADE_NS);
}

/* The next request of a worker. */
static void expect_change(struct peer *peer, struct peer_pub *pub, const char *subject, const char *holds)
{
    do {
        assert_true(next_pub(peer, pub));
    } while (strstr(pub->subject, "CONSUMER.DELETE") != NULL);
    assert_string_equal(pub->subject, subject);
    if (strstr(pub->block, holds) == NULL && strstr(pub->data, holds) == NULL) {
        fail_msg("%s is neither in %s nor in %s", holds, pub->block, pub->data);
    }
}

static void answer(struct peer *peer, const struct peer_pub *pub, const char *text)
{
    (void)peer_send(peer, pub->reply, pub->reply, "", "", text);
}

/* -- sweeps ---------------------------------------------------------------------------------------------- */

static int32_t sweep_with(struct peer *peer, struct nki_kv *kv, enum nki_kv_sweep_action action,
                          size_t in_flight, struct nki_op **op)
{
    const struct nki_kv_sweep_params params = {.action = action, .older_than_ms = -1, .in_flight = in_flight};
    int32_t status = nki_kv_sweep(kv, &params, peer->rig->now_ns + RIG_MS(20000), true, op, NULL);
    peer_read(peer);
    return status;
}

/* What it came to, with {"keys": n} or the error's text. */
static void expect_result(struct peer *peer, struct nki_op *op, int32_t status, const char *holds)
{
    struct nki_msg *msg = NULL;
    struct nki_error error = {.status = NKI_OK};
    peer_read(peer);
    assert_int_equal(nki_op_result(op, NULL, &error), status);
    if (status == NKI_OK) {
        assert_int_equal(nki_op_take_msg(op, &msg), NKI_OK);
        assert_true(nki_str_eq(nki_msg_data(msg), nki_str_z(holds)));
        nki_msg_release(msg);
    } else {
        assert_non_null(strstr(error.text, holds));
    }
    nki_op_release(op);
}

/* Two deletes and a value are listed. */
static void list_three(struct peer *peer, struct asked *asked)
{
    expect_create(peer, asked, LAST);
    say_made(peer, asked, 3);
    say(peer, asked, "a", DEL, 1, 1, 2);
    say(peer, asked, "b", "", 2, 2, 1);
    say(peer, asked, "c", DEL, 3, 3, 0);
}

static void test_sweep(void **state)
{
    (void)state;
    struct nki_kv *kv;
    struct peer *peer = begin(&kv);
    struct nki_op *op;
    struct asked asked;
    struct peer_pub one;
    struct peer_pub two;
    assert_int_equal(sweep_with(peer, kv, NKI_KV_SWEEP_DELETES, 8, &op), NKI_OK);
    list_three(peer, &asked);
    expect_change(peer, &one, "$JS.API.STREAM.PURGE.KV_B", "{\"filter\":\"$KV.B.a\",\"seq\":2}");
    expect_change(peer, &two, "$JS.API.STREAM.PURGE.KV_B", "{\"filter\":\"$KV.B.c\",\"seq\":4}");
    answer(peer, &two, PURGED);
    assert_int_equal(nki_op_result(op, NULL, NULL), NKI_PENDING);
    answer(peer, &one, PURGED);
    expect_result(peer, op, NKI_OK, "{\"keys\":2}");
    peer_expect_none(peer);
    finish(peer, kv);
}

/* What somebody stored under a subject that would say more in a filter than itself stays. */
static void test_sweep_strange_subjects(void **state)
{
    (void)state;
    static const char *const keys[] = {"a\",\"filter\":\"$KV.B.b", "a.>", "a.*.b", "a\\", "a\xff"};
    struct nki_kv *kv;
    struct peer *peer = begin(&kv);
    struct nki_op *op;
    struct asked asked;
    struct peer_pub pub;
    int count = (int)NKI_ARRAY_LEN(keys);
    assert_int_equal(sweep_with(peer, kv, NKI_KV_SWEEP_DELETES, 1, &op), NKI_OK);
    expect_create(peer, &asked, LAST);
    say_made(peer, &asked, (uint64_t)count + 1);
    for (int i = 0; i < count; i++) {
        say(peer, &asked, keys[i], DEL, i + 1, i + 1, count - i);
    }
    say(peer, &asked, "c", DEL, count + 1, count + 1, 0);
    expect_change(peer, &pub, "$JS.API.STREAM.PURGE.KV_B", "{\"filter\":\"$KV.B.c\",");
    answer(peer, &pub, PURGED);
    expect_result(peer, op, NKI_OK, "{\"keys\":1}");
    peer_expect_none(peer);
    finish(peer, kv);
}

/* One at a time; what was written meanwhile stays, and is not counted. */
static void test_sweep_written_meanwhile(void **state)
{
    (void)state;
    struct nki_kv *kv;
    struct peer *peer = begin(&kv);
    struct nki_op *op;
    struct asked asked;
    struct peer_pub pub;
    assert_int_equal(sweep_with(peer, kv, NKI_KV_SWEEP_DELETE, 1, &op), NKI_OK);
    expect_create(peer, &asked, LAST);
    say_made(peer, &asked, 2);
    say(peer, &asked, "a", "", 1, 1, 1);
    say(peer, &asked, "b", "", 2, 2, 0);
    expect_change(peer, &pub, "$KV.B.a", "Nats-Expected-Last-Subject-Sequence: 1\r\n");
    peer_expect_none(peer);
    answer(peer, &pub,
           "{\"error\":{\"code\":400,\"err_code\":10071,\"description\":\"wrong last sequence\"}}");
    expect_change(peer, &pub, "$KV.B.b", "KV-Operation: DEL\r\n");
    answer(peer, &pub, ACK);
    expect_result(peer, op, NKI_OK, "{\"keys\":1}");
    finish(peer, kv);
}

/* While it lists, and while it changes. */
static void test_sweep_cut(void **state)
{
    (void)state;
    struct nki_kv *kv;
    struct peer *peer = begin(&kv);
    struct nki_op *op;
    struct asked asked;
    struct peer_pub one;
    struct peer_pub two;
    assert_int_equal(sweep_with(peer, kv, NKI_KV_SWEEP_DELETES, 8, &op), NKI_OK);
    expect_create(peer, &asked, LAST);
    say_made(peer, &asked, 3);
    say(peer, &asked, "a", DEL, 1, 1, 2);
    peer_cut(peer);
    list_three(peer, &asked); /* once more; what has come already comes to nothing */
    expect_change(peer, &one, "$JS.API.STREAM.PURGE.KV_B", "$KV.B.a");
    expect_change(peer, &two, "$JS.API.STREAM.PURGE.KV_B", "$KV.B.c");
    answer(peer, &one, PURGED);
    peer_cut(peer); /* it may have been done: done twice it is done once */
    expect_change(peer, &two, "$JS.API.STREAM.PURGE.KV_B", "$KV.B.c");
    answer(peer, &two, PURGED);
    expect_result(peer, op, NKI_OK, "{\"keys\":2}");
    finish(peer, kv);
}

/* An entry is lost on the way. */
static void test_sweep_gap(void **state)
{
    (void)state;
    struct nki_kv *kv;
    struct peer *peer = begin(&kv);
    struct nki_op *op;
    struct asked asked;
    struct peer_pub pub;
    assert_int_equal(sweep_with(peer, kv, NKI_KV_SWEEP_DELETES, 1, &op), NKI_OK);
    expect_create(peer, &asked, LAST);
    say_made(peer, &asked, 3);
    say(peer, &asked, "a", DEL, 1, 1, 2);
    say(peer, &asked, "c", DEL, 3, 3, 0);
    list_three(peer, &asked);
    expect_change(peer, &pub, "$JS.API.STREAM.PURGE.KV_B", "$KV.B.a");
    answer(peer, &pub, PURGED);
    expect_change(peer, &pub, "$JS.API.STREAM.PURGE.KV_B", "$KV.B.c");
    answer(peer, &pub, PURGED);
    expect_result(peer, op, NKI_OK, "{\"keys\":2}");
    finish(peer, kv);
}

/* What the second change is answered: it fails with that, and nothing more is asked. */
static void expect_sweep_fails(const char *text, int32_t status, const char *holds)
{
    struct nki_kv *kv;
    struct peer *peer = begin(&kv);
    struct nki_op *op;
    struct asked asked;
    struct peer_pub pub;
    assert_int_equal(sweep_with(peer, kv, NKI_KV_SWEEP_DELETES, 1, &op), NKI_OK);
    expect_create(peer, &asked, LAST);
    say_made(peer, &asked, 3);
    for (int i = 1; i <= 3; i++) {
        say(peer, &asked, i == 1 ? "a" : i == 2 ? "b" : "c", DEL, i, i, 3 - i);
    }
    expect_change(peer, &pub, "$JS.API.STREAM.PURGE.KV_B", "$KV.B.a");
    answer(peer, &pub, PURGED);
    expect_change(peer, &pub, "$JS.API.STREAM.PURGE.KV_B", "$KV.B.b");
    answer(peer, &pub, text);
    expect_result(peer, op, status, holds);
    peer_expect_none(peer);
    finish(peer, kv);
}

static void test_sweep_errors(void **state)
{
    (void)state;
    expect_sweep_fails(REFUSED, NKI_JS_REFUSED, "no room");
    expect_sweep_fails("no JSON", NKI_PROTOCOL, "no JSON object");
    expect_sweep_fails("[]", NKI_PROTOCOL, "no JSON object");
}

/* The list cannot be had. */
static void test_sweep_no_list(void **state)
{
    (void)state;
    struct nki_kv *kv;
    struct peer *peer = begin(&kv);
    struct nki_op *op;
    struct asked asked;
    assert_int_equal(sweep_with(peer, kv, NKI_KV_SWEEP_DELETES, 1, &op), NKI_OK);
    expect_create(peer, &asked, LAST);
    (void)peer_send(peer, asked.deliver, asked.deliver, "", "",
                    "{\"error\":{\"code\":404,\"err_code\":10059,\"description\":\"stream not found\"}}");
    expect_result(peer, op, NKI_STREAM_NOT_FOUND, "stream not found");
    finish(peer, kv);
}

/* Nobody takes a change: it is tried again, then told. */
static void test_sweep_nobody(void **state)
{
    (void)state;
    struct nki_kv *kv;
    struct peer *peer = begin(&kv);
    struct nki_op *op;
    struct asked asked;
    struct peer_pub pub;
    int asks = 0;
    assert_int_equal(sweep_with(peer, kv, NKI_KV_SWEEP_DELETE, 1, &op), NKI_OK);
    expect_create(peer, &asked, LAST);
    say_made(peer, &asked, 1);
    say(peer, &asked, "a", "", 1, 1, 0);
    while (nki_op_result(op, NULL, NULL) == NKI_PENDING) {
        expect_change(peer, &pub, "$KV.B.a", "DEL");
        (void)peer_send(peer, pub.reply, pub.reply, "", NOBODY, "");
        assert_true(++asks < 20);
    }
    assert_true(asks > 1);
    expect_result(peer, op, NKI_NO_STREAM, "");
    finish(peer, kv);
}

/* Whatever allocation fails, it ends, and as what it is. */
static void test_sweep_no_memory(void **state)
{
    (void)state;
    long refused = 0;
    for (long nth = 1;; nth++) {
        struct nki_kv *kv;
        struct peer *peer = begin(&kv);
        struct nki_op *op = NULL;
        struct asked asked;
        struct peer_pub pub;
        int32_t status = NKI_OK;
        if (!steps_refuse(nth)) {
            finish(peer, kv);
            break;
        }
        if (sweep_with(peer, kv, NKI_KV_SWEEP_DELETES, 2, &op) == NKI_OK) {
            while (nki_op_result(op, NULL, NULL) == NKI_PENDING && next_pub(peer, &pub)) {
                if (strstr(pub.subject, "STREAM.PURGE") != NULL) {
                    answer(peer, &pub, PURGED);
                } else if (strstr(pub.subject, "STREAM.INFO") != NULL) {
                    answer(peer, &pub, SAME);
                } else if (strstr(pub.subject, "CONSUMER.CREATE") != NULL) {
                    snprintf(asked.name, sizeof asked.name, "%.63s", strstr(pub.subject, "KV_B.") + 5);
                    asked.name[strcspn(asked.name, ".")] = '\0';
                    snprintf(asked.deliver, sizeof asked.deliver, "%s", pub.reply);
                    say_made(peer, &asked, 2);
                    say(peer, &asked, "a", DEL, 1, 1, 1);
                    say(peer, &asked, "c", DEL, 3, 2, 0);
                }
            }
            status = nki_op_result(op, NULL, NULL);
            nki_op_release(op);
        } else {
            status = NKI_NO_MEMORY;
        }
        bool happened = steps_refused();
        steps_refuse_no_more();
        bool expected = status == NKI_NO_MEMORY || status == NKI_CLOSED;
        if (status != NKI_OK && !(happened && expected)) {
            fail_msg("allocation %ld: %d", nth, status);
        }
        refused += status != NKI_OK;
        finish(peer, kv);
    }
    assert_true(refused > 5);
}

/* -- entries at hand ------------------------------------------------------------------------------------- */

static void expect_cached(struct nki_kv *kv, const char *key, const char *value)
{
    struct nki_msg *msg = NULL;
    int32_t status = nki_kv_cached(kv, nki_str_z(key), &msg);
    assert_int_equal(status, value != NULL ? NKI_OK : NKI_KEY_NOT_FOUND);
    if (value != NULL) {
        assert_true(nki_str_eq(nki_msg_data(msg), nki_str_z(value)));
        nki_msg_release(msg);
    }
}

static int32_t cached_fails(struct nki_kv *kv)
{
    struct nki_msg *msg = NULL;
    int32_t status = nki_kv_cached(kv, NKI_STR("a"), &msg);
    nki_msg_release(msg);
    return status;
}

/* With a = 1 and b = 2. */
static struct nki_sub *open_cache(struct peer *peer, struct nki_kv *kv, struct asked *asked)
{
    struct nki_sub *sub;
    assert_int_equal(nki_kv_cache_open(kv, NULL, 0, false, &sub, NULL), NKI_OK);
    expect_create(peer, asked, LAST);
    assert_int_equal(cached_fails(kv), NKI_PENDING);
    say_made(peer, asked, 2);
    say(peer, asked, "a", "", 1, 1, 1);
    assert_int_equal(cached_fails(kv), NKI_PENDING);
    say(peer, asked, "b", "", 2, 2, 0);
    expect_cached(kv, "a", "1");
    expect_cached(kv, "b", "2");
    return sub;
}

static void test_cache(void **state)
{
    (void)state;
    struct nki_kv *kv;
    struct peer *peer = begin(&kv);
    struct asked asked;
    struct nki_sub *sub = open_cache(peer, kv, &asked);
    say(peer, &asked, "a", "", 3, 3, 0);
    say(peer, &asked, "b", DEL, 4, 4, 0);
    expect_cached(kv, "a", "3");
    expect_cached(kv, "b", NULL);
    /* One is lost on the way: until it has come again, what is known stays. */
    say(peer, &asked, "d", "", 6, 6, 0);
    expect_cached(kv, "d", NULL);
    expect_create(peer, &asked, "\"opt_start_seq\":5");
    say_made_behind(peer, &asked, 4, 2);
    say(peer, &asked, "c", "", 5, 1, 1);
    say(peer, &asked, "d", "", 6, 2, 0);
    expect_cached(kv, "c", "5");
    expect_cached(kv, "d", "6");
    close_sub(peer, sub);
    assert_int_equal(cached_fails(kv), NKI_UNSUBSCRIBED);
    finish(peer, kv);
}

static void test_cache_cut(void **state)
{
    (void)state;
    struct nki_kv *kv;
    struct peer *peer = begin(&kv);
    struct asked asked;
    struct nki_sub *sub;
    assert_int_equal(nki_kv_cache_open(kv, NULL, 0, false, &sub, NULL), NKI_OK);
    expect_create(peer, &asked, LAST);
    say_made(peer, &asked, 2);
    say(peer, &asked, "a", "", 1, 1, 1);
    peer_cut(peer); /* before it is complete: what has come counts */
    assert_int_equal(cached_fails(kv), NKI_PENDING);
    expect_create(peer, &asked, LAST);
    say_made(peer, &asked, 2);
    say(peer, &asked, "a", "", 1, 1, 1);
    say(peer, &asked, "b", "", 2, 2, 0);
    expect_cached(kv, "a", "1");
    expect_cached(kv, "b", "2");
    peer_cut(peer); /* and after: it stands still, and catches up */
    expect_cached(kv, "a", "1");
    expect_create(peer, &asked, "\"opt_start_seq\":3");
    say_made_behind(peer, &asked, 2, 1);
    say(peer, &asked, "a", "", 3, 1, 0);
    expect_cached(kv, "a", "3");
    expect_cached(kv, "b", "2");
    close_sub(peer, sub);
    finish(peer, kv);
}

/* The bucket was made anew: no key of the old one stays. */
static void test_cache_made_anew(void **state)
{
    (void)state;
    struct nki_kv *kv;
    struct peer *peer = begin(&kv);
    struct asked asked;
    struct peer_pub pub;
    struct nki_sub *sub = open_cache(peer, kv, &asked);
    peer_cut(peer);
    do {
        assert_true(next_pub(peer, &pub));
    } while (strcmp(pub.subject, "$JS.API.STREAM.INFO.KV_B") != 0);
    answer(peer, &pub, "{\"created\":\"2100-01-01T00:00:00Z\",\"state\":{\"last_seq\":1}}");
    assert_int_equal(cached_fails(kv), NKI_PENDING);
    expect_create(peer, &asked, LAST);
    say_made(peer, &asked, 1);
    say(peer, &asked, "c", "", 1, 1, 0);
    expect_cached(kv, "a", NULL);
    expect_cached(kv, "c", "1");
    close_sub(peer, sub);
    finish(peer, kv);
}

static void test_cache_refused(void **state)
{
    (void)state;
    struct nki_kv *kv;
    struct peer *peer = begin(&kv);
    struct asked asked;
    struct nki_sub *sub;
    assert_int_equal(nki_kv_cache_open(kv, NULL, 0, false, &sub, NULL), NKI_OK);
    expect_create(peer, &asked, LAST);
    (void)peer_send(peer, asked.deliver, asked.deliver, "", "",
                    "{\"error\":{\"code\":404,\"err_code\":10059,\"description\":\"stream not found\"}}");
    assert_int_equal(cached_fails(kv), NKI_STREAM_NOT_FOUND);
    assert_int_equal(rig_end_reason(sub), NKI_STREAM_NOT_FOUND);
    close_sub(peer, sub);
    /* It may be opened again. */
    sub = open_cache(peer, kv, &asked);
    close_sub(peer, sub);
    finish(peer, kv);
}

/* It is complete, or has ended for that reason; never is something missing. */
static void test_cache_no_memory(void **state)
{
    (void)state;
    long refused = 0;
    for (long nth = 1;; nth++) {
        struct nki_kv *kv;
        struct peer *peer = begin(&kv);
        struct asked asked;
        struct nki_sub *sub = NULL;
        if (!steps_refuse(nth)) {
            finish(peer, kv);
            break;
        }
        int32_t status = nki_kv_cache_open(kv, NULL, 0, false, &sub, NULL);
        for (int tries = 0; status == NKI_OK && cached_fails(kv) == NKI_PENDING && tries < 5; tries++) {
            if (find_create(peer, &asked)) {
                say_made(peer, &asked, 2);
                say(peer, &asked, "a", "", 1, 1, 1);
                say(peer, &asked, "b", "", 2, 2, 0);
            }
        }
        bool happened = steps_refused();
        steps_refuse_no_more();
        struct nki_msg *msg;
        int32_t looked = status == NKI_OK ? nki_kv_cached(kv, NKI_STR("a"), &msg) : status;
        if (looked == NKI_OK) {
            nki_msg_release(msg);
            expect_cached(kv, "b", "2");
        } else {
            assert_true(happened);
            assert_int_equal(looked, NKI_NO_MEMORY);
            refused++;
        }
        if (sub != NULL && status == NKI_OK) {
            close_sub(peer, sub);
        }
        finish(peer, kv);
    }
    assert_true(refused > 3);
}

/* -- several keys by a consumer -------------------------------------------------------------------------- */

static int32_t get_keys(struct peer *peer, struct nki_kv *kv, const struct nki_str *keys, size_t count,
                        struct nki_sub **sub)
{
    const struct nki_kv_many_params params = {.keys = keys, .key_count = count, .answer_ms = 1000};
    int32_t status = nki_kv_get_many(kv, &params, sub, NULL);
    peer_read(peer);
    return status;
}

/* The direct get is answered with a status. */
static void refuse_direct(struct peer *peer, const char *block)
{
    struct peer_pub pub;
    char listens[330];
    do {
        assert_true(peer_next(peer, &pub));
    } while (strstr(pub.subject, "CONSUMER.DELETE") != NULL); /* of the one before */
    assert_string_equal(pub.subject, "$JS.API.DIRECT.GET.KV_B");
    snprintf(listens, sizeof listens, "%s", pub.reply);
    strcpy(strrchr(listens, '.'), ".*");
    (void)peer_send(peer, listens, pub.reply, "", block, "");
}

static void take(struct peer *peer, struct nki_sub *sub, const char *key, uint64_t revision)
{
    struct nki_kv_entry entry;
    struct nki_msg *msg = steps_take(peer->rig, sub);
    assert_non_null(msg);
    assert_int_equal(msg->kind, NKI_MSG_KV);
    assert_true(nki_kv_entry_read(msg, &entry));
    assert_true(nki_str_eq(entry.key, nki_str_z(key)));
    assert_int_equal(entry.revision, revision);
    nki_msg_release(msg);
}

/* When all has come it looks whether something was written behind revision `last`: so many. */
static void expect_look(struct peer *peer, struct nki_sub *sub, struct asked *asked, int last, int pending)
{
    char begin[60];
    assert_null(steps_take(peer->rig, sub));
    assert_int_equal(rig_end_reason(sub), NKI_OK);
    snprintf(begin, sizeof begin, "\"opt_start_seq\":%d,", last + 1);
    expect_create(peer, asked, begin);
    say_made_behind(peer, asked, last, pending);
}

static void expect_end(struct peer *peer, struct nki_sub *sub, int32_t reason)
{
    assert_null(steps_take(peer->rig, sub));
    assert_int_equal(rig_end_reason(sub), reason);
}

#define TOO_MANY "NATS/1.0 413 Too Many Results\r\n\r\n"

/* What is replaced before its turn comes in its new form, and nothing comes before all of it is of one
 * moment. */
static void test_fold(void **state)
{
    (void)state;
    static const char *const refusals[] = {TOO_MANY, NOBODY, "NATS/1.0 408 Empty Request\r\n\r\n"};
    const struct nki_str keys[] = {NKI_STR("c"), NKI_STR("a"), NKI_STR("k.*"), NKI_STR("a")};
    for (size_t i = 0; i < NKI_ARRAY_LEN(refusals); i++) {
        struct nki_kv *kv;
        struct peer *peer = begin(&kv);
        struct asked asked;
        struct nki_sub *sub;
        assert_int_equal(get_keys(peer, kv, keys, NKI_ARRAY_LEN(keys), &sub), NKI_OK);
        refuse_direct(peer, refusals[i]);
        expect_create(peer, &asked, "\"filter_subjects\":[\"$KV.B.a\",\"$KV.B.c\",\"$KV.B.k.*\"]");
        say_made(peer, &asked, 3);
        say(peer, &asked, "a", "", 1, 1, 3);
        say(peer, &asked, "c", "", 2, 2, 2);
        say_since(peer, &asked, "a", "", 5, 3, 0); /* k.x was replaced, which the server does not count yet */
        expect_look(peer, sub, &asked, 5, 1);
        int seq = i > 0 ? 7 : 6;
        say_since(peer, &asked, "k.x", DEL, seq, 1, 0);
        if (i > 0) { /* there is a gap: what was at 6 may have been replaced by what is behind 7 */
            expect_look(peer, sub, &asked, seq, 0);
        }
        take(peer, sub, "c", 2);
        take(peer, sub, "a", 5);
        take(peer, sub, "k.x", (uint64_t)seq);
        expect_end(peer, sub, NKI_MAX_REACHED);
        close_sub(peer, sub);
        finish(peer, kv);
    }
}

/* Patterns that overlap, or are too many for a server: what they have in common is read, and the rest left
 * out. */
static void test_fold_sifts(void **state)
{
    (void)state;
    const struct nki_str keys[] = {NKI_STR("k.a.1"), NKI_STR("k.*.2"), NKI_STR("k.b.*")};
    struct nki_kv *kv;
    struct peer *peer = begin(&kv);
    struct asked asked;
    struct nki_sub *sub;
    assert_int_equal(get_keys(peer, kv, keys, NKI_ARRAY_LEN(keys), &sub), NKI_OK);
    refuse_direct(peer, TOO_MANY);
    expect_create(peer, &asked, "\"filter_subject\":\"$KV.B.k.>\"");
    say_made(peer, &asked, 5);
    say(peer, &asked, "k.a.1", "", 1, 1, 4);
    say(peer, &asked, "k.a.3", "", 2, 2, 3);
    say(peer, &asked, "k.c.2", "", 3, 3, 2);
    say(peer, &asked, "k.b.2", "", 4, 4, 1);
    say(peer, &asked, "k", "", 5, 5, 0); /* nothing has come that was stored since: it is whole */
    take(peer, sub, "k.a.1", 1);
    take(peer, sub, "k.c.2", 3);
    take(peer, sub, "k.b.2", 4);
    expect_end(peer, sub, NKI_MAX_REACHED);
    close_sub(peer, sub);
    finish(peer, kv);
}

static void test_fold_faults(void **state)
{
    (void)state;
    const struct nki_str keys[] = {NKI_STR(">")};
    struct nki_kv *kv;
    struct peer *peer = begin(&kv);
    struct asked asked;
    struct nki_sub *sub;
    assert_int_equal(get_keys(peer, kv, keys, 1, &sub), NKI_OK);
    refuse_direct(peer, TOO_MANY);
    expect_create(peer, &asked, "\"filter_subject\":\"$KV.B.>\"");
    say_made(peer, &asked, 2);
    say(peer, &asked, "a", "", 1, 1, 1);
    peer_cut(peer); /* what has come counts */
    expect_create(peer, &asked, LAST);
    say_made(peer, &asked, 2);
    say(peer, &asked, "a", "", 3, 2, 0); /* one was lost on the way */
    expect_create(peer, &asked, LAST);
    say_made(peer, &asked, 2);
    say(peer, &asked, "b", "", 2, 1, 1);
    say_since(peer, &asked, "a", "", 3, 2, 0); /* and what has replaced it may have done so, too */
    expect_create(peer, &asked, "\"deliver_policy\":\"by_start_time\"");
    say_made(peer, &asked, 1);
    say_since(peer, &asked, "a", "", 3, 1, 0);
    expect_create(peer, &asked, "\"opt_start_seq\":4");
    peer_cut(peer); /* while it looks */
    expect_look(peer, sub, &asked, 3, 0);
    take(peer, sub, "b", 2);
    take(peer, sub, "a", 3);
    expect_end(peer, sub, NKI_MAX_REACHED);
    close_sub(peer, sub);
    /* There is no such bucket. */
    assert_int_equal(get_keys(peer, kv, keys, 1, &sub), NKI_OK);
    refuse_direct(peer, NOBODY);
    expect_create(peer, &asked, LAST);
    (void)peer_send(peer, asked.deliver, asked.deliver, "", "",
                    "{\"error\":{\"code\":404,\"err_code\":10059,\"description\":\"stream not found\"}}");
    expect_end(peer, sub, NKI_STREAM_NOT_FOUND);
    close_sub(peer, sub);
    /* Given up half-way, in both parts. */
    assert_int_equal(get_keys(peer, kv, keys, 1, &sub), NKI_OK);
    close_sub(peer, sub);
    assert_int_equal(get_keys(peer, kv, keys, 1, &sub), NKI_OK);
    struct peer_pub pub;
    while (peer_next(peer, &pub) && strstr(pub.subject, "DIRECT") == NULL) {
    }
    close_sub(peer, sub);
    finish(peer, kv);
}

/* It is written all the time. */
static void test_fold_never_still(void **state)
{
    (void)state;
    const struct nki_str keys[] = {NKI_STR(">")};
    struct nki_kv *kv;
    struct peer *peer = begin(&kv);
    struct asked asked;
    struct nki_sub *sub;
    int last = 1;
    assert_int_equal(get_keys(peer, kv, keys, 1, &sub), NKI_OK);
    refuse_direct(peer, TOO_MANY);
    expect_create(peer, &asked, LAST);
    say_made(peer, &asked, 1);
    say_since(peer, &asked, "a", "", last, 1, 0);
    while (rig_end_reason(sub) == NKI_OK) {
        expect_look(peer, sub, &asked, last, 1);
        last += 2;
        say_since(peer, &asked, "a", "", last, 1, 0);
        assert_true(last < 100);
    }
    assert_true(last > 10);
    expect_end(peer, sub, NKI_SNAPSHOT_CHANGED);
    close_sub(peer, sub);
    finish(peer, kv);
}

static void test_fold_no_memory(void **state)
{
    (void)state;
    const struct nki_str keys[] = {NKI_STR("a.*"), NKI_STR("*.b")};
    long refused = 0;
    for (long nth = 1;; nth++) {
        struct nki_kv *kv;
        struct peer *peer = begin(&kv);
        struct asked asked;
        struct peer_pub pub;
        struct nki_sub *sub = NULL;
        int32_t reason = NKI_OK;
        if (!steps_refuse(nth)) {
            finish(peer, kv);
            break;
        }
        int32_t status = get_keys(peer, kv, keys, NKI_ARRAY_LEN(keys), &sub);
        while (status == NKI_OK && rig_end_reason(sub) == NKI_OK && next_pub(peer, &pub)) {
            if (strstr(pub.subject, "DIRECT.GET") != NULL) {
                char listens[330];
                snprintf(listens, sizeof listens, "%s", pub.reply);
                strcpy(strrchr(listens, '.'), ".*");
                (void)peer_send(peer, listens, pub.reply, "", TOO_MANY, "");
            } else if (strstr(pub.subject, "STREAM.INFO") != NULL) {
                answer(peer, &pub, SAME);
            } else if (strstr(pub.subject, "CONSUMER.CREATE") != NULL) {
                snprintf(asked.name, sizeof asked.name, "%.63s", strstr(pub.subject, "KV_B.") + 5);
                asked.name[strcspn(asked.name, ".")] = '\0';
                snprintf(asked.deliver, sizeof asked.deliver, "%s", pub.reply);
                bool again = strstr(pub.data, "\"opt_start_seq\":3") != NULL;
                say_made_behind(peer, &asked, again ? 2 : 0, again ? 0 : 2);
                if (!again) {
                    say(peer, &asked, "a.a", "", 1, 1, 1);
                    say_since(peer, &asked, "b.b", "", 2, 2, 0);
                }
            }
        }
        bool happened = steps_refused();
        steps_refuse_no_more();
        reason = status == NKI_OK ? rig_end_reason(sub) : reason;
        if (reason == NKI_MAX_REACHED) {
            take(peer, sub, "a.a", 1);
            take(peer, sub, "b.b", 2);
        } else {
            assert_true(happened && (status == NKI_NO_MEMORY || reason == NKI_NO_MEMORY));
            refused++;
        }
        if (status == NKI_OK) {
            close_sub(peer, sub);
        }
        finish(peer, kv);
    }
    assert_true(refused > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sweep),
        cmocka_unit_test(test_sweep_strange_subjects),
        cmocka_unit_test(test_sweep_written_meanwhile),
        cmocka_unit_test(test_sweep_cut),
        cmocka_unit_test(test_sweep_gap),
        cmocka_unit_test(test_sweep_errors),
        cmocka_unit_test(test_sweep_no_list),
        cmocka_unit_test(test_sweep_nobody),
        cmocka_unit_test(test_sweep_no_memory),
        cmocka_unit_test(test_cache),
        cmocka_unit_test(test_cache_cut),
        cmocka_unit_test(test_cache_made_anew),
        cmocka_unit_test(test_cache_refused),
        cmocka_unit_test(test_cache_no_memory),
        cmocka_unit_test(test_fold),
        cmocka_unit_test(test_fold_sifts),
        cmocka_unit_test(test_fold_faults),
        cmocka_unit_test(test_fold_never_still),
        cmocka_unit_test(test_fold_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
