/* The reply router: tokens find their operation once and no other, in any order, up to the limit. */
#include "client/replies.h"

#include "../base/cmocka_all.h"
#include "../base/refuse.h"
#include "base/rand.h"

static void init(struct nki_replies *replies)
{
    struct nki_nuid nuid;
    nki_nuid_init(&nuid);
    assert_true(nki_replies_init(replies, NKI_STR("_INBOX"), &nuid));
}

static void test_found_once(void **state)
{
    (void)state;
    uint64_t before = nki_alloc_bytes();
    struct nki_replies replies;
    char subject[300];
    init(&replies);
    struct nki_op *op = nki_op_new();
    size_t len = nki_replies_add(&replies, op, subject);
    assert_true(len > replies.prefix_len && len <= replies.prefix_len + NKI_REPLIES_TOKEN_MAX);
    assert_memory_equal(subject, "_INBOX.", 7);
    assert_int_equal(replies.used, 1);
    assert_ptr_equal(nki_replies_take(&replies, nki_str_make(subject, len)), op);
    assert_int_equal(op->token, 0);
    nki_op_release(op);
    assert_null(nki_replies_take(&replies, nki_str_make(subject, len)));
    assert_int_equal(replies.late, 1);
    nki_replies_remove(&replies, op); /* not in: harmless */
    len = nki_replies_add(&replies, op, subject);
    nki_replies_remove(&replies, op);
    nki_replies_remove(&replies, op);
    assert_null(nki_replies_take(&replies, nki_str_make(subject, len)));
    assert_int_equal(replies.late, 2);
    assert_int_equal(replies.used, 0);
    nki_op_release(op);
    nki_replies_free(&replies);
    assert_int_equal(nki_alloc_bytes(), before);
}

static void test_other_subjects_find_nothing(void **state)
{
    (void)state;
    struct nki_replies replies;
    char subject[300];
    char other[320];
    init(&replies);
    struct nki_op *op = nki_op_new();
    size_t len = nki_replies_add(&replies, op, subject);
    uint64_t late = 0;
    for (size_t at = 0; at < len; at++) {
        for (int byte = 0; byte < 256; byte++) {
            memcpy(other, subject, len);
            other[at] = (char)byte;
            if (other[at] != subject[at]) {
                assert_null(nki_replies_take(&replies, nki_str_make(other, len)));
                late++;
            }
        }
        assert_null(nki_replies_take(&replies, nki_str_make(subject, at)));
        late++;
    }
    memset(other, '0', sizeof other);
    memcpy(other, subject, replies.prefix_len);
    for (size_t more = 0; more < 30; more++) {
        assert_null(nki_replies_take(&replies, nki_str_make(other, replies.prefix_len + more)));
        /* A leading zero is another writing of the same number, which nobody was given. */
        memcpy(other + replies.prefix_len + 1, subject + replies.prefix_len, len - replies.prefix_len);
    }
    assert_int_equal(replies.used, 1);
    assert_int_equal(replies.late, late + 30);
    nki_replies_remove(&replies, op);
    nki_op_release(op);
    nki_replies_free(&replies);
}

enum { OPS = 200 };

