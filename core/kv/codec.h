/* Codecs of keys and values (ADR-54): a key is one thing to the application, and another in the subject. Each
 * token is coded by itself, so that wildcards and prefixes go on meaning the same. Pure but for memory. */
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

/* In the order of the words of option `value_codec`. */
enum nki_kv_value_codec {
    NKI_KV_VALUE_PLAIN,
    NKI_KV_VALUE_BASE64 /* in the alphabet of URLs, without padding */
};

struct nki_kv_codecs {
    enum nki_kv_codec keys;
    enum nki_kv_value_codec values;
};

static inline bool nki_kv_codecs_any(struct nki_kv_codecs codecs)
{
    return codecs.keys != NKI_KV_PLAIN || codecs.values != NKI_KV_VALUE_PLAIN;
}

/* As one number of at most eight bits, for what maps messages by flags. */
static inline uint32_t nki_kv_codecs_pack(struct nki_kv_codecs codecs)
{
    return (uint32_t)codecs.keys | (uint32_t)codecs.values << 4;
}

static inline struct nki_kv_codecs nki_kv_codecs_unpack(uint32_t packed)
{
    return (struct nki_kv_codecs){.keys = (enum nki_kv_codec)(packed & 0xF),
                                  .values = (enum nki_kv_value_codec)(packed >> 4 & 0xF)};
}

/* Appends what the key, or with `wild` the pattern, is in a subject. Whether that can be one is for whoever
 * calls. NKI_OK, NKI_NO_MEMORY. */
int32_t nki_kv_encode(enum nki_kv_codec codec, struct nki_str key, bool wild, struct nki_buf *out);

/* What is wrong with the key (or pattern) as the application writes it, beyond what shows in the subject; or
 * NULL. */
const char *nki_kv_codec_fault(enum nki_kv_codec codec, struct nki_str key);

/* The key of a stored subject in its own place, where it takes as much room at most: its length. One that was
 * not made by the codec stays as it is. */
size_t nki_kv_decode(enum nki_kv_codec codec, char *key, size_t len);

/* Appends what the value is as it is stored. NKI_OK, NKI_NO_MEMORY. */
int32_t nki_kv_encode_value(enum nki_kv_value_codec codec, struct nki_str value, struct nki_buf *out);
/* The value in its own place, as nki_kv_decode does it. */
size_t nki_kv_decode_value(enum nki_kv_value_codec codec, char *value, size_t len);

/* Decodes the key in the subject, "$KV.<bucket>.<key>", and the value of a message that nobody else has seen
 * yet. */
void nki_kv_decode_msg(struct nki_kv_codecs codecs, struct nki_msg *msg);

#endif
