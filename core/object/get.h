/* Getting an object: its chunks in their order, through whatever happens to connection and server, hashed by
 * who takes them. That it is complete is said only of content that has the digest and size of what the object
 * is: the last chunk is not given out before. One thread at a time reads; any thread may close. */
#ifndef NKI_OBJECT_GET_H
#define NKI_OBJECT_GET_H

#include "delivery/msg.h"
#include "object/store.h"

struct nki_object_get;
struct nki_conn;
struct nki_op;

/* `info`: a message of kind NKI_MSG_OBJECT, of which a reference is kept. NKI_OBJECT_DELETED, NKI_INVALID (it
 * is a link). One reference. */
int32_t nki_object_get_open(struct nki_object_store *store, struct nki_msg *info, struct nki_object_get **out,
                            struct nki_error *err);
void nki_object_get_retain(struct nki_object_get *get);
void nki_object_get_release(struct nki_object_get *get);
struct nki_conn *nki_object_get_conn(const struct nki_object_get *get);

/* Gives what there is, at least one byte, waiting for that until the deadline (0: not at all): NKI_OK,
 * NKI_END (all was given, and is right), NKI_OBJECT_CORRUPT, NKI_OBJECT_INCOMPLETE, NKI_WOULD_BLOCK,
 * NKI_TIMEOUT, NKI_CLOSED, NKI_BUSY, and why a stream cannot be read any more. */
int32_t nki_object_get_read(struct nki_object_get *get, void *out, size_t cap, int64_t deadline_ns,
                            size_t *len, struct nki_error *err);
/* An operation that finishes when there is something to read, or to tell. */
int32_t nki_object_get_ready(struct nki_object_get *get, int64_t deadline_ns, struct nki_op **op,
                             struct nki_error *err);
/* Bytes that were given, of how many. */
void nki_object_get_progress(struct nki_object_get *get, uint64_t *done, uint64_t *total);
void nki_object_get_close(struct nki_object_get *get);

#endif
