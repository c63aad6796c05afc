/* Putting an object: its bytes are given piece by piece, hashed and published as chunks by who gives them,
 * with a bounded number under way; then what the object is, is stored, and takes the place of what had its
 * name. Until then nobody sees anything of it; a put that does not get that far takes its chunks back.
 *
 * One thread at a time gives bytes; any thread may close. Chunks carry ids, so that those that were under way
 * when the connection was lost are sent again and stored once. They may come to be stored out of order then,
 * which their acks tell: the put ends with NKI_CHUNKS_DISORDERED. */
#ifndef NKI_OBJECT_PUT_H
#define NKI_OBJECT_PUT_H

#include "object/meta.h"
#include "object/store.h"

struct nki_object_put;

struct nki_object_put_params {
    struct nki_str name;
    struct nki_object_meta *meta; /* taken over, left empty */
    uint64_t chunk_size;
    uint64_t window_bytes; /* of chunks under way */
    int64_t ack_wait_ms;
    bool has_revision; /* what it replaces must have this one; 0: there is none */
    uint64_t revision;
};

struct nki_object_put_info {
    uint64_t bytes;  /* that were given */
    uint64_t stored; /* of those, acked */
    uint64_t chunks;
};

/* One reference. Sends nothing but a subscription. NKI_INVALID: the name. */
int32_t nki_object_put_open(struct nki_object_store *store, struct nki_object_put_params *params,
                            struct nki_object_put **out, struct nki_error *err);
void nki_object_put_retain(struct nki_object_put *put);
void nki_object_put_release(struct nki_object_put *put);
struct nki_conn *nki_object_put_conn(const struct nki_object_put *put);

/* Takes bytes, waiting for room until the deadline (0: not at all); `*taken` may be less than `len` unless
 * NKI_OK. What has ended a put is given by every further call. NKI_BUSY: another thread is at it. */
int32_t nki_object_put_write(struct nki_object_put *put, const void *data, size_t len, int64_t deadline_ns,
                             size_t *taken, struct nki_error *err);
/* An operation that finishes when there is room for another chunk. */
int32_t nki_object_put_room(struct nki_object_put *put, int64_t deadline_ns, struct nki_op **op,
                            struct nki_error *err);
/* Sends what is left as the last chunk (waiting for room until `send_ns`), after which nothing is taken any
 * more; an operation that finishes when each chunk has its outcome. */
int32_t nki_object_put_done(struct nki_object_put *put, int64_t send_ns, int64_t deadline_ns, bool timed,
                            struct nki_op **op, struct nki_error *err);
/* After that: an operation that finishes with what the object is. NKI_BUSY before, while another one is
 * under way, and when nobody knows what became of one; after one that did not store it it may be done again.
 */
int32_t nki_object_put_finish(struct nki_object_put *put, const struct nki_js_begin *begin,
                              struct nki_op **op, struct nki_error *err);
/* Ends it unless it has stored what the object is: takes the chunks back; an operation that finishes when
 * they are gone, and may be begun again if it did not succeed. NKI_OK with no operation: there is nothing to
 * take back. NKI_BUSY: what the object is, is being stored, or may have been. */
int32_t nki_object_put_abort(struct nki_object_put *put, const struct nki_js_begin *begin, struct nki_op **op,
                             struct nki_error *err);
/* The same without waiting for it. To be called before the last reference is given up. */
void nki_object_put_close(struct nki_object_put *put);
void nki_object_put_info_get(struct nki_object_put *put, struct nki_object_put_info *out);

#endif
