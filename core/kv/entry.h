/* An entry of a bucket, read from the message that holds it: delivered by a consumer, or the answer to a
 * direct get. Pure. */
#ifndef NKI_KV_ENTRY_H
#define NKI_KV_ENTRY_H

#include "delivery/msg.h"
#include "kv/codec.h"

/* Numbers never change; natskit.h has the same. */
enum nki_kv_operation { NKI_KV_PUT = 1, NKI_KV_DELETE, NKI_KV_PURGE };

/* Texts point into the message. */
struct nki_kv_entry {
    struct nki_str bucket;
    struct nki_str key;
    struct nki_str value;
    uint64_t revision;
    uint64_t delta; /* entries that the consumer has still to deliver */
    int64_t time_ns;
    uint64_t value_len; /* also where the value was left out */
    enum nki_kv_operation operation;
};

/* What the headers say that was done (ADR-8, ADR-48): what is unknown has deleted. */
enum nki_kv_operation nki_kv_operation_of(struct nki_str header_block);
/* False if the message is none of a bucket. */
bool nki_kv_entry_read(const struct nki_msg *msg, struct nki_kv_entry *out);
/* Another message for an entry that a direct get has brought, in the form in which a consumer delivers it,
 * with key and value decoded. NULL if there is no memory. */
struct nki_msg *nki_kv_entry_decoded(const struct nki_msg *msg, const struct nki_kv_entry *entry,
                                     struct nki_kv_codecs codecs);

#endif
