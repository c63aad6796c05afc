/* Reading objects: see get.h. The caller's thread.
 *
 * Chunks come in pages, by direct gets of several messages, so that what waits in memory is bounded by us: a
 * push consumer's window is the server's, and grows to 32 MiB. Any replica answers those, also one that lags
 * behind the leader or is not told to answer; so what they do not bring is not believed to be missing. From
 * where they end an ordered consumer goes on, which reads from the leader, and where the stream, the server
 * or the permissions allow no direct gets, reads all. */
#include "object/get.h"

#include "base/alloc.h"
#include "jetstream/bucket.h"
#include "jetstream/direct.h"
#include "jetstream/ordered.h"
#include "jetstream/stored.h"
#include "object/digest.h"
#include "object/info.h"

#include <inttypes.h>
#include <pthread.h>

#define PAGE_BYTES (8 * (uint64_t)NKI_MIB) /* the next one is asked for when half of it was taken */
#define PAGE_MSGS 4096                     /* of small chunks */
#define ANSWER_MS 2000
#define TRIES 2
#define HEARTBEAT_MS 2000

struct nki_object_get {
    atomic_uint refs;

    /* constant */
    struct nki_object_store *store; /* a reference */
    struct nki_msg *info;           /* a reference */
    struct nki_sub *pages;          /* direct gets; NULL: the object is empty */

    _Atomic(struct nki_sub *) rest; /* an ordered consumer behind what they brought; written once, with mu */
    _Atomic uint64_t given;         /* bytes; written with mu */
    atomic_bool closed;

    /* guarded by mu */
    pthread_mutex_t mu;
    struct nki_digest *digest;
    struct nki_msg *chunk; /* that is being given out, or NULL */
    size_t at;             /* in it */
    uint64_t received;
    uint64_t last_seq;    /* in the stream, of the last chunk by a direct get */
    struct nki_error end; /* what is said once all was given; status 0: more is to come */
};

static const struct nki_object_info *info_of(const struct nki_object_get *get)
{
    return nki_object_info_of(get->info);
}

static void free_get(struct nki_object_get *get)
{
    struct nki_sub *subs[] = {get->pages, atomic_load(&get->rest)};
    for (size_t i = 0; i < NKI_ARRAY_LEN(subs); i++) {
        if (subs[i] != NULL) {
            nki_sub_close(subs[i]);
            nki_sub_release(subs[i]);
        }
    }
    nki_msg_release(get->chunk);
    nki_msg_release(get->info);
    nki_digest_free(get->digest);
    nki_object_store_release(get->store);
    pthread_mutex_destroy(&get->mu);
    nki_free(get);
}

void nki_object_get_retain(struct nki_object_get *get)
{
    atomic_fetch_add_explicit(&get->refs, 1, memory_order_relaxed);
}

void nki_object_get_release(struct nki_object_get *get)
{
    if (atomic_fetch_sub_explicit(&get->refs, 1, memory_order_acq_rel) == 1) {
        free_get(get);
    }
}

struct nki_conn *nki_object_get_conn(const struct nki_object_get *get)
{
    return get->store->js->conn;
}

void nki_object_get_progress(struct nki_object_get *get, uint64_t *done, uint64_t *total)
{
    *done = atomic_load_explicit(&get->given, memory_order_relaxed);
    *total = info_of(get)->size;
}

void nki_object_get_close(struct nki_object_get *get)
{
    atomic_store(&get->closed, true);
    struct nki_sub *rest = atomic_load(&get->rest); /* else who is about to begin it sees that it is closed */
    if (get->pages != NULL) {
        nki_sub_close(get->pages);
    }
    if (rest != NULL) {
        nki_sub_close(rest);
    }
}

/* -- the end --------------------------------------------------------------------------------------------- */

static void end_with(struct nki_object_get *get, int32_t status, const char *fault)
{
    struct nki_str name = info_of(get)->name;
    int shown = name.len < 80 ? (int)name.len : 80;
    nki_error_set(&get->end, status, "object \"%.*s\": %s", shown, name.ptr, fault);
}

/* All bytes have come. */
static void verify(struct nki_object_get *get)
{
    uint8_t expected[NKI_DIGEST_BYTES];
    uint8_t digest[NKI_DIGEST_BYTES];
    if (!nki_digest_read(info_of(get)->digest, expected)) {
        end_with(get, NKI_OBJECT_CORRUPT, "its digest is none of SHA-256");
    } else if (!nki_digest_end(get->digest, digest)) {
        nki_error_set(&get->end, NKI_NO_MEMORY, NULL);
    } else if (memcmp(digest, expected, sizeof digest) != 0) {
        end_with(get, NKI_OBJECT_CORRUPT, "the digest of its content is another one");
    } else {
        nki_error_set(&get->end, NKI_END, NULL);
    }
}

