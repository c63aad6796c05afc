/* Requests that wait for their reply: one wildcard inbox for all, each found by the token at the end of its
 * reply subject. A token is never used twice. Everything here runs under the connection's engine lock. */
#ifndef NKI_CLIENT_REPLIES_H
#define NKI_CLIENT_REPLIES_H

#include "base/buf.h"
#include "delivery/op.h"
#include "wire/nuid.h"

struct nki_replies_slot {
    struct nki_op *op; /* a reference; NULL: free */
    uint64_t token;
    uint32_t next_free;
};

struct nki_replies {
    struct nki_replies_slot *slots;
    uint32_t cap;
    uint32_t used;
    uint32_t free_head; /* index + 1; 0: none */
    uint64_t serial;
    uint64_t late; /* replies that found nobody */
    uint64_t sid;  /* of the inbox; 0: not subscribed yet */
    char *prefix;  /* "<inbox prefix>.<nuid>." */
    size_t prefix_len;
};

#define NKI_REPLIES_TOKEN_MAX 11
#define NKI_REPLIES_INDEX_BITS 20
#define NKI_REPLIES_MAX (1u << NKI_REPLIES_INDEX_BITS) /* requests in flight on one connection */

/* False if there is no memory. */
bool nki_replies_init(struct nki_replies *replies, struct nki_str inbox_prefix, struct nki_nuid *nuid)
    __attribute__((warn_unused_result));
/* Every request was finished before. */
void nki_replies_free(struct nki_replies *replies);

/* Registers the operation (a reference of its own) and writes its reply subject to `subject` (prefix_len +
 * NKI_REPLIES_TOKEN_MAX bytes); its length, or 0 if there is no memory or too many are in flight. */
size_t nki_replies_add(struct nki_replies *replies, struct nki_op *op, char *subject);
/* The operation a reply subject belongs to; NULL if there is none. */
struct nki_op *nki_replies_find(const struct nki_replies *replies, struct nki_str subject);
/* The operation a reply subject belongs to, taken out of the table with its reference; NULL if there is none.
 */
struct nki_op *nki_replies_take(struct nki_replies *replies, struct nki_str subject);
/* Forgets an operation, dropping the reference; harmless if it is not registered. */
void nki_replies_remove(struct nki_replies *replies, struct nki_op *op);
/* Iterates over the registered operations: begin with *at = 0; NULL when there is none left. The one given
 * may be removed, none may be added meanwhile. */
struct nki_op *nki_replies_next(const struct nki_replies *replies, uint32_t *at);
/* Appends the SUB of the inbox. False if there is no memory. */
bool nki_replies_emit_sub(const struct nki_replies *replies, struct nki_buf *out)
    __attribute__((warn_unused_result));

#endif
