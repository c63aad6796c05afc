/* Headers to be sent: a handle that holds an encoded block. Any thread.
 *
 * A publish may wait for room while it sends the block, and adding to the same handle must not wait for that:
 * so the block is shared by count and copied before it changes while somebody sends it. */
#include "base/alloc.h"
#include "capi/guard.h"
#include "wire/header.h"

struct headers {
    pthread_mutex_t mu;
    struct nki_capi_block *block; /* guarded by mu; NULL: empty */
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
    nki_handle_publish(handle, &headers_ops, headers, NULL);
    out->id = id;
    return NATSKIT_OK;
}

natskit_status natskit_headers_close(natskit_headers headers)
{
    return nki_handle_close(headers.id, NATSKIT_KIND_HEADERS);
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

natskit_status natskit_headers_add(natskit_headers id, const char *name, size_t name_len, const char *value,
                                   size_t value_len, natskit_error *err)
{
    struct nki_str name_str;
    struct nki_str value_str;
    if (!nki_capi_str(name, name_len, &name_str)) {
        return nki_capi_invalid(err, "name: the pointer is NULL");
    }
    if (!nki_capi_str(value, value_len, &value_str)) {
        return nki_capi_invalid(err, "value: the pointer is NULL");
    }
    struct nki_handle *handle;
    natskit_status status = nki_capi_pin(id.id, NATSKIT_KIND_HEADERS, "headers", &handle, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct headers *headers = handle->object;
    pthread_mutex_lock(&headers->mu);
    if (own_block_locked(headers)) {
        status = nki_header_append(&headers->block->buf, name_str, value_str, nki_capi_err(err));
    } else {
        status = nki_error_set(nki_capi_err(err), NATSKIT_NO_MEMORY, NULL);
    }
    pthread_mutex_unlock(&headers->mu);
    nki_handle_unpin(handle);
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
