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

/* Behind what waits it is appended; once that is written the next one is not. */
static void test_behind_others(void **state)
{
    (void)state;
    struct nki_outbox outbox;
    struct fake fake;
    bool kick;
    begin(&outbox, &fake, NKI_MIB);
    assert_int_equal(publish(&outbox, 0, 10, false, 0, &kick), NKI_OK);
    assert_true(kick);
    assert_int_equal(publish(&outbox, 1, LARGE, false, 0, &kick), NKI_OK);
    assert_false(kick);
    assert_int_equal(fake.seen_count, 0);
    assert_true(waiting(&outbox) > LARGE);
    assert_int_equal(drain(&outbox, 1000000), NKI_OUTBOX_EMPTY);
    assert_int_equal(fake.seen_count, 2);
    assert_int_equal(publish(&outbox, 2, LARGE, false, 0, &kick), NKI_OK);
    assert_false(kick);
    assert_int_equal(fake.seen_count, 3);
    assert_int_equal(waiting(&outbox), 0);
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
    assert_true(nki_outbox_park(&outbox));
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
    assert_true(nki_outbox_park(&outbox));
    assert_true(nki_outbox_control(&outbox, "PING\r\n", 6, &kick));
    assert_true(kick);
    assert_int_equal(drain(&outbox, 1000000), NKI_OUTBOX_EMPTY);
    assert_int_equal(publish(&outbox, number++, 10, false, 0, &kick), NKI_OK);
    assert_true(nki_outbox_park(&outbox));
    assert_true(nki_outbox_unpark(&outbox));
    assert_int_equal(drain(&outbox, 1000000), NKI_OUTBOX_EMPTY);
    assert_int_equal(fake.seen_count, number);
    end(&outbox);
    fake_free(&fake);
}

/* What other threads do while one writes. */
struct others {
    struct nki_outbox *outbox;
    uint64_t number;
    int msgs;
    size_t len;
    bool hurry;
    bool ping;
    struct nki_op *room; /* or NULL */
};

static void others_publish(void *arg)
{
    struct others *others = arg;
    bool kick;
    for (int i = 0; i < others->msgs; i++) {
        assert_int_equal(publish(others->outbox, others->number++, others->len, false, 0, &kick), NKI_OK);
        assert_false(kick);
    }
    if (others->hurry) {
        assert_false(nki_outbox_hurry(others->outbox)); /* it is not parked */
    }
    if (others->ping) {
        assert_true(nki_outbox_control(others->outbox, "PING\r\n", 6, &kick));
        assert_false(kick);
    }
    if (others->room != NULL) {
        nki_outbox_room(others->outbox, others->room, 2 * NKI_MIB);
    }
    others->msgs = 0;
    others->room = NULL;
    others->hurry = others->ping = false;
}

/* One write during which others do their part; returns how it ended, and what is left is written then. */
static enum nki_outbox_result write_beside(struct others others, uint64_t *number)
{
    struct nki_outbox *outbox = others.outbox;
    struct fake *fake = NKI_CONTAINER_OF(outbox->stream, struct fake, stream);
    bool kick;
    assert_int_equal(publish(outbox, (*number)++, 10, false, 0, &kick), NKI_OK);
    assert_true(kick);
    others.number = *number;
    fake->during = others_publish;
    fake->arg = &others;
    enum nki_outbox_result result = nki_outbox_transmit_stream(outbox, 1);
    fake->during = NULL;
    *number = others.number;
    assert_int_equal(outbox->parked, result == NKI_OUTBOX_PARKED);
    if (result == NKI_OUTBOX_PARKED) {
        assert_true(nki_outbox_hurry(outbox));
    }
    if (result != NKI_OUTBOX_EMPTY) {
        assert_int_equal(drain(outbox, 1000000), NKI_OUTBOX_EMPTY);
    }
    assert_int_equal(fake->seen_count, *number);
    return result;
}