static void test_random_against_a_table(void **state)
{
    (void)state;
    uint64_t before = nki_alloc_bytes();
    struct nki_replies replies;
    struct nki_rand rand;
    struct nki_op *ops[OPS];
    char subjects[OPS][100];
    size_t lens[OPS] = {0}; /* 0: not in */
    char old[100];
    size_t old_len = 0;
    init(&replies);
    nki_rand_seed(&rand, 6);
    for (size_t i = 0; i < OPS; i++) {
        ops[i] = nki_op_new();
    }
    uint32_t in = 0;
    for (int round = 0; round < 100000; round++) {
        size_t i = (size_t)nki_rand_below(&rand, OPS);
        if (lens[i] == 0) {
            lens[i] = nki_replies_add(&replies, ops[i], subjects[i]);
            assert_true(lens[i] > 0 && lens[i] < sizeof subjects[i]);
            in++;
        } else if (nki_rand_below(&rand, 2) == 0) {
            assert_ptr_equal(nki_replies_take(&replies, nki_str_make(subjects[i], lens[i])), ops[i]);
            nki_op_release(ops[i]);
            memcpy(old, subjects[i], old_len = lens[i]);
            lens[i] = 0;
            in--;
        } else {
            nki_replies_remove(&replies, ops[i]);
            lens[i] = 0;
            in--;
        }
        assert_int_equal(replies.used, in);
        assert_null(nki_replies_take(&replies, nki_str_make(old, old_len)));
    }
    struct nki_op *op;
    uint32_t at = 0;
    while ((op = nki_replies_next(&replies, &at)) != NULL) {
        nki_replies_remove(&replies, op);
        in--;
    }
    assert_int_equal(in, 0);
    for (size_t i = 0; i < OPS; i++) {
        assert_int_equal(ops[i]->token, 0);
        nki_op_release(ops[i]);
    }
    nki_replies_free(&replies);
    assert_int_equal(nki_alloc_bytes(), before);
}

static void test_the_limit(void **state)
{
    (void)state;
    struct nki_replies replies;
    char subject[300];
    init(&replies);
    struct nki_op *op = nki_op_new(); /* one stands for all: its own token does not matter here */
    for (uint32_t i = 0; i < NKI_REPLIES_MAX; i++) {
        assert_true(nki_replies_add(&replies, op, subject) > 0);
    }
    assert_int_equal(nki_replies_add(&replies, op, subject), 0);
    assert_int_equal(replies.used, NKI_REPLIES_MAX);
    uint32_t at = 0;
    while (nki_replies_next(&replies, &at) != NULL) {
        op->token = replies.slots[at - 1].token;
        nki_replies_remove(&replies, op);
    }
    assert_int_equal(replies.used, 0);
    assert_true(nki_replies_add(&replies, op, subject) > 0);
    nki_replies_remove(&replies, op);
    nki_op_release(op);
    nki_replies_free(&replies);
}

static void test_without_memory(void **state)
{
    (void)state;
    uint64_t before = nki_alloc_bytes();
    struct nki_replies replies;
    struct nki_nuid nuid;
    struct nki_buf line = {0};
    char subject[300];
    nki_nuid_init(&nuid);
    refuse_begin(1);
    assert_false(nki_replies_init(&replies, NKI_STR("_INBOX"), &nuid));
    refuse_end();
    nki_replies_free(&replies);
    init(&replies);
    struct nki_op *ops[17];
    for (size_t i = 0; i < 17; i++) {
        ops[i] = nki_op_new();
        refuse_begin(1);
        size_t len = nki_replies_add(&replies, ops[i], subject);
        assert_int_equal(len == 0, i == 0 || i == 16); /* where the table grows */
        refuse_end();
        assert_int_equal(ops[i]->token != 0, len > 0);
        assert_true(len > 0 || nki_replies_add(&replies, ops[i], subject) > 0);
    }
    replies.sid = 5;
    refuse_begin(1);
    assert_false(nki_replies_emit_sub(&replies, &line));
    refuse_end();
    assert_true(nki_replies_emit_sub(&replies, &line));
    assert_memory_equal(line.data, "SUB _INBOX.", 11);
    assert_memory_equal(line.data + 4 + replies.prefix_len, "* 5\r\n", 5);
    assert_int_equal(line.len, 4 + replies.prefix_len + 5);
    nki_buf_free(&line);
    for (size_t i = 0; i < 17; i++) {
        nki_replies_remove(&replies, ops[i]);
        nki_op_release(ops[i]);
    }
    nki_replies_free(&replies);
    assert_int_equal(nki_alloc_bytes(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found_once),
        cmocka_unit_test(test_other_subjects_find_nothing),
        cmocka_unit_test(test_random_against_a_table),
        cmocka_unit_test(test_the_limit),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
