/* A growable buffer of bytes. Not shared between threads. */
#ifndef NKI_BASE_BUF_H
#define NKI_BASE_BUF_H

#include "base/str.h"

struct nki_buf {
    uint8_t *data;
    size_t len;
    size_t cap;
};

void nki_buf_free(struct nki_buf *buf);
/* Makes room for `extra` bytes behind the content; false if there is no memory (the content stays). */
bool nki_buf_reserve(struct nki_buf *buf, size_t extra) __attribute__((warn_unused_result));
bool nki_buf_append(struct nki_buf *buf, const void *data, size_t len) __attribute__((warn_unused_result));
bool nki_buf_append_str(struct nki_buf *buf, struct nki_str text) __attribute__((warn_unused_result));
bool nki_buf_append_u64(struct nki_buf *buf, uint64_t value) __attribute__((warn_unused_result));
/* Appends a JSON string with its quotes, escaped; `text` must be valid UTF-8. */
bool nki_buf_append_json(struct nki_buf *buf, struct nki_str text) __attribute__((warn_unused_result));
/* Removes `len` bytes from the front. */
void nki_buf_consume(struct nki_buf *buf, size_t len);

#endif
