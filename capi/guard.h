/* What every public function does first: checks its arguments and pins its objects. Pure but for the pins;
 * any thread. */
#ifndef NKI_CAPI_GUARD_H
#define NKI_CAPI_GUARD_H

#include "base/buf.h"
#include "base/clock.h"
#include "capi/handle.h"
#include "client/conn.h"
#include "wire/subject.h"

#include <string.h>

/* The core fills a caller's error through this cast. */
_Static_assert(sizeof(natskit_error) == sizeof(struct nki_error) &&
                   offsetof(natskit_error, status) == offsetof(struct nki_error, status) &&
                   offsetof(natskit_error, server_code) == offsetof(struct nki_error, server_code) &&
                   offsetof(natskit_error, err_code) == offsetof(struct nki_error, err_code) &&
                   offsetof(natskit_error, sys_errno) == offsetof(struct nki_error, sys_errno) &&
                   offsetof(natskit_error, text) == offsetof(struct nki_error, text),
               "natskit_error and struct nki_error are laid out alike");

/* Payloads beyond this never fit a server; the bound keeps sums of lengths from wrapping. */
#define NKI_CAPI_DATA_MAX ((size_t)INT32_MAX)

static inline struct nki_error *nki_capi_err(natskit_error *err)
{
    return (struct nki_error *)(void *)err;
}

/* Text or bytes of the caller. False if there is a length and no pointer. */
static inline bool nki_capi_str(const void *ptr, size_t len, struct nki_str *out)
{
    if (ptr == NULL) {
        *out = nki_str_make("", 0);
        return len == 0;
    }
    *out = nki_str_make(ptr, len == NATSKIT_ZLEN ? strlen(ptr) : len);
    return true;
}

static inline bool nki_capi_timeout_ok(int64_t timeout_ms)
{
    return timeout_ms >= -1;
}

/* For functions that wait: 0, which does not wait, stays 0. */
static inline int64_t nki_capi_deadline(int64_t timeout_ms)
{
    if (timeout_ms <= 0) {
        return timeout_ms == 0 ? 0 : NKI_NEVER;
    }
    return nki_deadline_ns(nki_clock_now_ns(), timeout_ms);
}

/* Copies as much of a filled structure as the caller has room for. */
static inline int32_t nki_capi_give(void *out, size_t out_size, const void *filled, size_t filled_size)
{
    memcpy(out, filled, out_size < filled_size ? out_size : filled_size);
    return NATSKIT_OK;
}

/* Pins, with an error text that names the object ("connection", ...). */
static inline int32_t nki_capi_pin(uint64_t id, int32_t kind, const char *what, struct nki_handle **out,
                                   natskit_error *err)
{
    int32_t status = nki_handle_pin(id, kind, out);
    if (NKI_UNLIKELY(status != NATSKIT_OK)) {
        nki_error_set(nki_capi_err(err), status, "%s: %s", what, nki_status_row(status)->text);
    }
    return status;
}

/* lib.c */

/* NATSKIT_INVALID with a text like: subject "a..b" has an empty token. */
int32_t nki_capi_fault(natskit_error *err, const char *what, struct nki_str value, const char *fault);
/* NATSKIT_INVALID for an argument that has no value to show. */
int32_t nki_capi_invalid(natskit_error *err, const char *text);
#ifdef __clang_analyzer__ /* as for nki_error_set */
#define nki_capi_fault(err, what, value, fault)                                                              \
    nki_status_known((nki_capi_fault)((err), (what), (value), (fault)), NATSKIT_INVALID)
#define nki_capi_invalid(err, text) nki_status_known((nki_capi_invalid)((err), (text)), NATSKIT_INVALID)
#endif
/* In a child after fork. */
void nki_capi_after_fork(void);

/* options.c */

/* Options that a call reads: locked until nki_capi_options_done; `options` is NULL for {0}. */
struct nki_capi_options {
    const struct nki_options *options;
    struct nki_handle *handle;
};
int32_t nki_capi_options_use(natskit_options options, int32_t scope, struct nki_capi_options *out,
                             natskit_error *err);
