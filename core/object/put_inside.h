/* A put between its files: put.c takes the bytes, put_finish.c stores what the object is, or takes the chunks
 * back. */
#ifndef NKI_OBJECT_PUT_INSIDE_H
#define NKI_OBJECT_PUT_INSIDE_H

#include "jetstream/publisher.h"
#include "object/digest.h"
#include "object/info.h"
#include "object/put.h"
#include "wire/nuid.h"

#include <pthread.h>

/* Who decides what becomes of it goes from OPEN to one of the others. */
enum nki_put_state {
    NKI_PUT_OPEN,
    NKI_PUT_STORING, /* what it is was sent; nobody knows yet */
    NKI_PUT_STORED,
    NKI_PUT_ABORTED
};

struct nki_object_put {
    atomic_uint refs;

    /* constant */
    struct nki_object_store *store; /* a reference */
    struct nki_publisher *publisher;
    struct nki_sub *acks;
    uint64_t chunk_size;
    bool has_revision;
    uint64_t revision;
    char nuid[NKI_NUID_LEN];
    struct nki_buf name;
    struct nki_object_meta meta;
    struct nki_buf subject; /* of its chunks, as published */

    /* any thread */
    atomic_int state;      /* enum nki_put_state */
    atomic_bool purged;    /* ABORTED: its chunks are gone */
    atomic_bool finishing; /* a finish is under way */
    _Atomic uint64_t bytes;
    _Atomic uint64_t stored;
    _Atomic uint64_t chunks;

    /* guarded by mu */
    pthread_mutex_t mu;
    bool complete; /* all was given */
    struct nki_digest *digest;
    uint8_t hash[NKI_DIGEST_BYTES]; /* once complete */
    struct nki_buf rest;            /* of a chunk that is not full */
    struct nki_buf block;           /* headers of the next chunk */
    uint64_t *seqs;                 /* ring: sequence of the chunk with the publisher's id; 0: not known */
    uint64_t seqs_mask;
    uint64_t checked;       /* id up to which they are in order */
    uint64_t last_seq;      /* of that */
    struct nki_error fault; /* what has ended it; status 0: nothing */
};

static inline struct nki_str nki_put_nuid(const struct nki_object_put *put)
{
    return nki_str_make(put->nuid, NKI_NUID_LEN);
}

/* Whether all that was given is stored, and nobody is finishing it: the caller is then, and resets
 * `finishing`. NKI_BUSY, or what has ended it. */
int32_t nki_object_put_ready(struct nki_object_put *put, struct nki_error *err);
/* What the object is to be. */
void nki_put_describe(const struct nki_object_put *put, struct nki_object_info *info,
                      char digest[NKI_DIGEST_TEXT]);

#endif
