/* What an object is (ADR-20): as JSON in the store, and read from there. Pure. */
#ifndef NKI_OBJECT_INFO_H
#define NKI_OBJECT_INFO_H

#include "base/buf.h"
#include "delivery/msg.h"

#define NKI_OBJECT_CHUNK_SIZE ((uint64_t)128 * NKI_KIB) /* unless it is told otherwise */

/* Texts of one that was read lie in its message. */
struct nki_object_info {
    struct nki_str bucket; /* that it is stored in */
    struct nki_str name;
    struct nki_str description;
    struct nki_str headers;  /* a JSON object of arrays of strings; empty: none */
    struct nki_str metadata; /* a JSON object of strings; empty: none */
    struct nki_str nuid;
    struct nki_str digest;
    struct nki_str link_bucket; /* empty: it is no link */
    struct nki_str link_name;   /* empty: a link to a store */
    uint64_t size;
    uint64_t chunks;
    uint64_t max_chunk_size;
    uint64_t revision; /* its sequence in the stream */
    int64_t time_ns;   /* when it was stored */
    bool deleted;
};

/* Appends the JSON. The texts are valid UTF-8. */
bool nki_object_info_write(struct nki_buf *out, const struct nki_object_info *info)
    __attribute__((warn_unused_result));

/* Makes a message of kind NKI_MSG_OBJECT, whose data is the JSON, of what is stored under a subject: NKI_OK,
 * NKI_PROTOCOL (it is no object's), NKI_NO_MEMORY. Linear in the JSON's length. */
int32_t nki_object_info_msg(struct nki_str subject, struct nki_str json, uint64_t revision, int64_t time_ns,
                            struct nki_msg **out);
/* What such a message holds. */
const struct nki_object_info *nki_object_info_of(const struct nki_msg *msg);

#endif
