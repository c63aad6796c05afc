/* An outbox whose next server takes less: what is too large is taken out, wherever it lies, and the numbers
 * of the others stay right: what is confirmed, in doubt, written, and told to those who wait for it. Against
 * a model, at random. */
#include "outbox_rig.h"

#include "base/rand.h"
#include "client/outbox_inside.h"
#include "wire/emit.h"

enum place { WAITS, WRITTEN, GONE };

struct model {
    struct nki_outbox outbox;
    struct fake fake;
    struct nki_rand rand;
    bool right;
    uint64_t count;     /* messages so far; of each: */
    size_t sizes[4096]; /* bytes, */
    bool headers[4096];
    enum place places[4096];
    uint64_t seen; /* of fake.seen, already in `places` */
};

static uint64_t below(struct model *model, uint64_t limit)
{
    return nki_rand_below(&model->rand, limit);
}

static void took(struct model *model, bool kick)
{
    assert_false(kick && model->right);
    model->right = model->right || kick;
}

/* What the socket has taken as a whole was written, and each message comes once and in order. */
static void look(struct model *model)
{
    for (; model->seen < model->fake.seen_count; model->seen++) {
        uint64_t number = model->fake.seen[model->seen];
        assert_int_equal(model->places[number], WAITS);
        for (uint64_t i = 0; i < number; i++) {
            assert_int_not_equal(model->places[i], WAITS);
        }
        model->places[number] = WRITTEN;
    }
}

static void publish_some(struct model *model)
{
    for (uint64_t left = below(model, 12); left > 0 && model->count < NKI_ARRAY_LEN(model->sizes); left--) {
        uint64_t number = model->count;
        bool kick;
        model->sizes[number] = (size_t)below(model, below(model, 6) == 0 ? 70000 : 300);
        model->headers[number] = below(model, 2) == 0;
        int32_t status =
            publish(&model->outbox, number, model->sizes[number], model->headers[number], 0, &kick);
        took(model, kick);
        if (status == NKI_OK) {
            model->places[model->count++] = WAITS;
        } else {
            assert_true(status == NKI_TOO_LARGE || status == NKI_NO_HEADERS);
        }
    }
    look(model);
}

static void write_some(struct model *model)
{
    if (model->right) {
        enum nki_outbox_result result = nki_outbox_transmit(&model->outbox, 1 + below(model, 100000));
        model->right = result == NKI_OUTBOX_MORE || result == NKI_OUTBOX_AGAIN;
    }
    look(model);
}

/* Whether the first message that waits is at the socket in part. */
static bool is_begun(const struct nki_outbox *outbox)
{
    enum nki_out_kind kind = NKI_OUT_OTHER;
    size_t at = 0;
    size_t len = 0;
    if (outbox->head == NULL) {
        return false;
    }
    for (; at < outbox->head->sent; at += len) {
        len = nki_emit_frame_len(nki_outbox_segment_data(outbox->head) + at, outbox->head->len - at, &kind);
    }
    return at > outbox->head->sent && kind == NKI_OUT_PUB;
}

static void fit(struct model *model)
{
    struct nki_buf lines = {0};
    struct nki_emit_pub_line line;
    uint64_t max = below(model, 4) == 0 ? below(model, 300) : below(model, 80000);
    bool headers = below(model, 3) > 0;
    uint64_t before = model->outbox.bytes;
    bool in_part = is_begun(&model->outbox);
    bool all_stay = model->outbox.live && model->outbox.begun;
    assert_true(nki_outbox_fit(&model->outbox, max, headers, &lines));
    size_t at = 0;
    for (uint64_t i = 0; i < model->count; i++) {
        uint64_t body = model->sizes[i] + (model->headers[i] ? sizeof header - 1 : 0);
        bool misfit = body > max || (model->headers[i] && !headers);
        char subject[40];
        snprintf(subject, sizeof subject, "m.%llu", (unsigned long long)i);
        if (model->places[i] != WAITS) {
            continue;
        }
        if (!misfit || in_part || all_stay) {
            in_part = false;
            continue;
        }
        assert_true(at < lines.len);
        nki_emit_read_pub(lines.data + at, lines.len - at, &line);
        assert_true(nki_str_eq(line.subject, nki_str_z(subject)));
        assert_true(nki_str_eq(line.reply, nki_str_z(model->headers[i] ? "re.ply" : "")));
        assert_int_equal(line.body_len, body);
        assert_int_equal(line.header_len, model->headers[i] ? sizeof header - 1 : 0);
        at += line.len;
        model->places[i] = GONE;
    }
    assert_int_equal(at, lines.len);
    assert_true(lines.len > 0 ? model->outbox.bytes < before : model->outbox.bytes == before);
    nki_buf_free(&lines);
}