void nki_capi_options_done(struct nki_capi_options *use);
/* Checks a handle of which nothing is read. */
int32_t nki_capi_options_check(natskit_options options, int32_t scope, natskit_error *err);

/* headers.c */

/* The encoded block that a headers handle held at the time of the call; shared, and never changed while
 * anybody holds it. */
struct nki_capi_block {
    atomic_uint refs;
    struct nki_buf buf;
};
/* `*out` is NULL for {0} and for an empty set. */
int32_t nki_capi_headers_take(natskit_headers headers, struct nki_capi_block **out);
void nki_capi_block_release(struct nki_capi_block *block); /* NULL is allowed */
/* The same for a send that does not wait: the block is valid until *handle is unpinned. NATSKIT_OK with
 * *handle NULL: it is not lent, and has to be taken. */
int32_t nki_capi_headers_borrow(natskit_headers headers, struct nki_handle **handle, struct nki_str *block);

static inline struct nki_str nki_capi_block_str(const struct nki_capi_block *block)
{
    return block != NULL ? nki_str_make((const char *)block->buf.data, block->buf.len) : nki_str_make("", 0);
}

/* json.c */

struct nki_doc;
/* A document that a call reads: pinned and locked until nki_capi_json_done; `doc` is NULL for {0}. */
struct nki_capi_json {
    struct nki_doc *doc;
    struct nki_handle *handle;
};
int32_t nki_capi_json_use(natskit_json json, struct nki_capi_json *out, natskit_error *err);
void nki_capi_json_done(struct nki_capi_json *use);
/* A new document, which takes over `doc`. */
int32_t nki_capi_json_give(struct nki_doc *doc, natskit_json *out, natskit_error *err);
/* The same from a text. */
int32_t nki_capi_json_read(struct nki_str text, natskit_json *out, natskit_error *err);

/* js_publish.c */

/* Checks what is published to a stream, with an error text; the header block is left empty. */
int32_t nki_capi_check_published(const char *subject, size_t subject_len, const void *data, size_t data_len,
                                 struct nki_outgoing_msg *out, natskit_error *err);

/* publish.c */

/* Checks what is common to all that is published: subject, reply and sizes; the header block is filled in
 * later. */
static inline int32_t nki_capi_check_outgoing(const char *subject, size_t subject_len, const char *reply,
                                              size_t reply_len, const void *data, size_t data_len,
                                              struct nki_outgoing_msg *out)
{
    if (NKI_UNLIKELY(!nki_capi_str(subject, subject_len, &out->subject) ||
                     !nki_capi_str(reply, reply_len, &out->reply) ||
                     !nki_capi_str(data, data_len, &out->data))) {
        return NATSKIT_INVALID;
    }
    if (NKI_UNLIKELY(nki_subject_publish_fault(out->subject) != NULL)) {
        return NATSKIT_INVALID;
    }
    if (out->reply.len > 0 && NKI_UNLIKELY(nki_subject_publish_fault(out->reply) != NULL)) {
        return NATSKIT_INVALID;
    }
    if (NKI_UNLIKELY(out->data.len > NKI_CAPI_DATA_MAX)) {
        return NATSKIT_TOO_LARGE;
    }
    out->header_block = nki_str_make("", 0);
    return NATSKIT_OK;
}

#define NKI_CAPI_BATCH_STEP 64 /* messages of a batch that are checked and handed over together */

struct nki_capi_batch {
    struct nki_outgoing_msg msgs[NKI_CAPI_BATCH_STEP];
    struct nki_capi_block *blocks[NKI_CAPI_BATCH_STEP];
    size_t len;
};

/* Fills the next step of a batch of natskit_outgoing; returns why it could not be filled wholly. */
int32_t nki_capi_batch_fill(struct nki_capi_batch *batch, const char *at, size_t msg_size, size_t count);
void nki_capi_batch_drop(struct nki_capi_batch *batch);

