/* Reading several keys by an ordered consumer: see fold.h. Everything but the opening runs under the engine
 * lock.
 *
 * It delivers the last entry of each key, and then what is written meanwhile. What is replaced before its
 * turn comes in its new form alone. When nothing was written behind the last entry that has come, the last of
 * each key is what the bucket held when that was its end. So all is kept until then. */
#include "kv/fold.h"

#include "base/alloc.h"
#include "base/map.h"
#include "base/rand.h"
#include "base/sip.h"
#include "jetstream/ordered.h"
#include "kv/entry.h"
#include "wire/subject.h"

#include <stdlib.h>

#define FILTERS_MAX 256 /* a server compares each with each other */
#define HEARTBEAT_MS 5000

struct nki_kv_fold {
    struct nki_direct_other other;
    struct nki_kv *kv; /* a reference */
    bool ignore_deletes;
    struct nki_buf text;
    struct nki_str
        *subjects; /* into it; once prepared those without wildcards stand before, in their order */
    size_t count;
    size_t exact_count;
    bool sifts; /* the consumer delivers more than the subjects, what `common` matches */
    struct nki_buf common;

    struct nki_msg **msgs; /* as they have come: references */
    size_t msg_count;
    size_t cap;
};

static void clear(struct nki_kv_fold *fold)
{
    for (size_t i = 0; i < fold->msg_count; i++) {
        nki_msg_release(fold->msgs[i]);
    }
    fold->msg_count = 0;
}

static void fold_free(struct nki_kv_fold *fold)
{
    clear(fold);
    nki_free(fold->msgs);
    nki_free(fold->subjects);
    nki_buf_free(&fold->text);
    nki_buf_free(&fold->common);
    nki_kv_release(fold->kv);
    nki_free(fold);
}

/* -- what is asked for ----------------------------------------------------------------------------------- */

static bool is_wild(struct nki_str subject)
{
    return memchr(subject.ptr, '*', subject.len) != NULL || memchr(subject.ptr, '>', subject.len) != NULL;
}

