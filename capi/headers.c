/* Headers to be sent: a handle that holds an encoded block. Any thread.
 *
 * A publish may wait for room while it sends the block, and adding to the same handle must not wait for that:
 * so the block is shared by count and copied before it changes while somebody sends it.
 *
 * A publish that does not wait, as nearly all, borrows it instead: no mutex, no count but the pin of the
 * handle. Whoever changes it calls it back first, and looks whether anybody else has the handle pinned. If so
 * that block is left alone to the end of the handle, and none is lent any more: headers that one thread
 * changes while others send them are rare. */
#include "base/alloc.h"
#include "capi/guard.h"
#include "jetstream/stored.h"
#include "wire/header.h"

struct headers {
    pthread_mutex_t mu;
    struct nki_capi_block *block; /* guarded by mu; NULL: empty */
    struct nki_capi_block *lost;  /* guarded by mu: was lent when it was to change; NULL: none was */
    _Atomic(const struct nki_capi_block *) lent; /* `block`, when it may be borrowed; written with mu held */
};

static struct nki_capi_block *block_new(void)
{
    struct nki_capi_block *block = nki_alloc(sizeof *block);
    if (block != NULL) {
        atomic_init(&block->refs, 1);
        block->buf = (struct nki_buf){0};
    }
    return block;
}

void nki_capi_block_release(struct nki_capi_block *block)
{
    if (block != NULL && atomic_fetch_sub_explicit(&block->refs, 1, memory_order_acq_rel) == 1) {
        nki_buf_free(&block->buf);
        nki_free(block);
    }
}

static void headers_close(struct nki_handle *handle)
{
    (void)handle; /* nobody blocks on headers */
}

static void headers_destroy(struct nki_handle *handle)
{
    struct headers *headers = handle->object;
    nki_capi_block_release(headers->block);
    nki_capi_block_release(headers->lost);
    pthread_mutex_destroy(&headers->mu);
    nki_free(headers);
}

static const struct nki_handle_ops headers_ops = {headers_close, headers_destroy};

