/* The table of subscriptions: sids, what is said to a new server, what is staged when one ends. */
#include "client/subs.h"

#include "../base/cmocka_all.h"
#include "../base/refuse.h"
#include "base/rand.h"

#include <stdio.h>

static struct nki_sub *new_sub(const char *subject, const char *queue, uint64_t max)
{
    struct nki_sub_params params = {
        .subject = nki_str_z(subject), .queue = nki_str_z(queue), .limits = {10, 100000}, .max = max};
    struct nki_sub *sub = nki_sub_new(&params);
    assert_non_null(sub);
    return sub;
}

static void stage(struct nki_subs *subs, struct nki_sub *sub)
{
    nki_subs_stage(subs, sub, nki_msg_new(NULL, NKI_STR("s"), NKI_STR(""), 0, 0));
}

static void replays(struct nki_subs *subs, const char *text)
{
    struct nki_buf out = {0};
    assert_true(nki_subs_replay(subs, &out));
    assert_int_equal(out.len, strlen(text));
    assert_memory_equal(out.data, text, out.len);
    nki_buf_free(&out);
}

static struct nki_inlet_stats stats_of(struct nki_sub *sub)
{
    struct nki_inlet_stats stats;
    nki_inlet_stats_get(&sub->inlet, &stats);
    return stats;
}

static void test_replay(void **state)
{
    (void)state;
    uint64_t before = nki_alloc_bytes();
    struct nki_subs subs;
    nki_subs_init(&subs);
    struct nki_buf none = {0};
    assert_true(nki_subs_replay(&subs, &none));
    assert_int_equal(none.len, 0);
    struct nki_sub *sub = new_sub("a.*", "q", 0);
    assert_true(nki_subs_add(&subs, sub));
    assert_int_equal(sub->sid, 1);
    replays(&subs, "SUB a.* q 1\r\n");
    sub->max = 7;
    sub->arrived = 3;
    replays(&subs, "SUB a.* q 1\r\nUNSUB 1 4\r\n");
    assert_int_equal(sub->arrived_before, 3);
    nki_subs_remove(&subs, sub, NKI_UNSUBSCRIBED);
    nki_subs_remove(&subs, sub, NKI_CLOSED);
    assert_int_equal(stats_of(sub).end_reason, NKI_UNSUBSCRIBED);
    nki_subs_forget(sub);
    nki_sub_release(sub);
    sub = new_sub("b", "", 0);
    assert_true(nki_subs_add(&subs, sub));
    replays(&subs, "SUB b 2\r\n"); /* a sid is never used twice */
    nki_subs_remove(&subs, sub, NKI_CLOSED);
    nki_subs_forget(sub);
    nki_sub_release(sub);
    nki_subs_free(&subs);
    assert_int_equal(nki_alloc_bytes(), before);
}

static void test_ending_hands_over_what_is_staged(void **state)
{
    (void)state;
    uint64_t msgs = nki_msg_count();
    struct nki_subs subs;
    nki_subs_init(&subs);
    struct nki_sub *sub = new_sub("a", "", 0);
    assert_true(nki_subs_add(&subs, sub));
    stage(&subs, sub);
    stage(&subs, sub);
    assert_int_equal(stats_of(sub).received, 0);
    nki_subs_remove(&subs, sub, NKI_UNSUBSCRIBED);
    assert_true(nki_list_empty(&subs.dirty));
    assert_int_equal(stats_of(sub).received, 2);
    assert_int_equal(stats_of(sub).pending_msgs, 2);
    assert_int_equal(stats_of(sub).end_reason, NKI_UNSUBSCRIBED);
    nki_subs_forget(sub);
    nki_sub_release(sub);
    assert_int_equal(nki_msg_count(), msgs); /* what was queued went with it */
    nki_subs_free(&subs);
}