/* Those without wildcards first. */
static int compare(const void *left, const void *right)
{
    const struct nki_str *a = left;
    const struct nki_str *b = right;
    int wild = (int)is_wild(*a) - (int)is_wild(*b);
    int order = memcmp(a->ptr, b->ptr, a->len < b->len ? a->len : b->len);
    return wild != 0 ? wild : order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

/* Whether a subject matches both. */
static bool collide(struct nki_str a, struct nki_str b)
{
    while (a.ptr != NULL && b.ptr != NULL) {
        struct nki_str one = nki_str_cut(&a, '.');
        struct nki_str other = nki_str_cut(&b, '.');
        if (nki_str_eq(one, NKI_STR(">")) || nki_str_eq(other, NKI_STR(">"))) {
            return true;
        }
        bool any = nki_str_eq(one, NKI_STR("*")) || nki_str_eq(other, NKI_STR("*"));
        if (!any && !nki_str_eq(one, other)) {
            return false;
        }
    }
    return a.ptr == NULL && b.ptr == NULL;
}

/* A server refuses filters that overlap. */
static bool overlap(const struct nki_kv_fold *fold)
{
    for (size_t wild = fold->exact_count; wild < fold->count; wild++) {
        for (size_t i = 0; i < wild; i++) {
            if (collide(fold->subjects[i], fold->subjects[wild])) {
                return true;
            }
        }
    }
    return false;
}

/* The tokens with which all begin, and whatever follows. */
static bool find_common(struct nki_kv_fold *fold)
{
    struct nki_str first = fold->subjects[0];
    size_t len = first.len;
    for (size_t i = 0; i < fold->count; i++) {
        struct nki_str subject = fold->subjects[i];
        size_t same = 0;
        while (same < len && same < subject.len && subject.ptr[same] == first.ptr[same] &&
               subject.ptr[same] != '*' && subject.ptr[same] != '>') {
            same++;
        }
        len = same;
    }
    while (first.ptr[len - 1] != '.') {
        len--; /* "$KV.<bucket>." all have in common */
    }
    return nki_buf_append(&fold->common, first.ptr, len) && nki_buf_append(&fold->common, ">", 1);
}

/* False if there is no memory. */
static bool prepare(struct nki_kv_fold *fold)
{
    size_t kept = 0;
    qsort(fold->subjects, fold->count, sizeof *fold->subjects, compare);
    for (size_t i = 0; i < fold->count; i++) {
        if (kept == 0 || !nki_str_eq(fold->subjects[i], fold->subjects[kept - 1])) {
            fold->exact_count += !is_wild(fold->subjects[i]);
            fold->subjects[kept++] = fold->subjects[i];
        }
    }
    fold->count = kept;
    fold->sifts = fold->count > FILTERS_MAX || overlap(fold);
    return !fold->sifts || find_common(fold);
}

static bool is_asked_for(const struct nki_kv_fold *fold, struct nki_str subject)
{
    if (!fold->sifts ||
        bsearch(&subject, fold->subjects, fold->exact_count, sizeof subject, compare) != NULL) {
        return true;
    }
    for (size_t i = fold->exact_count; i < fold->count; i++) {
        if (nki_subject_match(fold->subjects[i], subject)) {
            return true;
        }
    }
    return false;
}

/* -- what comes ------------------------------------------------------------------------------------------ */

static int32_t entry_came(void *context, struct nki_msg *msg)
{
    struct nki_kv_fold *fold = context;
    if (!is_asked_for(fold, nki_msg_subject(msg))) {
        nki_msg_release(msg);
        return NKI_OK;
    }
    if (fold->msg_count == fold->cap) {
        size_t cap = fold->cap > 0 ? fold->cap * 2 : 64;
        struct nki_msg **wider = nki_realloc(fold->msgs, cap * sizeof(struct nki_msg *));
        if (wider == NULL) {
            nki_msg_release(msg);
            return NKI_NO_MEMORY;
        }
        fold->msgs = wider;
        fold->cap = cap;
    }
    fold->msgs[fold->msg_count++] = msg;
    return NKI_OK;
}

static void rewound(void *context)
{
    clear(context);
}

/* Leaves of each key the last alone, from the end on. False if there is no memory. */
static bool leave_last(struct nki_kv_fold *fold)
{
    struct nki_map seen = {0};
    uint64_t seed[2];
    bool ok = true;
    nki_rand_system(seed, sizeof seed);
    for (size_t i = fold->msg_count; i > 0 && ok; i--) {
        struct nki_str subject = nki_msg_subject(fold->msgs[i - 1]);
        uint64_t hash = nki_sip_hash(seed, subject);
        hash += hash == 0;
        const struct nki_msg *later = nki_map_get(&seen, hash);
        if (later != NULL && nki_str_eq(nki_msg_subject(later), subject)) {
            nki_msg_release(fold->msgs[i - 1]);
            fold->msgs[i - 1] = NULL;
        } else {
            ok = nki_map_put(&seen, hash, fold->msgs[i - 1]);
        }
    }
    nki_map_free(&seen);
    return ok;
}

/* All has come. */
static int32_t done(void *context, struct nki_feed *feed)
{
    struct nki_kv_fold *fold = context;
    if (!leave_last(fold)) {
        return NKI_NO_MEMORY;
    }
    for (size_t i = 0; i < fold->msg_count; i++) {
        struct nki_msg *msg = fold->msgs[i];
        bool gone = msg != NULL && nki_kv_operation_of(nki_msg_header_block(msg)) != NKI_KV_PUT;
        if (msg == NULL || (gone && fold->ignore_deletes)) {
            nki_msg_release(msg);
            continue;
        }
        msg->kind = NKI_MSG_KV;
        nki_kv_decode_msg(fold->kv->codecs, msg);
        nki_feed_stage(feed, msg);
    }
    fold->msg_count = 0;
    return NKI_OK;
}

static void ended(void *context, struct nki_engine *engine, int32_t reason, const struct nki_error *error)
{
    (void)engine;
    (void)reason;
    (void)error;
    fold_free(context);
}

static const struct nki_ordered_sink sink = {
    .message = entry_came, .rewound = rewound, .done = done, .end = ended};

/* -- beginning ------------------------------------------------------------------------------------------- */

static struct nki_ordered_params params_of(struct nki_kv_fold *fold, struct nki_str *common)
{
    *common = nki_str_make((const char *)fold->common.data, fold->common.len);
    return (struct nki_ordered_params){
        .stream = nki_kv_stream(fold->kv),
        .filters = fold->sifts ? common : fold->subjects,
        .filter_count = fold->sifts ? 1 : fold->count,
        .deliver = NKI_DELIVER_LAST_PER_SUBJECT,
        .start_time = NKI_STR(""),
        .ends_done = true,
        .catches_up = true,
        .heartbeat_ms = HEARTBEAT_MS,
        .sink = &sink,
        .sink_context = fold,
    };
}

static struct nki_feed *make_feed(struct nki_direct_other *other, struct nki_engine *engine)
{
    struct nki_kv_fold *fold = NKI_CONTAINER_OF(other, struct nki_kv_fold, other);
    struct nki_str common;
    if (!prepare(fold)) {
        fold_free(fold);
        return NULL;
    }
    const struct nki_ordered_params params = params_of(fold, &common);
    return nki_ordered_make(fold->kv->js, engine, &params);
}

static void free_other(struct nki_direct_other *other)
{
    fold_free(NKI_CONTAINER_OF(other, struct nki_kv_fold, other));
}

struct nki_kv_fold *nki_kv_fold_new(struct nki_kv *kv, bool ignore_deletes, struct nki_buf *text,
                                    struct nki_str *subjects, size_t count)
{
    struct nki_kv_fold *fold = nki_calloc(1, sizeof *fold);
    if (fold == NULL) {
        nki_buf_free(text);
        nki_free(subjects);
        return NULL;
    }
    fold->other = (struct nki_direct_other){.make = make_feed, .free = free_other};
    fold->kv = kv;
    nki_kv_retain(kv);
    fold->ignore_deletes = ignore_deletes;
    fold->text = *text;
    *text = (struct nki_buf){0};
    fold->subjects = subjects;
    fold->count = count;
    return fold;
}

struct nki_direct_other *nki_kv_fold_other(struct nki_kv_fold *fold)
{
    return &fold->other;
}

int32_t nki_kv_fold_open(struct nki_kv_fold *fold, struct nki_sub **out, struct nki_error *err)
{
    struct nki_str common;
    if (!prepare(fold)) {
        fold_free(fold);
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    const struct nki_ordered_params params = params_of(fold, &common);
    return nki_ordered_open(fold->kv->js, &params, out, err);
}