static uint64_t count_of(const struct model *model, uint64_t from, enum place place)
{
    uint64_t count = 0;
    for (uint64_t i = from; i < model->count; i++) {
        count += model->places[i] == place;
    }
    return count;
}

static void cut(struct model *model, uint64_t *confirmed)
{
    uint64_t in_doubt = count_of(model, *confirmed, WRITTEN);
    uint64_t first = 0; /* that waits */
    while (first < model->count && model->places[first] != WAITS) {
        first++;
    }
    assert_int_equal(nki_outbox_unconfirmed(&model->outbox), in_doubt + count_of(model, 0, WAITS));
    assert_int_equal(nki_outbox_detach(&model->outbox), in_doubt);
    assert_int_equal(nki_outbox_confirmed(&model->outbox), first);
    *confirmed = first;
    if (model->right) { /* to be given back */
        assert_int_equal(nki_outbox_transmit(&model->outbox, 1), NKI_OUTBOX_EMPTY);
        model->right = false;
    }
    ts_oracle_free(model->fake.oracle);
}

static void connect_next(struct model *model)
{
    fake_init(&model->fake, below(model, 2) == 0 ? 1000000 : 1 + below(model, 20000),
              below(model, 3) == 0 ? 3 : 0, SIZE_MAX);
    model->seen = 0;
    connect_to(&model->outbox, &model->fake);
    if (below(model, 4) > 0) {
        fit(model);
    }
    took(model, go_live(&model->outbox));
}

static void test_at_random(void **state)
{
    (void)state;
    struct model *model = ts_alloc(sizeof *model);
    for (uint64_t seed = 0; seed < 200; seed++) {
        memset(model, 0, sizeof *model);
        nki_rand_seed(&model->rand, seed);
        init(&model->outbox, 64 * NKI_MIB);
        uint64_t confirmed = 0;
        connect_next(model);
        for (int step = 0; step < 40; step++) {
            publish_some(model);
            write_some(model);
            uint64_t what = below(model, 8);
            if (what == 0) {
                cut(model, &confirmed);
                publish_some(model);
                connect_next(model);
            } else if (what == 1) {
                fit(model);
            } else if (what == 2 && count_of(model, 0, WAITS) == 0) {
                nki_outbox_confirm(&model->outbox, model->count);
                confirmed = model->count;
            }
        }
        cut(model, &confirmed);
        assert_int_equal(nki_outbox_close(&model->outbox), count_of(model, 0, WAITS));
        nki_outbox_destroy(&model->outbox);
        nki_outbox_release_cache();
    }
    free(model);
}

/* Who waits until all before is written is told when what is left of it is. */
static void test_written(void **state)
{
    (void)state;
    struct nki_outbox outbox;
    struct fake fake;
    struct nki_buf lines = {0};
    bool kick;
    init(&outbox, NKI_MIB);
    assert_int_equal(publish(&outbox, 0, 10, false, 0, &kick), NKI_OK);
    assert_int_equal(publish(&outbox, 1, 1000, false, 0, &kick), NKI_OK);
    struct nki_op *small = nki_op_new();
    struct nki_op *all = nki_op_new();
    nki_outbox_written(&outbox, small);
    assert_int_equal(publish(&outbox, 2, 1000, false, 0, &kick), NKI_OK);
    nki_outbox_written(&outbox, all);
    fake_init(&fake, SIZE_MAX, 0, SIZE_MAX);
    connect_to(&outbox, &fake);
    assert_true(nki_outbox_fit(&outbox, 100, true, &lines));
    assert_int_equal(nki_op_result(small, NULL, NULL), NKI_PENDING);
    assert_int_equal(nki_op_result(all, NULL, NULL), NKI_PENDING);
    assert_true(go_live(&outbox));
    assert_int_equal(drain(&outbox, 1000000), NKI_OUTBOX_EMPTY);
    assert_int_equal(nki_op_result(small, NULL, NULL), NKI_OK);
    assert_int_equal(nki_op_result(all, NULL, NULL), NKI_OK);
    assert_int_equal(fake.seen_count, 1);
    nki_op_release(small);
    nki_op_release(all);
    nki_buf_free(&lines);
    end(&outbox);
    fake_free(&fake);
}