static void test_a_writer_does_not_chase_a_stream(void **state)
{
    (void)state;
    struct nki_outbox outbox;
    struct fake fake;
    uint64_t number = 0;
    begin(&outbox, &fake, 4 * NKI_MIB);
    struct others stream = {.outbox = &outbox, .msgs = 8, .len = 10};
    struct others few = stream;
    struct others hurried = stream;
    struct others with_ping = stream;
    struct others much = stream;
    few.msgs = 7;
    hurried.hurry = true;
    with_ping.ping = true;
    much.len = NKI_OUTBOX_PARKED_BYTES / 8;
    assert_int_equal(write_beside(stream, &number), NKI_OUTBOX_PARKED);
    assert_int_equal(write_beside(few, &number), NKI_OUTBOX_MORE);
    assert_int_equal(write_beside(hurried, &number), NKI_OUTBOX_MORE);
    assert_int_equal(write_beside(with_ping, &number), NKI_OUTBOX_MORE);
    assert_int_equal(write_beside(much, &number), NKI_OUTBOX_MORE);
    assert_int_equal(write_beside(stream, &number), NKI_OUTBOX_PARKED); /* nothing of it is left over */
    end(&outbox);
    fake_free(&fake);
}

/* Who waits for room is not to wait for a parked right. */
static void test_waiting_for_room_forbids_parking(void **state)
{
    (void)state;
    struct nki_outbox outbox;
    struct fake fake;
    uint64_t number = 0;
    begin(&outbox, &fake, NKI_MIB);
    struct others stream = {.outbox = &outbox, .msgs = 8, .len = 10};
    struct others with_room = stream;
    with_room.room = nki_op_new();
    assert_int_equal(write_beside(with_room, &number), NKI_OUTBOX_MORE);
    assert_int_equal(nki_op_result(with_room.room, NULL, NULL), NKI_OK);
    assert_int_equal(write_beside(stream, &number), NKI_OUTBOX_PARKED);
    nki_op_release(with_room.room);
    end(&outbox);
    fake_free(&fake);
}

/* Who looks from time to time takes only what nobody has touched since the last look. */
static void test_a_right_that_is_parked_for_long(void **state)
{
    (void)state;
    struct nki_outbox outbox;
    struct fake fake;
    bool kick;
    bool moves;
    uint32_t seen = 0;
    begin(&outbox, &fake, NKI_MIB);
    assert_false(nki_outbox_unpark_old(&outbox, &seen, &moves));
    assert_false(moves);
    for (uint64_t number = 0; number < 3; number++) {
        assert_int_equal(publish(&outbox, number, 10, false, 0, &kick), NKI_OK);
        assert_true(kick);
        assert_true(nki_outbox_park(&outbox));
        assert_false(nki_outbox_unpark_old(&outbox, &seen, &moves));
        assert_true(moves);
        if (number == 2) {
            break;
        }
        assert_true(nki_outbox_hurry(&outbox)); /* somebody else is faster */
        assert_int_equal(drain(&outbox, 1000), NKI_OUTBOX_EMPTY);
    }
    assert_true(nki_outbox_unpark_old(&outbox, &seen, &moves));
    assert_false(moves);
    assert_false(nki_outbox_unpark_old(&outbox, &seen, &moves)); /* it is ours */
    assert_int_equal(drain(&outbox, 1000), NKI_OUTBOX_EMPTY);
    end(&outbox);
    fake_free(&fake);
}

/* A publisher that finds no room does not wait for somebody to take a right that is parked. */
static void test_no_room_takes_a_parked_right(void **state)
{
    (void)state;
    struct nki_outbox outbox;
    struct fake fake;
    bool kick;
    begin(&outbox, &fake, 1000);
    assert_int_equal(publish(&outbox, 0, 900, false, 0, &kick), NKI_OK);
    assert_true(kick);
    assert_true(nki_outbox_park(&outbox));
    assert_int_equal(publish(&outbox, 1, 900, false, NKI_NEVER, &kick), NKI_WOULD_BLOCK);
    assert_true(kick);
    assert_int_equal(drain(&outbox, 1000000), NKI_OUTBOX_EMPTY);
    assert_int_equal(publish(&outbox, 1, 900, false, 0, &kick), NKI_OK);
    assert_int_equal(drain(&outbox, 1000000), NKI_OUTBOX_EMPTY);
    assert_int_equal(fake.seen_count, 2);
    end(&outbox);
    fake_free(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_kept),
        cmocka_unit_test(test_behind_others),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_order_is_kept),
        cmocka_unit_test(test_a_batch_keeps_the_right),
        cmocka_unit_test(test_a_parked_right),
        cmocka_unit_test(test_a_writer_does_not_chase_a_stream),
        cmocka_unit_test(test_waiting_for_room_forbids_parking),
        cmocka_unit_test(test_a_right_that_is_parked_for_long),
        cmocka_unit_test(test_no_room_takes_a_parked_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