natskit_status natskit_headers_open(natskit_headers *out)
{
    if (out == NULL) {
        return NATSKIT_INVALID;
    }
    out->id = 0;
    uint64_t id;
    struct nki_handle *handle;
    natskit_status status = nki_handle_reserve(NATSKIT_KIND_HEADERS, &id, &handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct headers *headers = nki_alloc(sizeof *headers);
    if (headers == NULL) {
        nki_handle_cancel(handle);
        return NATSKIT_NO_MEMORY;
    }
    pthread_mutex_init(&headers->mu, NULL);
    headers->block = NULL;
    headers->lost = NULL;
    atomic_init(&headers->lent, NULL);
    nki_handle_publish(handle, &headers_ops, headers, NULL);
    out->id = id;
    return NATSKIT_OK;
}

natskit_status natskit_headers_close(natskit_headers headers)
{
    return nki_handle_close(headers.id, NATSKIT_KIND_HEADERS);
}

/* With the mutex held, before a change: who pins the handle from now on finds nothing lent, and whoever has
 * found it has the handle pinned before. */
static void call_back_locked(struct headers *headers, const struct nki_handle *handle)
{
    if (atomic_load_explicit(&headers->lent, memory_order_relaxed) == NULL) {
        return;
    }
    atomic_store(&headers->lent, NULL);
    if (!nki_handle_is_alone(handle)) {
        headers->lost = headers->block;
        atomic_fetch_add_explicit(&headers->block->refs, 1, memory_order_relaxed);
    }
}

/* With the mutex held, after a change. */
static void lend_locked(struct headers *headers)
{
    if (headers->lost == NULL && headers->block != NULL && headers->block->buf.len > 0) {
        atomic_store(&headers->lent, headers->block);
    }
}

/* With the mutex held: whether nobody sends the block now. No new sender can appear meanwhile. */
static bool alone_locked(const struct headers *headers)
{
    return atomic_load_explicit(&headers->block->refs, memory_order_acquire) == 1;
}

/* With the mutex held: makes sure that there is a block that nobody else reads. */
static bool own_block_locked(struct headers *headers)
{
    if (headers->block != NULL && alone_locked(headers)) {
        return true;
    }
    struct nki_capi_block *copy = block_new();
    if (copy == NULL) {
        return false;
    }
    if (headers->block != NULL) {
        const struct nki_buf *from = &headers->block->buf;
        if (from->len > 0 && !nki_buf_append(&copy->buf, from->data, from->len)) {
            nki_capi_block_release(copy);
            return false;
        }
        nki_capi_block_release(headers->block);
    }
    headers->block = copy;
    return true;
}

/* Changes the block, which nobody else reads meanwhile. */
typedef int32_t change_block(struct nki_buf *block, const void *args, natskit_error *err);

static natskit_status change(natskit_headers id, change_block *apply, const void *args, natskit_error *err)
{
    struct nki_handle *handle;
    natskit_status status = nki_capi_pin(id.id, NATSKIT_KIND_HEADERS, "headers", &handle, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct headers *headers = handle->object;
    pthread_mutex_lock(&headers->mu);
    call_back_locked(headers, handle);
    if (own_block_locked(headers)) {
        status = apply(&headers->block->buf, args, err);
    } else {
        status = nki_error_set(nki_capi_err(err), NATSKIT_NO_MEMORY, NULL);
    }
    lend_locked(headers);
    pthread_mutex_unlock(&headers->mu);
    nki_handle_unpin(handle);
    return status;
}

struct header {
    struct nki_str name;
    struct nki_str value;
    enum nki_header_match match;
    size_t count;
};

static bool match_ok(int32_t match)
{
    return match >= NATSKIT_MATCH_EXACT && match <= NATSKIT_MATCH_CANONICAL;
}

static int32_t check_header(const char *name, size_t name_len, const char *value, size_t value_len,
                            int32_t match, struct header *out, natskit_error *err)
{
    if (!nki_capi_str(name, name_len, &out->name)) {
        return nki_capi_invalid(err, "name: the pointer is NULL");
    }
    if (!nki_capi_str(value, value_len, &out->value)) {
        return nki_capi_invalid(err, "value: the pointer is NULL");
    }
    if (!match_ok(match)) {
        return nki_capi_invalid(err, "match: not one of NATSKIT_MATCH_*");
    }
    out->match = (enum nki_header_match)match;
    return NATSKIT_OK;
}

static int32_t apply_add(struct nki_buf *block, const void *args, natskit_error *err)
{
    const struct header *header = args;
    return nki_header_append(block, header->name, header->value, nki_capi_err(err));
}

natskit_status natskit_headers_add(natskit_headers headers, const char *name, size_t name_len,
                                   const char *value, size_t value_len, natskit_error *err)
{
    struct header header = {.count = 0};
    natskit_status status = check_header(name, name_len, value, value_len, NATSKIT_MATCH_EXACT, &header, err);
    return status == NATSKIT_OK ? change(headers, apply_add, &header, err) : status;
}

static int32_t apply_set(struct nki_buf *block, const void *args, natskit_error *err)
{
    const struct header *header = args;
    return nki_header_set(block, header->name, header->match, header->value, nki_capi_err(err));
}

natskit_status natskit_headers_set(natskit_headers headers, const char *name, size_t name_len,
                                   const char *value, size_t value_len, int32_t match, natskit_error *err)
{
    struct header header = {.count = 0};
    natskit_status status = check_header(name, name_len, value, value_len, match, &header, err);
    return status == NATSKIT_OK ? change(headers, apply_set, &header, err) : status;
}

static int32_t apply_delete(struct nki_buf *block, const void *args, natskit_error *err)
{
    const struct header *header = args;
    (void)err;
    return nki_header_delete(block, header->name, header->match) > 0 ? NATSKIT_OK : NATSKIT_NOT_FOUND;
}

natskit_status natskit_headers_delete(natskit_headers headers, const char *name, size_t name_len,
                                      int32_t match)
{
    struct header header = {.count = 0};
    natskit_status status = check_header(name, name_len, "", 0, match, &header, NULL);
    return status == NATSKIT_OK ? change(headers, apply_delete, &header, NULL) : status;
}

static int32_t apply_add_all(struct nki_buf *block, const void *args, natskit_error *err)
{
    return nki_header_append_all(block, *(const struct nki_str *)args, nki_capi_err(err));
}

natskit_status natskit_headers_add_all(natskit_headers headers, const natskit_msg *msg, natskit_error *err)
{
    if (msg == NULL) {
        return nki_capi_invalid(err, "msg: the pointer is NULL");
    }
    struct nki_str block = nki_stored_own_block((const struct nki_msg *)(const void *)msg);
    return change(headers, apply_add_all, &block, err);
}

/* Copies a text whole or not at all; its length is told in both cases. */
static int32_t give(struct nki_str text, char *buf, size_t cap, size_t *len)
{
    *len = text.len;
    if (text.len > cap) {
        return NATSKIT_LIMIT;
    }
    if (text.len > 0) {
        memcpy(buf, text.ptr, text.len);
    }
    return NATSKIT_OK;
}

natskit_status natskit_headers_get(natskit_headers headers, const char *name, size_t name_len, int32_t match,
                                   size_t index, char *buf, size_t cap, size_t *len)
{
    struct header header = {.count = 0};
    if (len == NULL || (buf == NULL && cap > 0) ||
        check_header(name, name_len, "", 0, match, &header, NULL) != NATSKIT_OK) {
        return NATSKIT_INVALID;
    }
    struct nki_capi_block *block;
    natskit_status status = nki_capi_headers_take(headers, &block);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_str value;
    bool found =
        block != NULL && nki_header_find(nki_capi_block_str(block), header.name, header.match, index, &value);
    status = found ? give(value, buf, cap, len) : NATSKIT_NOT_FOUND;
    nki_capi_block_release(block);
    return status;
}

natskit_status natskit_headers_at(natskit_headers headers, size_t index, char *name, size_t name_cap,
                                  size_t *name_len, char *value, size_t value_cap, size_t *value_len)
{
    if (name_len == NULL || value_len == NULL || (name == NULL && name_cap > 0) ||
        (value == NULL && value_cap > 0)) {
        return NATSKIT_INVALID;
    }
    struct nki_capi_block *block;
    natskit_status status = nki_capi_headers_take(headers, &block);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_str found;
    struct nki_str text;
    size_t at = 0;
    status = NATSKIT_NOT_FOUND;
    while (block != NULL && nki_header_next(nki_capi_block_str(block), &at, &found, &text)) {
        if (index-- == 0) {
            bool fits = found.len <= name_cap && text.len <= value_cap; /* else neither is copied */
            (void)give(found, name, fits ? name_cap : 0, name_len);
            (void)give(text, value, fits ? value_cap : 0, value_len);
            status = fits ? NATSKIT_OK : NATSKIT_LIMIT;
            break;
        }
    }
    nki_capi_block_release(block);
    return status;
}

natskit_status natskit_headers_clear(natskit_headers id)
{
    struct nki_handle *handle;
    natskit_status status = nki_handle_pin(id.id, NATSKIT_KIND_HEADERS, &handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct headers *headers = handle->object;
    pthread_mutex_lock(&headers->mu);
    call_back_locked(headers, handle);
    if (headers->block != NULL && alone_locked(headers)) {
        headers->block->buf.len = 0; /* the memory serves the next message */
    } else {
        nki_capi_block_release(headers->block);
        headers->block = NULL;
    }
    pthread_mutex_unlock(&headers->mu);
    nki_handle_unpin(handle);
    return NATSKIT_OK;
}

int32_t nki_capi_headers_take(natskit_headers id, struct nki_capi_block **out)
{
    *out = NULL;
    if (id.id == 0) {
        return NATSKIT_OK;
    }
    struct nki_handle *handle;
    int32_t status = nki_handle_pin(id.id, NATSKIT_KIND_HEADERS, &handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct headers *headers = handle->object;
    pthread_mutex_lock(&headers->mu);
    if (headers->block != NULL && headers->block->buf.len > 0) {
        *out = headers->block;
        atomic_fetch_add_explicit(&headers->block->refs, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&headers->mu);
    nki_handle_unpin(handle);
    return NATSKIT_OK;
}

int32_t nki_capi_headers_borrow(natskit_headers id, struct nki_handle **handle, struct nki_str *block)
{
    int32_t status = nki_handle_pin(id.id, NATSKIT_KIND_HEADERS, handle);
    if (NKI_UNLIKELY(status != NATSKIT_OK)) {
        return status;
    }
    struct headers *headers = (*handle)->object;
    const struct nki_capi_block *lent = atomic_load(&headers->lent);
    if (NKI_UNLIKELY(lent == NULL)) {
        nki_handle_unpin(*handle);
        *handle = NULL;
        return NATSKIT_OK;
    }
    *block = nki_capi_block_str(lent);
    return NATSKIT_OK;
}
