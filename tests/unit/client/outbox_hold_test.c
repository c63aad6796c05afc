/* An outbox that is held: what was accepted before goes out, control lines ahead of the rest do, and the rest
 * stays for the next transport, or for this one once it is released. */
#include "outbox_rig.h"

#include "base/rand.h"

struct life {
    struct nki_outbox outbox;
    struct fake fake;
    struct nki_rand rand;
    uint64_t number; /* of the next message */
    bool right;
};

static uint64_t below(struct life *life, uint64_t limit)
{
    return nki_rand_below(&life->rand, limit);
}

static void took(struct life *life, bool kick)
{
    assert_false(kick && life->right);
    life->right = life->right || kick;
}

static void begin(struct life *life)
{
    fake_init(&life->fake, below(life, 2) == 0 ? 1000000 : 1 + below(life, 20000),
              below(life, 3) == 0 ? 3 : 0, SIZE_MAX);
    connect_to(&life->outbox, &life->fake);
    took(life, go_live(&life->outbox));
}

/* Some of them are large enough to be written from their place. */
static void publish_some(struct life *life)
{
    for (uint64_t count = below(life, 12); count > 0; count--) {
        bool kick;
        size_t len = (size_t)below(life, below(life, 4) == 0 ? 70000 : 200);
        assert_int_equal(publish(&life->outbox, life->number++, len, below(life, 2) == 0, 0, &kick), NKI_OK);
        took(life, kick);
        if (life->right && below(life, 3) == 0) {
            enum nki_outbox_result result = nki_outbox_transmit(&life->outbox, 1 + below(life, 5000));
            life->right = result == NKI_OUTBOX_MORE || result == NKI_OUTBOX_AGAIN;
        }
    }
}

static void write_all(struct life *life)
{
    if (life->right) {
        drain(&life->outbox, 100000);
        life->right = false;
    }
}

static void saw_all_from(const struct life *life, uint64_t first, uint64_t end)
{
    assert_int_equal(life->fake.seen_count, end - first);
    for (uint64_t i = first; i < end; i++) {
        assert_int_equal(life->fake.seen[i - first], i);
    }
}

/* Returns the number of the first message that is held. */
static uint64_t hold(struct life *life)
{
    publish_some(life);
    uint64_t held = life->number;
    assert_int_equal(nki_outbox_hold(&life->outbox), held);
    publish_some(life);
    return held;
}

static void say_ahead(struct life *life)
{
    bool kick;
    assert_true(nki_outbox_ahead(&life->outbox, "PING\r\nPING\r\n", 12, &kick));
    took(life, kick);
    publish_some(life);
}

static void test_the_next_transport_gets_the_rest(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct life life = {.number = 0};
        nki_rand_seed(&life.rand, seed);
        init(&life.outbox, 64 * NKI_MIB);
        begin(&life);
        uint64_t held = hold(&life);
        bool ahead = below(&life, 3) > 0;
        if (ahead) {
            say_ahead(&life);
        }
        write_all(&life);
        saw_all_from(&life, 0, held);
        assert_int_equal(life.fake.ops[TS_OP_PING], ahead ? 3 : 1);
        nki_outbox_confirm(&life.outbox, held);
        assert_int_equal(nki_outbox_detach(&life.outbox), 0);
        fake_free(&life.fake);
        publish_some(&life);
        begin(&life);
        publish_some(&life);
        write_all(&life);
        saw_all_from(&life, held, life.number);
        assert_int_equal(life.fake.ops[TS_OP_PING], 1);
        end(&life.outbox);
        fake_free(&life.fake);
    }
}

static void test_released(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct life life = {.number = 0};
        bool kick;
        nki_rand_seed(&life.rand, seed);
        init(&life.outbox, 64 * NKI_MIB);
        begin(&life);
        for (int i = 0; i < 3; i++) {
            hold(&life);
            if (below(&life, 2) == 0) {
                say_ahead(&life);
            }
            if (below(&life, 2) == 0) {
                write_all(&life);
            }
            nki_outbox_release(&life.outbox, &kick);
            took(&life, kick);
        }
        write_all(&life);
        saw_all_from(&life, 0, life.number);
        assert_int_equal(life.outbox.bytes, 0);
        end(&life.outbox);
        fake_free(&life.fake);
    }
}

/* The transport is cut anywhere while all is held: what was not wholly written comes to the next one. */
static void test_cut_while_held(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct life life = {.number = 0};
        nki_rand_seed(&life.rand, seed);
        init(&life.outbox, 64 * NKI_MIB);
        begin(&life);
        life.fake.left = below(&life, 300000);
        hold(&life);
        say_ahead(&life);
        write_all(&life);
        uint64_t arrived = life.fake.seen_count;
        nki_outbox_detach(&life.outbox);
        fake_free(&life.fake);
        begin(&life);
        write_all(&life);
        saw_all_from(&life, arrived, life.number);
        end(&life.outbox);
        fake_free(&life.fake);
    }
}

/* What waits until all is written waits for what is held, too. */
static void test_written_waits_for_what_is_held(void **state)
{
    (void)state;
    struct life life = {.number = 0};
    bool kick;
    init(&life.outbox, NKI_MIB);
    fake_init(&life.fake, 1000000, 0, SIZE_MAX);
    connect_to(&life.outbox, &life.fake);
    life.right = go_live(&life.outbox);
    struct nki_op *before = nki_op_new();
    struct nki_op *after = nki_op_new();
    assert_int_equal(publish(&life.outbox, 0, 10, false, 0, &kick), NKI_OK);
    nki_outbox_written(&life.outbox, before);
    nki_outbox_hold(&life.outbox);
    assert_int_equal(publish(&life.outbox, 1, 10, false, 0, &kick), NKI_OK);
    nki_outbox_written(&life.outbox, after);
    write_all(&life);
    assert_int_equal(nki_op_result(before, NULL, NULL), NKI_OK);
    assert_true(nki_outbox_ahead(&life.outbox, "PING\r\n", 6, &life.right));
    write_all(&life);
    assert_int_equal(nki_op_result(after, NULL, NULL), NKI_PENDING);
    nki_outbox_release(&life.outbox, &life.right);
    write_all(&life);
    assert_int_equal(nki_op_result(after, NULL, NULL), NKI_OK);
    nki_op_release(before);
    nki_op_release(after);
    end(&life.outbox);
    fake_free(&life.fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_next_transport_gets_the_rest),
        cmocka_unit_test(test_released),
        cmocka_unit_test(test_cut_while_held),
        cmocka_unit_test(test_written_waits_for_what_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