/* A stream that encrypts or masks holds the begin of what it did not accept, and is given the same bytes
 * again. */
static void test_begun(void **state)
{
    (void)state;
    struct nki_outbox outbox;
    struct fake fake;
    struct nki_buf lines = {0};
    bool kick;
    init(&outbox, NKI_MIB);
    fake_init(&fake, 20, 0, SIZE_MAX); /* takes a part of the first frame */
    connect_to(&outbox, &fake);
    nki_outbox_attach(&outbox, "", 0, &kick);
    assert_int_equal(publish(&outbox, 0, 10, false, 0, &kick), NKI_OK);
    assert_int_equal(publish(&outbox, 1, 1000, false, 0, &kick), NKI_OK);
    assert_int_equal(publish(&outbox, 2, 10, false, 0, &kick), NKI_OK);
    fake.stream.begun = true;
    assert_int_equal(nki_outbox_transmit(&outbox, 1000000), NKI_OUTBOX_AGAIN);
    assert_true(nki_outbox_fit(&outbox, 100, true, &lines));
    assert_int_equal(lines.len, 0);
    fake.stream.begun = false;
    assert_int_equal(publish(&outbox, 3, 1000, false, 0, &kick), NKI_TOO_LARGE);
    assert_int_equal(drain(&outbox, 1000000), NKI_OUTBOX_EMPTY);
    assert_int_equal(fake.seen_count, 3);
    nki_buf_free(&lines);
    end(&outbox);
    fake_free(&fake);
}

/* The same of a message that was written from its place. */
static void test_begun_directly(void **state)
{
    (void)state;
    struct nki_outbox outbox;
    struct fake fake;
    struct nki_buf lines = {0};
    bool kick;
    init(&outbox, NKI_MIB);
    fake_init(&fake, SIZE_MAX, 0, SIZE_MAX);
    connect_to(&outbox, &fake);
    assert_true(go_live(&outbox));
    assert_int_equal(drain(&outbox, 1000000), NKI_OUTBOX_EMPTY);
    unsigned calls = fake.calls;
    fake.again = 1; /* takes nothing */
    fake.stream.begun = true;
    assert_int_equal(publish(&outbox, 0, 40000, false, 0, &kick), NKI_OK);
    assert_int_equal(fake.calls, calls + 1);
    assert_true(kick);
    assert_true(nki_outbox_fit(&outbox, 100, true, &lines));
    assert_int_equal(lines.len, 0);
    fake.stream.begun = false;
    fake.again = 0;
    assert_int_equal(drain(&outbox, 1000000), NKI_OUTBOX_EMPTY);
    assert_int_equal(fake.seen_count, 1);
    nki_buf_free(&lines);
    end(&outbox);
    fake_free(&fake);
}

/* What is held stays so when all that was not is taken out. */
static void test_held(void **state)
{
    (void)state;
    struct nki_outbox outbox;
    struct fake fake;
    struct nki_buf lines = {0};
    bool kick;
    init(&outbox, NKI_MIB);
    fake_init(&fake, SIZE_MAX, 0, SIZE_MAX);
    connect_to(&outbox, &fake);
    nki_outbox_attach(&outbox, "", 0, &kick);
    assert_int_equal(publish(&outbox, 0, 1000, false, 0, &kick), NKI_OK);
    assert_true(kick);
    assert_int_equal(nki_outbox_hold(&outbox), 1);
    assert_int_equal(publish(&outbox, 1, 10, false, 0, &kick), NKI_OK);
    assert_true(nki_outbox_fit(&outbox, 100, true, &lines));
    assert_int_equal(drain(&outbox, 1000000), NKI_OUTBOX_EMPTY);
    assert_int_equal(fake.seen_count, 0);
    nki_outbox_release(&outbox, &kick);
    assert_true(kick);
    assert_int_equal(drain(&outbox, 1000000), NKI_OUTBOX_EMPTY);
    assert_int_equal(fake.seen_count, 1);
    assert_int_equal(fake.seen[0], 1);
    nki_buf_free(&lines);
    end(&outbox);
    fake_free(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_at_random),      cmocka_unit_test(test_written), cmocka_unit_test(test_begun),
        cmocka_unit_test(test_begun_directly), cmocka_unit_test(test_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
