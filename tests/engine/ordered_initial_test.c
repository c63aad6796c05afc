/* When what a stream held at the begin has come by an ordered consumer, while it is written to: a message
 * that is replaced before its turn is not sent, one that was written since is counted in its place, and the
 * server's count of what is pending lags. The server is played by hand. One thread. */
#include "ordered_peer.h"

#include <stdio.h>
#include <string.h>

/* All that `say` gives was stored by then, and what `say_later` gives was not. */
#define MADE                                                                                                 \
    "\"created\":\"1970-01-01T00:00:00.000000001Z\",\"delivered\":{\"consumer_seq\":0,\"stream_seq\":0}"
/* Even with clocks that differ. */
#define LONG_SINCE "\"created\":\"1970-01-01T00:00:03Z\",\"delivered\":{\"consumer_seq\":0,\"stream_seq\":0}"
#define CLUSTER ",\"cluster\":{\"name\":\"C\",\"leader\":\"n1\"}"
#define ALONE ",\"cluster\":{\"leader\":\"n1\"}"

static struct peer *begin(struct nki_ordered_params params, struct nki_sub **sub, struct asked *asked)
{
    struct peer *peer = peer_new();
    params.deliver = NKI_DELIVER_LAST_PER_SUBJECT;
    open_with(peer, params, sub);
    expect_create(peer, asked, "last_per_subject");
    return peer;
}

static const struct nki_ordered_params lists = {.ends_done = true, .need = NKI_INITIAL_ALL};
static const struct nki_ordered_params watches = {.marks_done = true, .need = NKI_INITIAL_ALL};

static void say_made_as(struct peer *peer, const struct asked *asked, const char *how, int pending)
{
    char text[300];
    snprintf(text, sizeof text, "{%s,\"num_pending\":%d}", how, pending);
    say_answer(peer, asked, text);
}

/* It has not come yet: the next consumer is made, behind `last`. */
static void expect_look(struct peer *peer, struct asked *asked, int last)
{
    char policy[40];
    snprintf(policy, sizeof policy, "\"opt_start_seq\":%d,", last + 1);
    expect_next(peer, asked, policy);
}

/* It has come: the list has ended, or the watch has got its mark, behind `last`. */
static void expect_done(struct peer *peer, struct nki_sub *sub, const struct asked *asked, bool list)
{
    if (list) {
        assert_int_equal(rig_end_reason(sub), NKI_MAX_REACHED);
        expect_delete(peer, asked);
    } else {
        assert_int_equal(rig_end_reason(sub), NKI_OK);
        assert_int_equal(info_of(sub).resets, 0); /* nothing was amiss */
        assert_true(info_of(sub).initial_done);
    }
    peer_expect_none(peer);
}

/* What was there came as it was: nothing more is asked. */
static void test_nothing_replaced(void **state)
{
    (void)state;
    for (int list = 0; list < 2; list++) {
        struct nki_sub *sub;
        struct asked asked;
        struct peer *peer = begin(list ? lists : watches, &sub, &asked);
        say_made_as(peer, &asked, MADE ALONE, 2);
        say(peer, &asked, 3, 1, 1);
        assert_false(list ? rig_end_reason(sub) != NKI_OK : info_of(sub).initial_done);
        say(peer, &asked, 5, 2, 7); /* others are written meanwhile */
        expect_done(peer, sub, &asked, list);
        ordered_close(peer, sub);
    }
}

/* One that has come is written again, then one that has not. */
static void test_replaced(void **state)
{
    (void)state;
    for (int list = 0; list < 2; list++) {
        struct nki_sub *sub;
        struct asked asked;
        struct peer *peer = begin(list ? lists : watches, &sub, &asked);
        say_made_as(peer, &asked, MADE, 2);
        say(peer, &asked, 1, 1, 1);
        say_later(peer, &asked, 3, 2, 0); /* the server counts 4 as pending later */
        expect_look(peer, &asked, 3);
        say_made(peer, &asked, 3, 1);
        say_later(peer, &asked, 4, 1, 0);
        expect_done(peer, sub, &asked, list);
        ordered_take(peer, sub, "1");
        ordered_take(peer, sub, "3");
        ordered_take(peer, sub, "4");
        if (!list) {
            expect_mark(peer, sub);
            say_later(peer, &asked, 5, 2, 0);
            ordered_take(peer, sub, "5");
        }
        expect_empty(peer, sub);
        ordered_close(peer, sub);
    }
}

/* It goes on so: where the next ones do not follow one another something may have been replaced again. */
static void test_replaced_again(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    struct peer *peer = begin(lists, &sub, &asked);
    say_made_as(peer, &asked, MADE, 1);
    say_later(peer, &asked, 2, 1, 0);
    expect_look(peer, &asked, 2);
    say_made(peer, &asked, 2, 2);
    say_later(peer, &asked, 3, 1, 1);
    say_later(peer, &asked, 5, 2, 0); /* 4 was there */
    expect_look(peer, &asked, 5);
    say_made(peer, &asked, 5, 2);
    say_later(peer, &asked, 7, 1, 1);
    say_later(peer, &asked, 8, 2, 0);
    expect_look(peer, &asked, 8);
    say_made(peer, &asked, 8, 0);
    expect_done(peer, sub, &asked, true);
    ordered_close(peer, sub);
}

/* The look comes after all that was written, by the clock of the only server. */
static void test_look_tells_by_time(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    struct peer *peer = begin(lists, &sub, &asked);
    say_made_as(peer, &asked, MADE, 1);
    say_later(peer, &asked, 2, 1, 0);
    expect_look(peer, &asked, 2);
    say_made_as(peer, &asked, LONG_SINCE, 2);
    say_later(peer, &asked, 4, 1, 1);
    say_later(peer, &asked, 6, 2, 5);
    expect_done(peer, sub, &asked, true);
    ordered_close(peer, sub);
}