/* sub.c */

extern const struct nki_handle_ops nki_capi_sub_ops;

/* request.c */

/* Begins a request as options of scope REQUEST say. */
int32_t nki_capi_request_begin(struct nki_conn *conn, const struct nki_outgoing_msg *msg,
                               natskit_options options, int64_t timeout_ms, struct nki_op **op,
                               natskit_error *err);

/* Begins a request for many replies as options of scope REQUEST_MANY say ({0}: as their defaults). */
int32_t nki_capi_many(natskit_options options,
                      int32_t (*begin)(void *what, const struct nki_many_params *params), void *what,
                      natskit_error *err);

/* op.c */

extern const struct nki_handle_ops nki_capi_op_ops;

/* How an operation on a connection, a subscription or a publisher begins. */
struct nki_capi_start {
    int32_t kind; /* of the object's handle */
    int32_t (*begin)(void *object, uint64_t bytes, int64_t deadline_ns, struct nki_op **op,
                     struct nki_error *err);
    uint64_t bytes; /* for those that want it */
};
/* Pins the object that it is for; `*conn` is its connection. */
natskit_status nki_capi_pin_start(const struct nki_capi_start *start, uint64_t object,
                                  struct nki_handle **pinned, struct nki_conn **conn, natskit_error *err);
/* Begins an operation on the object by its id, and gives it a handle. */
natskit_status nki_capi_start(const struct nki_capi_start *start, uint64_t object, natskit_options options,
                              int64_t timeout_ms, natskit_op *op, natskit_error *err);
/* Makes an operation valid under its handle, which takes over the caller's reference. */
void nki_capi_publish_op(struct nki_conn *conn, struct nki_handle *handle, struct nki_op *op);
/* Waits for an operation and drops it: its own status, or why the wait ended. `reply` may be NULL. */
int32_t nki_capi_finish_op(struct nki_conn *conn, struct nki_op *op, int64_t deadline_ns,
                           struct nki_msg **reply, natskit_error *err);

/* js_common.c: calls that several objects of JetStream have */

struct nki_js;

/* What is opened on another object: its handle holds nothing of the other's. */
struct nki_capi_opening {
    int32_t on_kind;
    const char *on_what;
    int32_t kind;
    const struct nki_handle_ops *ops;
    /* `how`: what it is told beside the options. */
    int32_t (*open)(void *on, const void *how, natskit_options options, void **object, natskit_error *err);
};

/* Opens it under a handle of its own; `out` may be NULL, which is an error. */
natskit_status nki_capi_open_on(const struct nki_capi_opening *opening, uint64_t on, const void *how,
                                natskit_options options, uint64_t *out, natskit_error *err);

/* What comes with a subscription of what becomes of it. */
struct nki_capi_pair {
    int32_t kind;
    const struct nki_handle_ops *ops;
    const char *sub_name; /* of the argument for the subscription */
    int32_t (*open)(struct nki_js *js, natskit_options options, void **object, struct nki_sub **sub,
                    natskit_error *err);
};

/* Opens both under handles of their own, or none; `out` and `sub_out` may be NULL, which is an error. */
natskit_status nki_capi_open_pair(const struct nki_capi_pair *pair, natskit_js js, natskit_options options,
                                  uint64_t *out, uint64_t *sub_out, natskit_error *err);

/* What is committed: `commit` always sets `*outcome`. */
struct nki_capi_commit {
    int32_t kind;
    const char *what;
    int32_t (*commit)(void *object, int64_t deadline_ns, struct nki_msg **ack, int32_t *outcome,
                      struct nki_error *err);
};

/* `ack` and `outcome` may be NULL. */
natskit_status nki_capi_commit(const struct nki_capi_commit *call, uint64_t id, int64_t timeout_ms,
                               natskit_msg **ack, int32_t *outcome, natskit_error *err);

#endif