static void test_many(void **state)
{
    (void)state;
    enum { MANY = 3000 };
    uint64_t before = nki_alloc_bytes();
    struct nki_subs subs;
    struct nki_rand rand;
    static struct nki_sub *all[MANY];
    nki_subs_init(&subs);
    nki_rand_seed(&rand, 8);
    size_t live = 0;
    for (int round = 0; round < 20000; round++) {
        size_t i = (size_t)nki_rand_below(&rand, MANY);
        if (all[i] == NULL) {
            all[i] = new_sub("x", "", 0);
            assert_true(nki_subs_add(&subs, all[i]));
            live++;
        } else {
            nki_subs_remove(&subs, all[i], NKI_UNSUBSCRIBED);
            assert_null(nki_map_get(&subs.by_sid, all[i]->sid));
            nki_subs_forget(all[i]);
            nki_sub_release(all[i]);
            all[i] = NULL;
            live--;
        }
        assert_int_equal(subs.by_sid.len, live);
    }
    struct nki_buf out = {0};
    assert_true(nki_subs_replay(&subs, &out));
    size_t lines = 0;
    for (size_t i = 0; i < out.len; i++) {
        lines += out.data[i] == '\n';
    }
    assert_int_equal(lines, live);
    nki_buf_free(&out);
    for (size_t i = 0; i < MANY; i++) {
        if (all[i] != NULL) {
            assert_ptr_equal(nki_map_get(&subs.by_sid, all[i]->sid), all[i]);
            nki_subs_remove(&subs, all[i], NKI_CLOSED);
            nki_subs_forget(all[i]);
            nki_sub_release(all[i]);
        }
    }
    nki_subs_free(&subs);
    assert_int_equal(nki_alloc_bytes(), before);
}

static void test_without_memory(void **state)
{
    (void)state;
    struct nki_subs subs;
    nki_subs_init(&subs);
    struct nki_sub_params params = {.subject = NKI_STR("a"), .queue = NKI_STR(""), .limits = {1, 1}};
    refuse_begin(1);
    assert_null(nki_sub_new(&params));
    refuse_end();
    struct nki_sub *sub = nki_sub_new(&params);
    refuse_begin(1);
    assert_false(nki_subs_add(&subs, sub));
    refuse_end();
    assert_false(sub->live);
    nki_subs_remove(&subs, sub, NKI_CLOSED); /* not in: harmless */
    assert_true(nki_subs_add(&subs, sub));
    struct nki_buf out = {0};
    refuse_begin(1);
    assert_false(nki_subs_replay(&subs, &out));
    refuse_end();
    nki_subs_remove(&subs, sub, NKI_CLOSED);
    nki_subs_forget(sub);
    nki_sub_release(sub);
    nki_buf_free(&out);
    nki_subs_free(&subs);
}

static void test_events(void **state)
{
    (void)state;
    struct nki_subs subs;
    nki_subs_init(&subs);
    struct nki_sub *sub = new_sub("", "", 0);
    nki_subs_add_events(&subs, sub);
    assert_int_equal(sub->sid, 0);
    struct nki_buf out = {0};
    assert_true(nki_subs_replay(&subs, &out));
    assert_int_equal(out.len, 0);
    nki_subs_remove(&subs, sub, NKI_CLOSED);
    assert_true(nki_list_empty(&subs.events));
    assert_int_equal(stats_of(sub).end_reason, NKI_CLOSED);
    nki_subs_forget(sub);
    nki_sub_release(sub);
    nki_subs_free(&subs);
}

/* The one found last is remembered, but not beyond its end. */
static void test_found_by_sid(void **state)
{
    (void)state;
    struct nki_subs subs;
    nki_subs_init(&subs);
    struct nki_sub *one = new_sub("one", "", 0);
    struct nki_sub *two = new_sub("two", "", 0);
    assert_null(nki_subs_get(&subs, 1));
    assert_true(nki_subs_add(&subs, one));
    assert_true(nki_subs_add(&subs, two));
    assert_ptr_equal(nki_subs_get(&subs, 1), one);
    assert_ptr_equal(nki_subs_get(&subs, 1), one);
    assert_ptr_equal(nki_subs_get(&subs, 2), two);
    assert_null(nki_subs_get(&subs, 3));
    assert_ptr_equal(nki_subs_get(&subs, 2), two);
    nki_subs_remove(&subs, one, NKI_UNSUBSCRIBED); /* another than the last one */
    assert_ptr_equal(nki_subs_get(&subs, 2), two);
    assert_null(nki_subs_get(&subs, 1));
    assert_ptr_equal(nki_subs_get(&subs, 2), two);
    nki_subs_remove(&subs, two, NKI_UNSUBSCRIBED);
    assert_null(nki_subs_get(&subs, 2));
    nki_subs_forget(one);
    nki_subs_forget(two);
    nki_sub_release(one);
    nki_sub_release(two);
    nki_subs_free(&subs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found_by_sid),
        cmocka_unit_test(test_replay),
        cmocka_unit_test(test_ending_hands_over_what_is_staged),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
