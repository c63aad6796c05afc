/* The bounded cursor through which all wire parsing goes: it never reads past its end. */
#ifndef NKI_WIRE_CURSOR_H
#define NKI_WIRE_CURSOR_H

#include "base/str.h"

struct nki_cursor {
    const uint8_t *at;
    const uint8_t *end;
};

static inline struct nki_cursor nki_cursor_make(const void *data, size_t len)
{
    const uint8_t *at = data;
    return (struct nki_cursor){at, at + len};
}

static inline size_t nki_cursor_left(const struct nki_cursor *cursor)
{
    return (size_t)(cursor->end - cursor->at);
}

#endif