/* Why there can be no more chunks. */
static void ended(struct nki_object_get *get)
{
    struct nki_error why;
    int32_t reason = nki_sub_reason(atomic_load(&get->rest), &why);
    if (reason == NKI_MAX_REACHED) {
        struct nki_str name = info_of(get)->name;
        int shown = name.len < 80 ? (int)name.len : 80;
        nki_error_set(&get->end, NKI_OBJECT_INCOMPLETE,
                      "object \"%.*s\": %" PRIu64 " of its %" PRIu64 " bytes are there", shown, name.ptr,
                      get->received, info_of(get)->size);
    } else {
        get->end = why;
        get->end.status = reason;
    }
}

/* -- reading --------------------------------------------------------------------------------------------- */

/* A chunk that has come: the last one only if all is right. Takes over the reference. */
static void take_chunk(struct nki_object_get *get, struct nki_msg *msg)
{
    struct nki_str data = nki_msg_data(msg);
    uint64_t size = info_of(get)->size;
    if (data.len > size - get->received) {
        end_with(get, NKI_OBJECT_CORRUPT, "it has more content than its size says");
    } else if (!nki_digest_add(get->digest, data.ptr, data.len)) {
        nki_error_set(&get->end, NKI_NO_MEMORY, NULL);
    } else {
        get->received += data.len;
        if (get->received == size) {
            verify(get);
        }
        if (data.len > 0 && (get->end.status == 0 || get->end.status == NKI_END)) {
            get->chunk = msg;
            get->at = 0;
            return;
        }
    }
    nki_msg_release(msg);
}

/* Appends what chunks are read by: the stream, behind it the subject. */
static bool append_names(const struct nki_object_info *info, struct nki_buf *names, size_t *stream_len)
{
    bool ok = nki_buf_append_str(names, NKI_STR(NKI_OBJECT_STREAM_PREFIX)) &&
              nki_buf_append_str(names, info->bucket);
    *stream_len = names->len;
    return ok && nki_object_append_chunk_subject(names, info->bucket, info->nuid);
}

