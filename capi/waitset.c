/* Waitsets. Any thread; natskit_waitset_wait blocks.
 *
 * The core's link of an object is guarded by the object's mutex, so adding, arming and removing pin the set
 * and the object and take that mutex. An object whose close has passed that mutex is not added any more: its
 * close has taken it out of its set, and that must stay so. */
#include "delivery/waitset.h"
#include "capi/guard.h"

_Static_assert(sizeof(natskit_ready) == sizeof(struct nki_wait_record) &&
                   offsetof(natskit_ready, object) == offsetof(struct nki_wait_record, object) &&
                   offsetof(natskit_ready, tag) == offsetof(struct nki_wait_record, tag) &&
                   offsetof(natskit_ready, kind) == offsetof(struct nki_wait_record, kind) &&
                   offsetof(natskit_ready, reserved) == offsetof(struct nki_wait_record, reserved),
               "natskit_ready and struct nki_wait_record are laid out alike");

#define RECORD_STEP 64 /* records collected at once for a caller of another version */

static void waitset_close(struct nki_handle *handle)
{
    nki_waitset_close(handle->object);
}

static void waitset_destroy(struct nki_handle *handle)
{
    nki_waitset_release(handle->object);
}

static const struct nki_handle_ops waitset_ops = {waitset_close, waitset_destroy};

