/* The pair in memory: bytes in order through small rings, full and empty, ends, and lack of memory. */
#include "net/pair.h"

#include "../base/cmocka_all.h"
#include "../base/refuse.h"
#include "base/rand.h"

#include <errno.h>

static ptrdiff_t put(struct nki_stream *stream, const void *data, size_t len)
{
    struct iovec iov = {(void *)(uintptr_t)data, len};
    return nki_stream_write(stream, &iov, 1);
}

static ptrdiff_t get(struct nki_stream *stream, void *out, size_t cap)
{
    struct iovec iov = {out, cap};
    return nki_stream_read(stream, &iov, 1);
}

static void test_full_and_empty(void **state)
{
    (void)state;
    struct nki_stream *a, *b;
    char out[16];
    assert_true(nki_pair_new(4, &a, &b));
    assert_int_equal(a->fd, -1);
    assert_int_equal(get(a, out, sizeof out), NKI_STREAM_AGAIN);
    assert_int_equal(put(a, "abcdef", 6), 4);
    assert_int_equal(put(a, "ef", 2), NKI_STREAM_AGAIN);
    assert_int_equal(get(a, out, sizeof out), NKI_STREAM_AGAIN); /* the other direction */
    assert_int_equal(get(b, out, 3), 3);
    assert_memory_equal(out, "abc", 3);
    assert_int_equal(put(a, "efgh", 4), 3); /* wraps around */
    assert_int_equal(get(b, out, sizeof out), 4);
    assert_memory_equal(out, "defg", 4);
    assert_int_equal(get(b, out, sizeof out), NKI_STREAM_AGAIN);
    nki_stream_free(a);
    nki_stream_free(b);
    nki_stream_free(NULL);
}

static void test_bytes_arrive_in_order(void **state)
{
    (void)state;
    struct nki_rand rand;
    nki_rand_seed(&rand, 10);
    for (size_t cap = 1; cap <= 17; cap += 4) {
        struct nki_stream *ends[2];
        uint8_t sent[2] = {0, 0};
        uint8_t seen[2] = {0, 0};
        size_t moved = 0;
        assert_true(nki_pair_new(cap, &ends[0], &ends[1]));
        for (int round = 0; round < 20000; round++) {
            size_t from = (size_t)nki_rand_below(&rand, 2);
            uint8_t bytes[3][9];
            struct iovec iov[3];
            for (size_t i = 0; i < 3; i++) {
                iov[i] = (struct iovec){bytes[i], (size_t)nki_rand_below(&rand, 10)};
            }
            if (nki_rand_below(&rand, 2) == 0) {
                uint8_t next = sent[from];
                for (size_t i = 0; i < 3; i++) {
                    for (size_t j = 0; j < iov[i].iov_len; j++) {
                        bytes[i][j] = next++;
                    }
                }
                ptrdiff_t n = nki_stream_write(ends[from], iov, 3);
                assert_true(n >= 0);
                sent[from] = (uint8_t)(sent[from] + n);
            } else {
                ptrdiff_t n = nki_stream_read(ends[1 - from], iov, 3);
                assert_true(n >= 0);
                moved += (size_t)n;
                for (size_t i = 0; i < 3 && n > 0; i++) {
                    for (size_t j = 0; j < iov[i].iov_len && n > 0; j++, n--) {
                        assert_int_equal(bytes[i][j], seen[from]++);
                    }
                }
            }
        }
        assert_true(moved > 5000);
        nki_stream_free(ends[0]);
        nki_stream_free(ends[1]);
    }
}

static void end_by_shutdown(struct nki_stream *stream)
{
    nki_stream_shutdown(stream);
    nki_stream_shutdown(stream);
}

static void test_end_is_told_behind_the_last_byte(void **state)
{
    (void)state;
    for (int by_free = 0; by_free < 2; by_free++) {
        struct nki_stream *a, *b;
        char out[8];
        assert_true(nki_pair_new(8, &a, &b));
        assert_int_equal(put(a, "bye", 3), 3);
        if (by_free) {
            nki_stream_free(a);
        } else {
            end_by_shutdown(a);
        }
        assert_int_equal(put(b, "x", 1), NKI_STREAM_ERROR);
        assert_int_equal(b->sys_errno, EPIPE);
        assert_int_equal(get(b, out, sizeof out), 3);
        assert_memory_equal(out, "bye", 3);
        assert_int_equal(get(b, out, sizeof out), NKI_STREAM_EOF);
        assert_int_equal(get(b, out, sizeof out), NKI_STREAM_EOF);
        if (!by_free) {
            assert_int_equal(get(a, out, sizeof out), NKI_STREAM_EOF);
            assert_int_equal(put(a, "x", 1), NKI_STREAM_ERROR);
            nki_stream_free(a);
        }
        nki_stream_free(b);
    }
}

static void test_without_memory(void **state)
{
    (void)state;
    uint64_t before = nki_alloc_bytes();
    for (long nth = 1; refuse_begin(nth); nth++) {
        struct nki_stream *a, *b;
        if (nki_pair_new(10, &a, &b)) {
            assert_false(refuse_happened());
            nki_stream_free(b);
            nki_stream_free(a);
        }
        assert_int_equal(nki_alloc_bytes(), before);
    }
    struct nki_stream *a, *b;
    assert_false(nki_pair_new(SIZE_MAX, &a, &b));
    assert_false(nki_pair_new(SIZE_MAX / 2, &a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full_and_empty),
        cmocka_unit_test(test_bytes_arrive_in_order),
        cmocka_unit_test(test_end_is_told_behind_the_last_byte),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