/* The direct gets have brought what they could: the leader is asked for the rest. */
static int32_t read_rest(struct nki_object_get *get, struct nki_error *err)
{
    struct nki_buf names = {0};
    size_t len;
    struct nki_sub *sub = NULL;
    int32_t status = NKI_NO_MEMORY;
    if (append_names(info_of(get), &names, &len)) {
        struct nki_str filter = nki_str_make((const char *)names.data + len, names.len - len);
        const struct nki_ordered_params params = {
            .stream = nki_str_make((const char *)names.data, len),
            .filters = &filter,
            .filter_count = 1,
            .deliver = get->last_seq > 0 ? NKI_DELIVER_FROM_SEQ : NKI_DELIVER_ALL,
            .start_seq = get->last_seq > 0 ? get->last_seq + 1 : 0,
            .start_time = NKI_STR(""),
            .ends_done = true,
            .heartbeat_ms = HEARTBEAT_MS,
        };
        status = nki_ordered_open(get->store->js, &params, &sub, err);
    } else {
        nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    nki_buf_free(&names);
    if (status != NKI_OK) {
        return status;
    }
    atomic_store(&get->rest, sub);
    if (atomic_load(&get->closed)) {
        nki_sub_close(sub);
        return nki_error_set(err, NKI_CLOSED, NULL);
    }
    return NKI_OK;
}

/* The next chunk, or the end. */
static int32_t next(struct nki_object_get *get, int64_t deadline_ns, struct nki_error *err)
{
    struct nki_sub *rest = atomic_load(&get->rest);
    struct nki_msg *msg;
    size_t count;
    int32_t status = nki_sub_take(rest != NULL ? rest : get->pages, &msg, 1, false, deadline_ns, &count);
    if (status == NKI_OK) {
        struct nki_stored stored;
        if (msg->kind == NKI_MSG_STORED && nki_stored_read(msg, &stored)) {
            get->last_seq = stored.seq;
            take_chunk(get, msg);
        } else if (msg->kind == NKI_MSG_MESSAGE) {
            take_chunk(get, msg);
        } else {
            nki_msg_release(msg);
        }
        return NKI_OK;
    }
    if (status == NKI_END && rest == NULL) {
        return read_rest(get, err);
    }
    if (status == NKI_END) {
        ended(get);
        return NKI_OK;
    }
    return nki_error_set(err, status, status == NKI_TIMEOUT ? "no chunk of the object came in time" : NULL);
}

static size_t give(struct nki_object_get *get, char *out, size_t cap)
{
    struct nki_str data = nki_msg_data(get->chunk);
    size_t len = data.len - get->at < cap ? data.len - get->at : cap;
    memcpy(out, data.ptr + get->at, len);
    get->at += len;
    if (get->at == data.len) {
        nki_msg_release(get->chunk);
        get->chunk = NULL;
    }
    atomic_fetch_add_explicit(&get->given, len, memory_order_relaxed);
    return len;
}

int32_t nki_object_get_read(struct nki_object_get *get, void *out, size_t cap, int64_t deadline_ns,
                            size_t *len, struct nki_error *err)
{
    int32_t status = NKI_OK;
    *len = 0;
    if (pthread_mutex_trylock(&get->mu) != 0) {
        return nki_error_set(err, NKI_BUSY, "another thread is using this object's reader");
    }
    if (atomic_load(&get->closed)) {
        status = nki_error_set(err, NKI_CLOSED, NULL);
    }
    while (status == NKI_OK && *len < cap) {
        if (get->chunk != NULL) {
            *len += give(get, (char *)out + *len, cap - *len);
        } else if (get->end.status != 0) {
            status = get->end.status;
        } else {
            status = next(get, *len == 0 ? deadline_ns : 0, err);
        }
    }
    if (*len > 0) {
        status = NKI_OK; /* what is wrong is said by the next call */
    } else if (status != NKI_OK && status == get->end.status && err != NULL) {
        *err = get->end;
    }
    pthread_mutex_unlock(&get->mu);
    return status;
}

int32_t nki_object_get_ready(struct nki_object_get *get, int64_t deadline_ns, struct nki_op **op,
                             struct nki_error *err)
{
    if (pthread_mutex_trylock(&get->mu) != 0) {
        return nki_error_set(err, NKI_BUSY, "another thread is using this object's reader");
    }
    struct nki_sub *rest = atomic_load(&get->rest);
    bool now = get->pages == NULL || get->chunk != NULL || get->end.status != 0;
    pthread_mutex_unlock(&get->mu);
    if (!now) {
        return rest != NULL ? nki_ordered_ready(rest, deadline_ns, op, err)
                            : nki_direct_ready(get->pages, deadline_ns, op, err);
    }
    *op = nki_op_new();
    if (*op == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    nki_op_finish(*op, NKI_OK, NKI_OUTCOME_DONE, NULL, NULL);
    return NKI_OK;
}

/* -- opening --------------------------------------------------------------------------------------------- */

/* Reads the chunks: nothing is sent that is waited for. */
static int32_t read_pages(struct nki_object_get *get, struct nki_error *err)
{
    struct nki_buf names = {0};
    size_t len;
    int32_t status = NKI_NO_MEMORY;
    if (append_names(info_of(get), &names, &len)) {
        const struct nki_direct_params params = {
            .stream = nki_str_make((const char *)names.data, len),
            .start_time = NKI_STR(""),
            .next_by_subj = nki_str_make((const char *)names.data + len, names.len - len),
            .up_to_time = NKI_STR(""),
            .page_msgs = PAGE_MSGS,
            .page_bytes = PAGE_BYTES,
            .answer_ms = ANSWER_MS,
            .tries = TRIES,
        };
        status = nki_direct_open(get->store->js, &params, &get->pages, err);
    } else {
        nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    nki_buf_free(&names);
    return status;
}

static int32_t check(const struct nki_object_info *info, struct nki_error *err)
{
    if (info->deleted) {
        return nki_error_set(err, NKI_OBJECT_DELETED, NULL);
    }
    if (info->link_bucket.len > 0) {
        return nki_error_set(err, NKI_INVALID,
                             "info: of a link, which has no content; it has to be followed");
    }
    bool token = nki_object_nuid_ok(info->nuid);
    bool named = nki_bucket_fault(info->bucket, NKI_OBJECT_BUCKET_MAX) == NULL;
    return named && (token || info->size == 0)
               ? NKI_OK
               : nki_error_set(err, NKI_OBJECT_CORRUPT, "its nuid or bucket is none");
}

int32_t nki_object_get_open(struct nki_object_store *store, struct nki_msg *info, struct nki_object_get **out,
                            struct nki_error *err)
{
    int32_t status = check(nki_object_info_of(info), err);
    if (status != NKI_OK) {
        return status;
    }
    struct nki_object_get *get = nki_calloc(1, sizeof *get);
    if (get == NULL || pthread_mutex_init(&get->mu, NULL) != 0) {
        nki_free(get);
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    atomic_init(&get->refs, 1);
    get->store = store;
    nki_object_store_retain(store);
    get->info = info;
    nki_msg_retain(info);
    get->digest = nki_digest_new();
    if (get->digest == NULL) {
        status = nki_error_set(err, NKI_NO_MEMORY, NULL);
    } else if (info_of(get)->size == 0) {
        verify(get);
    } else {
        status = read_pages(get, err);
    }
    if (status != NKI_OK) {
        free_get(get);
        return status;
    }
    *out = get;
    return NKI_OK;
}
