/* Codecs of keys (ADR-54): a key is one thing to the application, and another in the subject. Each token is
 * coded by itself, so that wildcards and prefixes go on meaning the same. Pure but for memory. */
#ifndef NKI_KV_CODEC_H
#define NKI_KV_CODEC_H

#include "base/buf.h"
#include "delivery/msg.h"

/* In the order of the words of option `codec`. */
enum nki_kv_codec {
    NKI_KV_PLAIN,
    NKI_KV_BASE64, /* each token in the alphabet of URLs, without padding: keys may hold any bytes */
    NKI_KV_PATH    /* "/a/b" is "_root_.a.b", "a/b" is "a.b"; a slash at the end goes */
};

/* Appends what the key, or with `wild` the pattern, is in a subject. Whether that can be one is for whoever
 * calls. NKI_OK, NKI_NO_MEMORY. */
int32_t nki_kv_encode(enum nki_kv_codec codec, struct nki_str key, bool wild, struct nki_buf *out);

/* What is wrong with the key (or pattern) as the application writes it, beyond what shows in the subject; or
 * NULL. */
const char *nki_kv_codec_fault(enum nki_kv_codec codec, struct nki_str key);

/* The key of a stored subject in its own place, where it takes as much room at most: its length. One that was
 * not made by the codec stays as it is. */
size_t nki_kv_decode(enum nki_kv_codec codec, char *key, size_t len);

/* Decodes the key in the subject of a message that nobody else has seen yet: "$KV.<bucket>.<key>". */
void nki_kv_decode_msg(enum nki_kv_codec codec, struct nki_msg *msg);

#endif
