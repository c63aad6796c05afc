/* A growable buffer of bytes. One thread at a time. */
#include "base/buf.h"

#include "base/alloc.h"

#define CAP_MIN 64

void nki_buf_free(struct nki_buf *buf)
{
    nki_free(buf->data);
    *buf = (struct nki_buf){0};
}

bool nki_buf_reserve(struct nki_buf *buf, size_t extra)
{
    size_t need;
    if (extra <= buf->cap - buf->len) {
        return true;
    }
    if (__builtin_add_overflow(buf->len, extra, &need)) {
        return false;
    }
    /* Doubling makes many small appends linear in all. */
    size_t cap = buf->cap > SIZE_MAX / 2 ? SIZE_MAX : buf->cap * 2;
    if (cap < need) {
        cap = need;
    }
    if (cap < CAP_MIN) {
        cap = CAP_MIN;
    }
    uint8_t *data = nki_realloc(buf->data, cap);
    if (data == NULL) {
        return false;
    }
    buf->data = data;
    buf->cap = cap;
    return true;
}

bool nki_buf_append(struct nki_buf *buf, const void *data, size_t len)
{
    if (!nki_buf_reserve(buf, len)) {
        return false;
    }
    if (len > 0) {
        memcpy(buf->data + buf->len, data, len);
        buf->len += len;
    }
    return true;
}

bool nki_buf_append_str(struct nki_buf *buf, struct nki_str text)
{
    return nki_buf_append(buf, text.ptr, text.len);
}

bool nki_buf_append_u64(struct nki_buf *buf, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return nki_buf_append(buf, digits + at, sizeof digits - at);
}

/* The letter of a character's short escape, 'u' if it needs the long one, 0 if it needs none. */
static char escape_of(unsigned char byte)
{
    switch (byte) {
    case '"':
    case '\\':
        return (char)byte;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return byte < 0x20 ? 'u' : '\0';
    }
}

bool nki_buf_append_json(struct nki_buf *buf, struct nki_str text)
{
    static const char hex[] = "0123456789abcdef";
    size_t size = 2;
    assert(nki_str_utf8_valid(text));
    for (size_t i = 0; i < text.len; i++) {
        char escape = escape_of((unsigned char)text.ptr[i]);
        size += escape == '\0' ? 1 : escape == 'u' ? 6 : 2;
    }
    if (!nki_buf_reserve(buf, size)) {
        return false;
    }
    uint8_t *out = buf->data + buf->len;
    *out++ = '"';
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        char escape = escape_of(byte);
        if (escape == '\0') {
            *out++ = byte;
        } else {
            *out++ = '\\';
            *out++ = (uint8_t)escape;
        }
        if (escape == 'u') {
            memcpy(out, "00", 2);
            out[2] = (uint8_t)hex[byte >> 4];
            out[3] = (uint8_t)hex[byte & 15];
            out += 4;
        }
    }
    *out++ = '"';
    buf->len = (size_t)(out - buf->data);
    return true;
}

void nki_buf_consume(struct nki_buf *buf, size_t len)
{
    assert(len <= buf->len);
    buf->len -= len;
    if (len > 0 && buf->len > 0) {
        memmove(buf->data, buf->data + len, buf->len);
    }
}
