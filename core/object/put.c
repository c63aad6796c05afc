/* Taking the bytes of an object: see put.h. The caller's thread. */
#include "object/info.h"
#include "object/put_inside.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "jetstream/bucket.h"
#include "wire/header.h"

#include <inttypes.h>
#include <stdio.h>

#define WINDOW_MIN 2 /* chunks under way */
#define WINDOW_MAX 1024
#define HEADER_BYTES 128 /* that the headers of a chunk take at most */
#define TAKE_STEP 64
#define RETRIES 16 /* with pauses of 250 ms: a cluster elects a leader in that */

static struct nki_str str_of(const struct nki_buf *buf)
{
    return nki_str_make((const char *)buf->data, buf->len);
}

/* -- life ------------------------------------------------------------------------------------------------ */

/* Perhaps under the engine lock, by the end of a finish: what takes that lock was done by the close. */
static void free_put(struct nki_object_put *put)
{
    if (put->publisher != NULL) {
        nki_publisher_release(put->publisher);
        nki_sub_release(put->acks);
    }
    nki_digest_free(put->digest);
    nki_object_meta_free(&put->meta);
    nki_buf_free(&put->name);
    nki_buf_free(&put->subject);
    nki_buf_free(&put->rest);
    nki_buf_free(&put->block);
    nki_free(put->seqs);
    nki_object_store_release(put->store);
    pthread_mutex_destroy(&put->mu);
    nki_free(put);
}

void nki_object_put_retain(struct nki_object_put *put)
{
    atomic_fetch_add_explicit(&put->refs, 1, memory_order_relaxed);
}

void nki_object_put_release(struct nki_object_put *put)
{
    if (atomic_fetch_sub_explicit(&put->refs, 1, memory_order_acq_rel) == 1) {
        free_put(put);
    }
}

struct nki_conn *nki_object_put_conn(const struct nki_object_put *put)
{
    return put->store->js->conn;
}

/* Chunks are no larger than the server takes messages, as far as that is known. */
static uint64_t fitting(struct nki_conn *conn, uint64_t chunk_size)
{
    struct nki_conn_status *status = nki_alloc(sizeof *status);
    if (status == NULL) {
        return chunk_size;
    }
    nki_conn_status_get(conn, status);
    int64_t max = status->info.max_payload;
    nki_free(status);
    return max > 2 * HEADER_BYTES && chunk_size > (uint64_t)max - HEADER_BYTES ? (uint64_t)max - HEADER_BYTES
                                                                               : chunk_size;
}

static int32_t open_publisher(struct nki_object_put *put, const struct nki_object_put_params *params,
                              struct nki_error *err)
{
    uint64_t window = params->window_bytes / put->chunk_size;
    window = window < WINDOW_MIN ? WINDOW_MIN : window > WINDOW_MAX ? WINDOW_MAX : window;
    uint64_t ring = 4;
    while (ring < 4 * window) {
        ring *= 2;
    }
    put->seqs_mask = ring - 1;
    put->seqs = nki_calloc(ring, sizeof *put->seqs);
    struct nki_options *options = nki_options_new(NKI_SCOPE_PUBLISHER);
    int32_t status = put->seqs != NULL && options != NULL ? NKI_OK : NKI_NO_MEMORY;
    const struct {
        struct nki_str name;
        int64_t value;
    } rows[] = {
        {NKI_STR("max_pending"), (int64_t)window},
        {NKI_STR("max_pending_bytes"), (int64_t)(window * (put->chunk_size + 2 * (uint64_t)NKI_KIB))},
        {NKI_STR("ack_wait_ms"), params->ack_wait_ms},
        {NKI_STR("retries"), RETRIES},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows) && status == NKI_OK; i++) {
        status = nki_options_set_int(options, rows[i].name, rows[i].value, err);
    }
    status = status == NKI_OK ? nki_publisher_open(put->store->js, options, &put->publisher, &put->acks, err)
                              : nki_error_set(err, status, NULL);
    nki_options_free(options);
    return status;
}

