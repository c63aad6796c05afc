/* The accounting of requests for messages, alone and against a model of the server, which serves them in
 * turn. */
#include "jetstream/pull.h"

#include "../base/cmocka_all.h"
#include "base/rand.h"

#include <string.h>

static void expect(const struct nki_pulls *pulls, uint32_t count, uint64_t msgs, uint64_t bytes)
{
    assert_int_equal(pulls->count, count);
    assert_int_equal(pulls->msgs, msgs);
    assert_int_equal(pulls->bytes, bytes);
}

static void test_messages(void **state)
{
    (void)state;
    struct nki_pulls pulls = {.head = 0};
    expect(&pulls, 0, 0, 0);
    nki_pulls_got(&pulls, 10); /* that nobody has asked for */
    expect(&pulls, 0, 0, 0);
    uint64_t a = nki_pulls_open(&pulls, 3, 0, 0, 100);
    uint64_t b = nki_pulls_open(&pulls, 2, 0, 0, 50);
    expect(&pulls, 2, 5, 0);
    assert_int_equal(nki_pulls_late_ns(&pulls), 50);
    for (int i = 0; i < 3; i++) {
        assert_non_null(nki_pulls_find(&pulls, a));
        nki_pulls_got(&pulls, 10);
    }
    assert_null(nki_pulls_find(&pulls, a));
    expect(&pulls, 1, 2, 0);
    nki_pulls_got(&pulls, 10);
    nki_pulls_got(&pulls, 10);
    assert_null(nki_pulls_find(&pulls, b));
    expect(&pulls, 0, 0, 0);
    assert_true(nki_pulls_late_ns(&pulls) == NKI_NEVER);
}

static void test_bytes(void **state)
{
    (void)state;
    struct nki_pulls pulls = {.head = 0};
    nki_pulls_open(&pulls, 1000, 100, 0, 0);
    nki_pulls_open(&pulls, 1000, 100, 0, 0);
    nki_pulls_got(&pulls, 60);
    expect(&pulls, 2, 1999, 140);
    nki_pulls_got(&pulls, 60); /* more than the oldest was left with: the server has served the other */
    expect(&pulls, 1, 1000, 80);
    nki_pulls_got(&pulls, 80); /* just all */
    expect(&pulls, 0, 0, 0);
}

/* Of two that are served in turn one ends early: what it gives back says what had really come for it. */
static void test_give_back(void **state)
{
    (void)state;
    struct nki_pulls pulls = {.head = 0};
    uint64_t a = nki_pulls_open(&pulls, 10, 0, 0, 0);
    uint64_t b = nki_pulls_open(&pulls, 10, 0, 0, 0);
    for (int i = 0; i < 8; i++) {
        nki_pulls_got(&pulls, 1); /* four for each; here eight for the oldest */
    }
    expect(&pulls, 2, 12, 0);
    nki_pulls_give_back(&pulls, a, 6, 0);
    expect(&pulls, 1, 6, 0);
    nki_pulls_give_back(&pulls, a, 6, 0); /* it says so twice: once is enough */
    expect(&pulls, 1, 6, 0);
    nki_pulls_give_back(&pulls, b, 6, 0);
    expect(&pulls, 0, 0, 0);
    a = nki_pulls_open(&pulls, 5, 0, 0, 0);
    b = nki_pulls_open(&pulls, 5, 0, 0, 0);
    for (int i = 0; i < 5; i++) {
        nki_pulls_got(&pulls, 1);
    }
    assert_null(nki_pulls_find(&pulls, a)); /* as far as is known here */
    nki_pulls_give_back(&pulls, b, 2, 0);   /* but three of those came for the other */
    expect(&pulls, 1, 3, 0);
    assert_non_null(nki_pulls_find(&pulls, a)); /* so so many are still to come for it */
    for (int i = 0; i < 3; i++) {
        nki_pulls_got(&pulls, 1);
    }
    expect(&pulls, 0, 0, 0);
}

