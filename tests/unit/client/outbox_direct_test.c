/* Writing from the caller's memory, and the parked right: what a publisher does beyond appending. */
#include "outbox_rig.h"

#define LARGE ((size_t)40000)

static uint64_t waiting(struct nki_outbox *outbox)
{
    uint64_t msgs;
    uint64_t bytes;
    uint64_t pending;
    nki_outbox_counts_get(outbox, &msgs, &bytes, &pending);
    return pending;
}

static void begin(struct nki_outbox *outbox, struct fake *fake, uint64_t limit)
{
    init(outbox, limit);
    fake_init(fake, SIZE_MAX, 0, SIZE_MAX);
    connect_to(outbox, fake);
    assert_true(go_live(outbox));
    assert_int_equal(drain(outbox, 1000000), NKI_OUTBOX_EMPTY);
}

static void test_nothing_is_kept(void **state)
{
    (void)state;
    struct nki_outbox outbox;
    struct fake fake;
    bool kick;
    begin(&outbox, &fake, NKI_MIB);
    for (uint64_t number = 0; number < 10; number++) {
        assert_int_equal(publish(&outbox, number, LARGE, number % 2 == 0, 0, &kick), NKI_OK);
        assert_false(kick);
        assert_int_equal(fake.seen_count, number + 1); /* in the call */
        assert_int_equal(waiting(&outbox), 0);
        assert_false(outbox.right_taken);
    }
    assert_int_equal(nki_outbox_accepted(&outbox), 10);
    assert_int_equal(nki_outbox_unconfirmed(&outbox), 10);
    end(&outbox);
    fake_free(&fake);
}

/* The socket takes a part of any size of the frame and breaks: all of it goes to the next one, once. */
static void test_cut_anywhere(void **state)
{
    (void)state;
    for (size_t part = 0; part < LARGE + 40; part += part < 30 || part > LARGE ? 1 : 997) {
        struct nki_outbox outbox;
        struct fake fake;
        struct fake next;
        bool kick;
        begin(&outbox, &fake, NKI_MIB);
        fake.left = part;
        assert_int_equal(publish(&outbox, 7, LARGE, true, 0, &kick), NKI_OK);
        bool whole = fake.seen_count == 1;
        assert_int_equal(kick, !whole);
        if (kick) {
            assert_int_equal(waiting(&outbox) > 0, true);
            assert_int_equal(drain(&outbox, 1000000), NKI_OUTBOX_BROKEN);
        }
        assert_int_equal(nki_outbox_detach(&outbox), whole);
        fake_init(&next, SIZE_MAX, 0, SIZE_MAX);
        connect_to(&outbox, &next);
        assert_true(go_live(&outbox));
        assert_int_equal(drain(&outbox, 1000000), NKI_OUTBOX_EMPTY);
        assert_int_equal(fake.seen_count + next.seen_count, 1);
        end(&outbox);
        fake_free(&fake);
        fake_free(&next);
    }
}

/* What is left of one that the socket has not taken whole goes before what is published after it. */
static void test_order_is_kept(void **state)
{
    (void)state;
    struct nki_outbox outbox;
    struct fake fake;
    bool kick;
    begin(&outbox, &fake, NKI_MIB);
    fake.most = 1000;
    assert_int_equal(publish(&outbox, 0, LARGE, false, 0, &kick), NKI_OK);
    assert_true(kick); /* ours until it is drained */
    for (uint64_t number = 1; number < 6; number++) {
        assert_int_equal(publish(&outbox, number, number % 2 == 0 ? LARGE : 10, false, 0, &kick), NKI_OK);
        assert_false(kick);
    }
    assert_int_equal(drain(&outbox, 5000), NKI_OUTBOX_EMPTY);
    assert_int_equal(fake.seen_count, 6);
    for (uint64_t number = 0; number < 6; number++) {
        assert_int_equal(fake.seen[number], number);
    }
    end(&outbox);
    fake_free(&fake);
}

/* A batch that begins with such a write and then finds the outbox full has still got the right. */
static void test_a_batch_keeps_the_right(void **state)
{
    (void)state;
    struct nki_outbox outbox;
    struct fake fake;
    begin(&outbox, &fake, 100000);
    fake.most = 10;
    uint8_t *body = body_of(0, LARGE);
    struct nki_outgoing_msg msgs[5];
    for (size_t i = 0; i < 5; i++) {
        msgs[i] = (struct nki_outgoing_msg){.subject = NKI_STR("m.0"),
                                            .data = nki_str_make((const char *)body, LARGE)};
    }
    size_t done;
    bool kick;
    assert_int_equal(nki_outbox_append(&outbox, msgs, 5, NKI_NEVER, &done, &kick), NKI_WOULD_BLOCK);
    assert_true(kick);
    assert_int_equal(done, 2);
    fake.most = SIZE_MAX;
    assert_int_equal(drain(&outbox, 1000000), NKI_OUTBOX_EMPTY);
    assert_int_equal(fake.seen_count, 2);
    free(body);
    end(&outbox);
    fake_free(&fake);
}

static void test_a_parked_right(void **state)
{
    (void)state;
    struct nki_outbox outbox;
    struct fake fake;
    bool kick;
    begin(&outbox, &fake, NKI_MIB);
    assert_false(nki_outbox_unpark(&outbox)); /* nobody parked it */
    assert_int_equal(publish(&outbox, 0, 10, false, 0, &kick), NKI_OK);
    assert_true(kick);
    nki_outbox_park(&outbox);
    /* Frames gather, until they are enough. */
    uint64_t number = 1;
    while (!kick || number == 1) {
        assert_int_equal(publish(&outbox, number++, 1000, false, 0, &kick), NKI_OK);
        assert_int_equal(kick, waiting(&outbox) >= NKI_OUTBOX_PARKED_BYTES);
    }
    assert_false(nki_outbox_unpark(&outbox)); /* it is with the publisher */
    assert_int_equal(drain(&outbox, 1000000), NKI_OUTBOX_EMPTY);
    assert_int_equal(fake.seen_count, number);

    /* A control line takes it at once, and so does a message that is written from its place. */
    assert_int_equal(publish(&outbox, number++, 10, false, 0, &kick), NKI_OK);
    nki_outbox_park(&outbox);
    assert_true(nki_outbox_control(&outbox, "PING\r\n", 6, &kick));
    assert_true(kick);
    assert_int_equal(drain(&outbox, 1000000), NKI_OUTBOX_EMPTY);
    assert_int_equal(publish(&outbox, number++, 10, false, 0, &kick), NKI_OK);
    nki_outbox_park(&outbox);
    assert_true(nki_outbox_unpark(&outbox));
    assert_int_equal(drain(&outbox, 1000000), NKI_OUTBOX_EMPTY);
    assert_int_equal(fake.seen_count, number);
    end(&outbox);
    fake_free(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_kept), cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_order_is_kept),   cmocka_unit_test(test_a_batch_keeps_the_right),
        cmocka_unit_test(test_a_parked_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
