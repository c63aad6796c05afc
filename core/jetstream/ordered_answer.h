/* What an ordered consumer reads in the answers of a server. Pure. */
#ifndef NKI_JETSTREAM_ORDERED_ANSWER_H
#define NKI_JETSTREAM_ORDERED_ANSWER_H

#include "base/json.h"
#include "base/rfc3339.h"

/* 0 if there is none. */
static inline uint64_t nki_ordered_number(const struct nki_json_value *object, struct nki_str name)
{
    struct nki_json_value value;
    uint64_t number = 0;
    return nki_json_member(object, name, &value) && nki_json_u64(&value, &number) ? number : 0;
}

/* When the stream or consumer was made, by the server's clock. */
static inline int64_t nki_ordered_created_ns(const struct nki_json_value *answer)
{
    struct nki_json_value value;
    char text[64];
    int64_t ns = 0;
    bool has =
        nki_json_member(answer, NKI_STR("created"), &value) && nki_json_text(&value, text, sizeof text) > 0;
    return has && nki_rfc3339_read(nki_str_z(text), &ns) ? ns : 0;
}

#endif