natskit_status natskit_waitset_open(natskit_waitset *out)
{
    if (out == NULL) {
        return NATSKIT_INVALID;
    }
    out->id = 0;
    uint64_t id;
    struct nki_handle *handle;
    natskit_status status = nki_handle_reserve(NATSKIT_KIND_WAITSET, &id, &handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_error err = {.status = NATSKIT_INTERNAL};
    struct nki_waitset *set = nki_waitset_new(&err);
    if (set == NULL) {
        nki_handle_cancel(handle);
        return err.status;
    }
    nki_handle_publish(handle, &waitset_ops, set, NULL);
    out->id = id;
    return NATSKIT_OK;
}

natskit_status natskit_waitset_close(natskit_waitset waitset)
{
    return nki_handle_close(waitset.id, NATSKIT_KIND_WAITSET);
}

natskit_status natskit_waitset_fd(natskit_waitset waitset, int32_t *fd)
{
    if (fd == NULL) {
        return NATSKIT_INVALID;
    }
    struct nki_handle *handle;
    natskit_status status = nki_handle_pin(waitset.id, NATSKIT_KIND_WAITSET, &handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    *fd = nki_waitset_fd(handle->object);
    nki_handle_unpin(handle);
    return NATSKIT_OK;
}

/* -- objects --------------------------------------------------------------------------------------------- */

/* A pinned set and a pinned object, with the object's mutex held. */
struct pair {
    struct nki_handle *set_handle;
    struct nki_handle *handle;
    struct nki_waitset *set;
    struct nki_waitable *waitable;
    int32_t kind;
};

static int32_t lock_pair(natskit_waitset waitset, uint64_t object, struct pair *pair)
{
    pair->kind = nki_handle_kind(object);
    if (pair->kind != NATSKIT_KIND_SUB && pair->kind != NATSKIT_KIND_OP) {
        return NATSKIT_BAD_HANDLE;
    }
    int32_t status = nki_handle_pin(waitset.id, NATSKIT_KIND_WAITSET, &pair->set_handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    status = nki_handle_pin(object, pair->kind, &pair->handle);
    if (status != NATSKIT_OK) {
        nki_handle_unpin(pair->set_handle);
        return status;
    }
    pair->set = pair->set_handle->object;
    if (pair->kind == NATSKIT_KIND_SUB) {
        pair->waitable = &nki_sub_inlet(pair->handle->object)->wait;
    } else {
        struct nki_op *op = pair->handle->object;
        pair->waitable = &op->wait;
    }
    pthread_mutex_lock(&pair->waitable->mu);
    return NATSKIT_OK;
}

static void unlock_pair(struct pair *pair)
{
    pthread_mutex_unlock(&pair->waitable->mu);
    nki_handle_unpin(pair->handle);
    nki_handle_unpin(pair->set_handle);
}

static bool ready_locked(const struct pair *pair)
{
    if (pair->kind == NATSKIT_KIND_SUB) {
        return nki_inlet_ready_locked(nki_sub_inlet(pair->handle->object));
    }
    return nki_op_ready_locked(pair->handle->object);
}

/* Of a subscription or an operation. */
static struct nki_conn *conn_of(const struct nki_handle *handle, int32_t kind)
{
    return kind == NATSKIT_KIND_SUB ? nki_sub_conn(handle->object) : handle->parent;
}

natskit_status natskit_waitset_add(natskit_waitset waitset, uint64_t object, uint64_t tag)
{
    struct pair pair;
    natskit_status status = lock_pair(waitset, object, &pair);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_wait_link *link = &pair.waitable->link;
    if (pair.waitable->closed) {
        status = NATSKIT_CLOSED;
    } else {
        status = nki_link_add(link, pair.set, object, pair.kind, tag);
        uint64_t conn = nki_conn_origin(conn_of(pair.handle, pair.kind));
        if (status == NATSKIT_OK) {
            nki_waitset_add_of(pair.set, conn);
        }
        if (pair.kind == NATSKIT_KIND_OP) { /* its request may wait with others until somebody waits for it */
            nki_waitset_set_hint(pair.set, conn);
        }
    }
    if (status == NATSKIT_OK) {
        nki_link_arm(link, ready_locked(&pair));
    }
    unlock_pair(&pair);
    return status;
}

natskit_status natskit_waitset_arm(natskit_waitset waitset, uint64_t object)
{
    struct pair pair;
    natskit_status status = lock_pair(waitset, object, &pair);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_wait_link *link = &pair.waitable->link;
    if (link->set == pair.set) {
        nki_link_arm(link, ready_locked(&pair));
    } else {
        status = pair.waitable->closed ? NATSKIT_CLOSED : NATSKIT_NOT_FOUND;
    }
    unlock_pair(&pair);
    return status;
}

natskit_status natskit_waitset_remove(natskit_waitset waitset, uint64_t object)
{
    struct pair pair;
    natskit_status status = lock_pair(waitset, object, &pair);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_wait_link *link = &pair.waitable->link;
    if (link->set == pair.set) {
        nki_link_remove(link);
    } else {
        status = pair.waitable->closed ? NATSKIT_CLOSED : NATSKIT_NOT_FOUND;
    }
    unlock_pair(&pair);
    return status;
}

/* -- waiting --------------------------------------------------------------------------------------------- */

static struct nki_handle *pin_conn(uint64_t id)
{
    struct nki_handle *handle;
    return nki_handle_pin(id, NATSKIT_KIND_CONN, &handle) == NATSKIT_OK ? handle : NULL;
}

/* Waits, and reads meanwhile: for the connection of the operation that was added last, whose requests go out
 * before (those of other connections do soon), else for the one of all subscriptions, if they stream. */
static int32_t wait_reading(struct nki_waitset *set, struct nki_wait_record *records, size_t cap,
                            int64_t deadline_ns, size_t *count)
{
    uint64_t asks = nki_waitset_hint(set);
    uint64_t only = nki_waitset_only(set);
    struct nki_handle *handle = asks != 0 ? pin_conn(asks) : only != 0 ? pin_conn(only) : NULL;
    if (handle == NULL) {
        return nki_waitset_wait(set, records, cap, deadline_ns, count);
    }
    struct nki_conn *conn = handle->object;
    nki_conn_retain(conn);
    nki_handle_unpin(handle); /* it may be closed while others are waited for */
    int32_t status = NATSKIT_WOULD_BLOCK;
    if (asks != 0) {
        nki_conn_before_wait(conn);
        status = nki_conn_wait_set(conn, set, records, cap, only != 0, deadline_ns, count);
    }
    if (status == NATSKIT_WOULD_BLOCK) {
        status = nki_conn_wait_stream(conn, set, records, cap, only != 0, deadline_ns, count);
    }
    nki_conn_release(conn);
    return status;
}

/* A caller that polls the descriptor got something of this connection: he may read for himself the next time.
 */
static void offer(struct nki_waitset *set, const struct nki_wait_record *record)
{
    struct nki_handle *handle;
    if (nki_handle_pin(record->object, record->kind, &handle) == NATSKIT_OK) {
        nki_lease_offer(conn_of(handle, record->kind), set);
        nki_handle_unpin(handle);
    }
}

/* Collects for a caller that polls the descriptor. */
static int32_t collect(struct nki_waitset *set, struct nki_wait_record *records, size_t cap, size_t *count)
{
    uint64_t caller = nki_waitset_answer(set);
    struct nki_handle *handle = caller != 0 ? pin_conn(caller) : NULL;
    if (handle != NULL) {
        nki_conn_write_parked(handle->object);
        nki_handle_unpin(handle);
    }
    uint64_t reads = nki_waitset_reads(set);
    handle = reads != 0 ? pin_conn(reads) : NULL;
    if (handle != NULL) {
        nki_waitset_feed(set);
        nki_lease_read(handle->object, set);
        nki_handle_unpin(handle);
    }
    int32_t status = nki_waitset_wait(set, records, cap, 0, count);
    if (handle != NULL) {
        nki_waitset_fed(set);
    }
    if (*count > 0 && reads == 0) {
        offer(set, &records[*count - 1]);
    }
    return status;
}

static int32_t wait_ours(struct nki_waitset *set, struct nki_wait_record *records, size_t cap,
                         int64_t timeout_ms, size_t *count)
{
    if (timeout_ms == 0) {
        return collect(set, records, cap, count);
    }
    int32_t status = nki_waitset_wait(set, records, cap, 0, count);
    if (status == NATSKIT_WOULD_BLOCK) {
        status = wait_reading(set, records, cap, nki_capi_deadline(timeout_ms), count);
    }
    return status;
}

/* Collects for a caller whose records have another size than ours. */
static int32_t wait_resized(struct nki_waitset *set, char *out, size_t record_size, size_t cap,
                            int64_t timeout_ms, size_t *count)
{
    struct nki_wait_record records[RECORD_STEP];
    int32_t status = wait_ours(set, records, cap < RECORD_STEP ? cap : RECORD_STEP, timeout_ms, count);
    for (size_t i = 0; i < *count; i++) {
        (void)nki_capi_give(out + i * record_size, record_size, &records[i], sizeof records[i]);
    }
    return status;
}

natskit_status natskit_waitset_wait(natskit_waitset waitset, natskit_ready *records, size_t record_size,
                                    size_t cap, int64_t timeout_ms, size_t *count)
{
    if (count == NULL) {
        return NATSKIT_INVALID;
    }
    *count = 0;
    if (records == NULL || record_size == 0 || cap == 0 || !nki_capi_timeout_ok(timeout_ms)) {
        return NATSKIT_INVALID;
    }
    struct nki_handle *handle;
    natskit_status status = nki_handle_pin(waitset.id, NATSKIT_KIND_WAITSET, &handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    if (record_size == sizeof(struct nki_wait_record)) {
        status = wait_ours(handle->object, (struct nki_wait_record *)(void *)records, cap, timeout_ms, count);
    } else {
        status = wait_resized(handle->object, (char *)records, record_size, cap, timeout_ms, count);
    }
    nki_handle_unpin(handle);
    return status;
}
