/* Two streams in memory, joined by one ring of bytes per direction. For tests; one thread uses both ends. */
#include "net/pair.h"

#include "base/alloc.h"

#include <errno.h>

/* One end, with what the other end wrote and this one has not read yet. */
struct end {
    struct nki_stream stream;
    struct pair *pair;
    uint8_t *data;
    size_t at;
    size_t len;
    bool shut;
    bool freed;
};

struct pair {
    struct end ends[2];
    size_t cap;
    uint8_t data[];
};

static struct end *other(struct end *end)
{
    return end == &end->pair->ends[0] ? &end->pair->ends[1] : &end->pair->ends[0];
}

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

static ptrdiff_t pair_read(struct nki_stream *stream, const struct iovec *iov, int count)
{
    struct end *end = NKI_CONTAINER_OF(stream, struct end, stream);
    size_t cap = end->pair->cap;
    size_t total = 0;
    assert(!end->freed && count > 0);
    if (end->len == 0) {
        return end->shut || other(end)->shut ? NKI_STREAM_EOF : NKI_STREAM_AGAIN;
    }
    for (int i = 0; i < count; i++) {
        size_t done = 0;
        while (done < iov[i].iov_len && end->len > 0) {
            size_t step = smallest(iov[i].iov_len - done, end->len, cap - end->at);
            memcpy((uint8_t *)iov[i].iov_base + done, end->data + end->at, step);
            end->at = (end->at + step) % cap;
            end->len -= step;
            done += step;
        }
        total += done;
    }
    return (ptrdiff_t)total;
}

static ptrdiff_t pair_write(struct nki_stream *stream, const struct iovec *iov, int count)
{
    struct end *end = NKI_CONTAINER_OF(stream, struct end, stream);
    struct end *to = other(end);
    size_t cap = end->pair->cap;
    size_t total = 0;
    assert(!end->freed && count > 0);
    if (end->shut || to->shut) {
        stream->sys_errno = EPIPE;
        return NKI_STREAM_ERROR;
    }
    for (int i = 0; i < count; i++) {
        size_t done = 0;
        while (done < iov[i].iov_len && to->len < cap) {
            size_t tail = (to->at + to->len) % cap;
            size_t step = smallest(iov[i].iov_len - done, cap - to->len, cap - tail);
            memcpy(to->data + tail, (const uint8_t *)iov[i].iov_base + done, step);
            to->len += step;
            done += step;
        }
        total += done;
    }
    return (ptrdiff_t)total; /* 0, when it is full, is NKI_STREAM_AGAIN */
}

static void pair_shutdown(struct nki_stream *stream)
{
    NKI_CONTAINER_OF(stream, struct end, stream)->shut = true;
}

static void pair_free(struct nki_stream *stream)
{
    struct end *end = NKI_CONTAINER_OF(stream, struct end, stream);
    assert(!end->freed);
    end->shut = true;
    end->freed = true;
    if (other(end)->freed) {
        nki_free(end->pair);
    }
}

static const struct nki_stream_ops pair_ops = {pair_read, pair_write, pair_shutdown, pair_free, NULL};

bool nki_pair_new(size_t cap, struct nki_stream **a, struct nki_stream **b)
{
    size_t size;
    assert(cap > 0);
    if (__builtin_mul_overflow(cap, 2, &size) || __builtin_add_overflow(size, sizeof(struct pair), &size)) {
        return false;
    }
    struct pair *pair = nki_calloc(1, size);
    if (pair == NULL) {
        return false;
    }
    pair->cap = cap;
    for (size_t i = 0; i < 2; i++) {
        pair->ends[i].stream.ops = &pair_ops;
        pair->ends[i].stream.fd = -1;
        pair->ends[i].pair = pair;
        pair->ends[i].data = pair->data + i * cap;
    }
    *a = &pair->ends[0].stream;
    *b = &pair->ends[1].stream;
    return true;
}
