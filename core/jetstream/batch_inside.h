/* A batch between batch.c, which gathers its messages, and batch_commit.c, which sends them. */
#ifndef NKI_JETSTREAM_BATCH_INSIDE_H
#define NKI_JETSTREAM_BATCH_INSIDE_H

#include "base/buf.h"
#include "client/chain.h"
#include "jetstream/batch.h"
#include "wire/nuid.h"

/* Where a message's block has the batch's id: it is the first header. */
#define NKI_BATCH_ID_NAME "Nats-Batch-Id"
#define NKI_BATCH_ID_AT (sizeof "NATS/1.0\r\n" NKI_BATCH_ID_NAME ": " - 1)

/* What an added message excludes in others. */
struct nki_batch_mark {
    uint64_t subject; /* hashes */
    uint64_t msg_id;  /* 0: it has none */
};

/* Constant from the begin of the commit on, but for the ids, which belong to it. */
struct nki_batch_msgs {
    atomic_uint refs;
    size_t count;
    size_t cap;
    uint64_t bytes;
    struct nki_outgoing_msg *frames; /* each one allocation: header block, subject, data */
    struct nki_batch_mark *marks;
};

void nki_batch_msgs_release(struct nki_batch_msgs *msgs);

/* batch_commit.c: the chain that stores them; one reference of each is taken. */
int32_t nki_batch_chain(struct nki_js *js, struct nki_batch_msgs *msgs, struct nki_chain **out,
                        struct nki_error *err);

#endif