int32_t nki_object_put_open(struct nki_object_store *store, struct nki_object_put_params *params,
                            struct nki_object_put **out, struct nki_error *err)
{
    int32_t status = nki_object_name_check(params->name, err);
    if (status != NKI_OK) {
        return status;
    }
    struct nki_object_put *put = nki_calloc(1, sizeof *put);
    if (put == NULL || pthread_mutex_init(&put->mu, NULL) != 0) {
        nki_free(put);
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    atomic_init(&put->refs, 1);
    atomic_init(&put->state, NKI_PUT_OPEN);
    atomic_init(&put->finishing, false);
    atomic_init(&put->purged, false);
    put->store = store;
    nki_object_store_retain(store);
    put->meta = *params->meta;
    memset(params->meta, 0, sizeof *params->meta);
    put->chunk_size = fitting(store->js->conn, params->chunk_size);
    put->has_revision = params->has_revision;
    put->revision = params->revision;
    struct nki_nuid nuid;
    nki_nuid_init(&nuid);
    nki_nuid_next(&nuid, put->nuid);
    put->digest = nki_digest_new();
    bool ok =
        put->digest != NULL && nki_buf_append_str(&put->name, params->name) &&
        nki_bucket_append_prefix(store->js, &put->subject) &&
        nki_object_append_chunk_subject(&put->subject, nki_object_store_bucket(store), nki_put_nuid(put));
    status = ok ? open_publisher(put, params, err) : nki_error_set(err, NKI_NO_MEMORY, NULL);
    if (status != NKI_OK) {
        free_put(put);
        return status;
    }
    *out = put;
    return NKI_OK;
}

/* -- acks ------------------------------------------------------------------------------------------------ */

static int32_t fail(struct nki_object_put *put, int32_t status, struct nki_error *err)
{
    if (put->fault.status == 0) {
        nki_error_set(&put->fault, status, NULL);
    }
    if (err != NULL) {
        *err = put->fault;
    }
    return put->fault.status;
}

/* A chunk is stored, at a place behind that of the one before, or something is wrong. */
static void note(struct nki_object_put *put, const struct nki_pub_ack *ack)
{
    if (ack->status != NKI_OK) {
        if (put->fault.status == 0) {
            struct nki_str text =
                ack->text.len > 0 ? ack->text : nki_str_z(nki_status_row(ack->status)->text);
            nki_error_set(&put->fault, ack->status, "chunk %" PRIu64 ": %.*s", ack->id,
                          text.len < 200 ? (int)text.len : 200, text.ptr);
            put->fault.server_code = ack->server_code;
            put->fault.err_code = ack->err_code;
        }
        return;
    }
    put->seqs[ack->id & put->seqs_mask] = ack->seq;
    for (;;) {
        uint64_t *seq = &put->seqs[(put->checked + 1) & put->seqs_mask];
        if (*seq == 0) {
            return;
        }
        if (*seq <= put->last_seq) {
            (void)fail(put, NKI_CHUNKS_DISORDERED, NULL);
        }
        put->last_seq = *seq;
        put->checked++;
        *seq = 0;
        uint64_t stored = put->checked * put->chunk_size;
        uint64_t bytes = atomic_load_explicit(&put->bytes, memory_order_relaxed);
        atomic_store_explicit(&put->stored, stored < bytes ? stored : bytes, memory_order_relaxed);
    }
}

/* With mu: looks at the outcomes that have come. */
static void take_acks(struct nki_object_put *put)
{
    struct nki_msg *msgs[TAKE_STEP];
    size_t count;
    while (nki_sub_take(put->acks, msgs, TAKE_STEP, false, 0, &count) == NKI_OK) {
        for (size_t i = 0; i < count; i++) {
            if (msgs[i]->kind == NKI_MSG_PUB_ACK) {
                struct nki_pub_ack ack;
                nki_pub_ack_of(msgs[i], &ack);
                note(put, &ack);
            }
        }
        nki_msg_release_batch(msgs, count);
    }
}

/* -- bytes ----------------------------------------------------------------------------------------------- */

/* With mu: publishes a chunk, and adds it to the digest. */
static int32_t send(struct nki_object_put *put, struct nki_str chunk, int64_t deadline_ns)
{
    char id[NKI_NUID_LEN + 24];
    uint64_t number = atomic_load_explicit(&put->chunks, memory_order_relaxed) + 1;
    int len = snprintf(id, sizeof id, "%.*s.%" PRIu64, NKI_NUID_LEN, put->nuid, number);
    size_t published;
    put->block.len = 0;
    if (nki_header_append(&put->block, NKI_STR("Nats-Msg-Id"), nki_str_make(id, (size_t)len), NULL) !=
        NKI_OK) {
        return NKI_NO_MEMORY;
    }
    const struct nki_outgoing_msg msg = {.subject = str_of(&put->subject),
                                         .reply = NKI_STR(""),
                                         .header_block = str_of(&put->block),
                                         .data = chunk};
    int32_t status = nki_publisher_publish(put->publisher, &msg, 1, deadline_ns, NULL, &published);
    if (status == NKI_OK) {
        atomic_store_explicit(&put->chunks, number, memory_order_relaxed);
        if (!nki_digest_add(put->digest, chunk.ptr, chunk.len)) {
            status = fail(put, NKI_NO_MEMORY, NULL);
        }
    }
    return status;
}

/* With mu: one chunk of the bytes, or what is left of them to the rest; how many were taken. */
static int32_t write_step(struct nki_object_put *put, struct nki_str data, int64_t deadline_ns, size_t *taken)
{
    size_t size = (size_t)put->chunk_size;
    *taken = 0;
    if (put->rest.len == 0 && data.len >= size) {
        int32_t status = send(put, nki_str_make(data.ptr, size), deadline_ns);
        *taken = status == NKI_OK ? size : 0;
        return status;
    }
    if (put->rest.len == size) { /* there was no room for it */
        int32_t status = send(put, str_of(&put->rest), deadline_ns);
        put->rest.len = status == NKI_OK ? 0 : size;
        return status;
    }
    size_t part = size - put->rest.len < data.len ? size - put->rest.len : data.len;
    if (!nki_buf_append(&put->rest, data.ptr, part)) {
        return NKI_NO_MEMORY;
    }
    *taken = part;
    return NKI_OK;
}

/* With mu: what stands against going on. */
static int32_t check(struct nki_object_put *put, struct nki_error *err)
{
    int state = atomic_load(&put->state);
    take_acks(put);
    if (put->fault.status != 0 && state == NKI_PUT_OPEN) {
        return fail(put, put->fault.status, err);
    }
    return state == NKI_PUT_ABORTED ? nki_error_set(err, NKI_CLOSED, NULL) : NKI_OK;
}

/* What the publisher says when it was closed with the put, or by the connection. */
static int32_t tell(int32_t status, struct nki_error *err)
{
    return status == NKI_OK ? NKI_OK : nki_error_set(err, status, NULL);
}

static int32_t lock(struct nki_object_put *put, struct nki_error *err)
{
    return pthread_mutex_trylock(&put->mu) == 0
               ? NKI_OK
               : nki_error_set(err, NKI_BUSY, "another thread is using this object's writer");
}

int32_t nki_object_put_write(struct nki_object_put *put, const void *data, size_t len, int64_t deadline_ns,
                             size_t *taken, struct nki_error *err)
{
    *taken = 0;
    int32_t status = lock(put, err);
    if (status != NKI_OK) {
        return status;
    }
    status = check(put, err);
    if (status == NKI_OK && put->complete) {
        status = nki_error_set(err, NKI_CLOSED, "the object is complete: it takes no more bytes");
    }
    while (status == NKI_OK && *taken < len) {
        size_t step;
        struct nki_str rest = nki_str_make((const char *)data + *taken, len - *taken);
        status = tell(write_step(put, rest, deadline_ns, &step), err);
        *taken += step;
        atomic_fetch_add_explicit(&put->bytes, step, memory_order_relaxed);
        take_acks(put);
        if (status == NKI_OK && put->fault.status != 0) {
            status = fail(put, put->fault.status, err);
        }
    }
    pthread_mutex_unlock(&put->mu);
    return status;
}

int32_t nki_object_put_room(struct nki_object_put *put, int64_t deadline_ns, struct nki_op **op,
                            struct nki_error *err)
{
    struct nki_op *room;
    uint64_t bytes = put->chunk_size + 2 * (uint64_t)NKI_KIB;
    int32_t status = nki_conn_room(nki_object_put_conn(put), bytes, deadline_ns, &room, err);
    if (status != NKI_OK) {
        return status;
    }
    if (nki_op_result(room, NULL, NULL) == NKI_PENDING) { /* it is the outbox that is full */
        *op = room;
        return NKI_OK;
    }
    nki_op_release(room);
    return nki_publisher_room(put->publisher, put->chunk_size + HEADER_BYTES, deadline_ns, op, err);
}

/* With mu: the last chunk, and the digest of all. */
static int32_t complete(struct nki_object_put *put, int64_t deadline_ns)
{
    int32_t status = NKI_OK;
    if (put->complete) {
        return NKI_OK;
    }
    if (put->rest.len > 0) {
        status = send(put, str_of(&put->rest), deadline_ns);
    }
    if (status == NKI_OK) {
        put->rest.len = 0;
        put->complete = true;
        status = nki_digest_end(put->digest, put->hash) ? NKI_OK : fail(put, NKI_NO_MEMORY, NULL);
    }
    return status;
}

int32_t nki_object_put_done(struct nki_object_put *put, int64_t send_ns, int64_t deadline_ns, bool timed,
                            struct nki_op **op, struct nki_error *err)
{
    int32_t status = lock(put, err);
    if (status != NKI_OK) {
        return status;
    }
    status = check(put, err);
    if (status == NKI_OK) {
        status = tell(complete(put, send_ns), err);
    }
    pthread_mutex_unlock(&put->mu);
    return status == NKI_OK ? nki_publisher_done(put->publisher, deadline_ns, timed, op, err) : status;
}

void nki_put_describe(const struct nki_object_put *put, struct nki_object_info *info,
                      char digest[NKI_DIGEST_TEXT])
{
    nki_digest_write(put->hash, digest);
    *info = (struct nki_object_info){
        .bucket = nki_object_store_bucket(put->store),
        .name = str_of(&put->name),
        .description = str_of(&put->meta.description),
        .headers = str_of(&put->meta.headers),
        .metadata = str_of(&put->meta.metadata),
        .nuid = nki_put_nuid(put),
        .digest = nki_str_make(digest, NKI_DIGEST_TEXT),
        .link_bucket = NKI_STR(""),
        .link_name = NKI_STR(""),
        .size = atomic_load(&put->bytes),
        .chunks = atomic_load(&put->chunks),
        .max_chunk_size = put->chunk_size,
    };
}

/* With mu: whether all that was given is stored. */
static int32_t ready(struct nki_object_put *put, struct nki_error *err)
{
    int32_t status = check(put, err);
    if (status != NKI_OK) {
        return status;
    }
    if (!put->complete || put->checked < atomic_load(&put->chunks)) {
        return nki_error_set(err, NKI_BUSY, "chunks of the object are still under way");
    }
    if (atomic_exchange(&put->finishing, true)) {
        return nki_error_set(err, NKI_BUSY, "the object is being finished");
    }
    if (atomic_load(&put->state) == NKI_PUT_STORING) {
        atomic_store(&put->finishing, false);
        return nki_error_set(err, NKI_BUSY, "nobody knows whether the object was stored");
    }
    return NKI_OK;
}

int32_t nki_object_put_ready(struct nki_object_put *put, struct nki_error *err)
{
    int32_t status = lock(put, err);
    if (status == NKI_OK) {
        status = ready(put, err);
        pthread_mutex_unlock(&put->mu);
    }
    return status;
}

void nki_object_put_info_get(struct nki_object_put *put, struct nki_object_put_info *out)
{
    *out = (struct nki_object_put_info){
        .bytes = atomic_load_explicit(&put->bytes, memory_order_relaxed),
        .stored = atomic_load_explicit(&put->stored, memory_order_relaxed),
        .chunks = atomic_load_explicit(&put->chunks, memory_order_relaxed),
    };
}