/* Less than there was is pending no more: it was purged, or has been replaced and is not counted yet. */
static void test_pending_lags(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    for (int more = 0; more < 2; more++) {
        struct peer *peer = begin(lists, &sub, &asked);
        say_made_as(peer, &asked, MADE, 3);
        say(peer, &asked, 1, 1, 0);
        expect_look(peer, &asked, 1);
        say_made(peer, &asked, 1, more);
        if (more > 0) {
            say_later(peer, &asked, 2, 1, 0);
        }
        expect_done(peer, sub, &asked, true);
        ordered_close(peer, sub);
    }
}

/* Messages may come before the answer, which is waited for. */
static void test_before_the_answer(void **state)
{
    (void)state;
    for (int pending = 2; pending < 5; pending++) {
        struct nki_sub *sub;
        struct asked asked;
        struct peer *peer = begin(lists, &sub, &asked);
        say(peer, &asked, 1, 1, 1);
        say(peer, &asked, 2, 2, 0);
        assert_int_equal(rig_end_reason(sub), NKI_OK);
        peer_expect_none(peer);
        if (pending == 4) { /* it was lost: another consumer */
            peer_pass(peer, 5000);
            expect_delete(peer, &asked);
            expect_create(peer, &asked, "last_per_subject");
            say_made_as(peer, &asked, MADE, 2);
            say(peer, &asked, 1, 1, 1);
            say(peer, &asked, 2, 2, 0);
        } else {
            say_made_as(peer, &asked, MADE, pending);
        }
        if (pending == 3) { /* nothing more was pending, so one of them has been replaced */
            expect_look(peer, &asked, 2);
            say_made(peer, &asked, 2, 0);
        }
        expect_done(peer, sub, &asked, true);
        ordered_take(peer, sub, "1");
        ordered_take(peer, sub, "2");
        expect_empty(peer, sub);
        ordered_close(peer, sub);
    }
}

/* Where the times tell: clocks of a cluster differ, and a mirror's messages have those of its origin. */
static void test_clocks(void **state)
{
    (void)state;
    static const struct {
        const char *how;
        bool mirror;
        bool maybe;
        bool tells;
    } rows[] = {
        {MADE, false, false, true},
        {MADE ALONE, false, false, true},
        {MADE CLUSTER, false, false, false},
        {LONG_SINCE, false, false, true},
        {LONG_SINCE CLUSTER, false, false, true},
        {LONG_SINCE, true, false, false},
        {"\"created\":\"\"", false, false, false},
        {MADE, false, true, false}, /* if it is a mirror it lags */
        {LONG_SINCE, false, true, true},
        {LONG_SINCE, true, true, false},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_sub *sub;
        struct asked asked;
        struct nki_ordered_params params = lists;
        params.mirror = rows[i].mirror;
        params.maybe_mirror = rows[i].maybe;
        struct peer *peer = begin(params, &sub, &asked);
        say_made_as(peer, &asked, rows[i].how, 1);
        say(peer, &asked, 1, 1, 0);
        if (!rows[i].tells) {
            expect_look(peer, &asked, 1);
            say_made(peer, &asked, 1, 0);
        }
        expect_done(peer, sub, &asked, true);
        ordered_close(peer, sub);
    }
}

/* The connection is lost while it looks: the mark comes once, and nothing twice. */
static void test_cut_while_it_looks(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    struct peer *peer = begin(watches, &sub, &asked);
    say_made_as(peer, &asked, MADE, 2);
    say(peer, &asked, 1, 1, 1);
    say_later(peer, &asked, 3, 2, 0);
    expect_look(peer, &asked, 3);
    peer_cut(peer);
    expect_delete(peer, &asked);
    expect_create(peer, &asked, "\"opt_start_seq\":4,");
    say_made(peer, &asked, 3, 1);
    ordered_take(peer, sub, "1");
    ordered_take(peer, sub, "3");
    expect_empty(peer, sub);
    say_later(peer, &asked, 4, 1, 0);
    ordered_take(peer, sub, "4");
    expect_mark(peer, sub);
    expect_empty(peer, sub);
    ordered_close(peer, sub);
}

/* Something was replaced in every look: it comes as what is written from now on. */
static void test_never_still(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    struct peer *peer = begin(watches, &sub, &asked);
    int looks = 0;
    int seq = 2;
    say_made_as(peer, &asked, MADE, 1);
    say_later(peer, &asked, seq, 1, 3);
    for (; !info_of(sub).initial_done; looks++) {
        assert_true(looks < 100);
        expect_look(peer, &asked, seq);
        say_made(peer, &asked, seq, 1);
        seq += 2;
        say_later(peer, &asked, seq, 1, 3);
    }
    assert_int_equal(looks, 32);
    expect_done(peer, sub, &asked, false);
    ordered_close(peer, sub);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_replaced), cmocka_unit_test(test_replaced),
        cmocka_unit_test(test_replaced_again),   cmocka_unit_test(test_look_tells_by_time),
        cmocka_unit_test(test_pending_lags),     cmocka_unit_test(test_before_the_answer),
        cmocka_unit_test(test_clocks),           cmocka_unit_test(test_cut_while_it_looks),
        cmocka_unit_test(test_never_still),
    };
    return cmocka_run_group_tests_name("engine_ordered_initial", tests, NULL, NULL);
}