static void test_forget(void **state)
{
    (void)state;
    struct nki_pulls pulls = {.head = 0};
    uint64_t a = nki_pulls_open(&pulls, 5, 100, 0, 0);
    uint64_t b = nki_pulls_open(&pulls, 5, 100, 0, 0);
    nki_pulls_drop(&pulls, a);
    expect(&pulls, 1, 5, 100);
    nki_pulls_reset(&pulls);
    expect(&pulls, 0, 0, 0);
    uint64_t c = nki_pulls_open(&pulls, 7, 0, 0, 0);
    nki_pulls_give_back(&pulls, b, 5, 100); /* of before: no business of the new one */
    nki_pulls_drop(&pulls, b);
    nki_pulls_give_back(&pulls, c + 1, 5, 0); /* that never was */
    expect(&pulls, 1, 7, 0);
    assert_true(a < b && b < c);
}

static void test_full(void **state)
{
    (void)state;
    struct nki_pulls pulls = {.head = 5}; /* the ring goes round */
    for (uint32_t i = 0; i < NKI_PULLS_MAX; i++) {
        assert_false(nki_pulls_full(&pulls));
        nki_pulls_open(&pulls, 1, 0, 0, 0);
    }
    assert_true(nki_pulls_full(&pulls));
    nki_pulls_drop(&pulls, NKI_PULLS_MAX / 2); /* from the middle */
    assert_null(nki_pulls_find(&pulls, NKI_PULLS_MAX / 2));
    expect(&pulls, NKI_PULLS_MAX - 1, NKI_PULLS_MAX - 1, 0);
    for (uint32_t i = 0; i < NKI_PULLS_MAX; i++) {
        assert_true((nki_pulls_find(&pulls, i) != NULL) == (i != NKI_PULLS_MAX / 2));
    }
}

/* -- against a server that serves in turn ---------------------------------------------------------------- */

struct waiting {
    uint64_t serial;
    uint64_t left;
};

struct server {
    struct waiting queue[NKI_PULLS_MAX];
    uint32_t count;
};

static uint64_t sum(const struct server *server)
{
    uint64_t left = 0;
    for (uint32_t i = 0; i < server->count; i++) {
        left += server->queue[i].left;
    }
    return left;
}

static struct waiting take_first(struct server *server, uint32_t index)
{
    struct waiting first = server->queue[index];
    memmove(&server->queue[index], &server->queue[index + 1], (NKI_PULLS_MAX - index - 1) * sizeof first);
    server->count--;
    return first;
}

/* Sums are exact at any time; nothing is ever left open that the server does not know of. */
static void test_model(void **state)
{
    (void)state;
    struct nki_rand rand;
    nki_rand_seed(&rand, 7);
    for (int life = 0; life < 300; life++) {
        struct nki_pulls pulls = {.head = 0};
        struct server server = {.count = 0};
        for (int step = 0; step < 400; step++) {
            uint64_t dice = nki_rand_below(&rand, 10);
            if (dice == 0 && !nki_pulls_full(&pulls) && server.count < NKI_PULLS_MAX - 1) {
                uint64_t msgs = 1 + nki_rand_below(&rand, 20);
                uint64_t serial = nki_pulls_open(&pulls, msgs, 0, 0, 0);
                server.queue[server.count++] = (struct waiting){serial, msgs};
            } else if (dice == 1 && server.count > 0) { /* one ends early */
                struct waiting ended = take_first(&server, (uint32_t)nki_rand_below(&rand, server.count));
                nki_pulls_give_back(&pulls, ended.serial, ended.left, 0);
            } else if (server.count > 0) {
                struct waiting served = take_first(&server, 0);
                if (--served.left > 0) {
                    server.queue[server.count++] = served;
                }
                nki_pulls_got(&pulls, 1);
            }
            assert_int_equal(pulls.msgs, sum(&server));
            assert_true((pulls.count == 0) == (server.count == 0));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages), cmocka_unit_test(test_bytes), cmocka_unit_test(test_give_back),
        cmocka_unit_test(test_forget),   cmocka_unit_test(test_full),  cmocka_unit_test(test_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
