/* Atomic batches (ADR-50): messages that a stream stores together, one behind the other, or not at all.
 *
 * They are gathered here, and nothing is sent before the commit: so a connection that is lost while messages
 * are added costs nothing, the server does not give a batch up for its age, and what would be refused for its
 * form is refused when it is added. */
#ifndef NKI_JETSTREAM_BATCH_H
#define NKI_JETSTREAM_BATCH_H

#include "jetstream/context.h"
#include "jetstream/pub_ack.h"

#define NKI_BATCH_MSGS_MAX 1000 /* server 2.15 */

struct nki_batch;

struct nki_batch_info {
    uint64_t msgs;
    uint64_t bytes; /* subjects, headers and data */
    bool committed; /* a commit was begun */
};

/* `options` of scope BATCH, or NULL. NKI_OK, NKI_NO_MEMORY. One reference. */
int32_t nki_batch_open(struct nki_js *js, const struct nki_options *options, struct nki_batch **out,
                       struct nki_error *err);
void nki_batch_retain(struct nki_batch *batch);
void nki_batch_release(struct nki_batch *batch);
/* Lives as long as it. */
struct nki_js *nki_batch_js(const struct nki_batch *batch);

/* Any thread. Adds a copy of `msg` (its reply is not used). NKI_INVALID for headers that the server would
 * refuse in a batch; NKI_LIMIT beyond its messages or bytes; NKI_TOO_LARGE, NKI_NO_MEMORY; NKI_CLOSED once a
 * commit was begun. */
int32_t nki_batch_add(struct nki_batch *batch, const struct nki_outgoing_msg *msg, struct nki_error *err);

/* Any thread. An operation that stores the batch, and finishes by the deadline with the ack of its last
 * message (pub_ack.h) or an error: with outcome UNKNOWN only if the commit was sent and not answered. Once
 * begun the batch takes nothing more; if this fails it is as before. NKI_INVALID: there is no message. */
int32_t nki_batch_commit_begin(struct nki_batch *batch, const struct nki_js_begin *begin, struct nki_op **op,
                               struct nki_error *err);
/* The same, waiting for it. `*outcome` is always set. */
int32_t nki_batch_commit(struct nki_batch *batch, int64_t deadline_ns, struct nki_msg **ack, int32_t *outcome,
                         struct nki_error *err);
void nki_batch_info_get(struct nki_batch *batch, struct nki_batch_info *out);

#endif
