/* Small files, read whole. Waits for the file system: never on the I/O thread. */
#ifndef NKI_BASE_FILE_H
#define NKI_BASE_FILE_H

#include "base/status.h"
#include "base/str.h"

/* A file's content. */
struct nki_file {
    char *ptr; /* NUL-terminated behind `len` bytes */
    size_t len;
    bool others_may_read; /* its permissions let more than its owner read it */
};

/* Reads a regular file of at most `max` bytes; `path` is NUL-terminated. What does not fit or is no regular
 * file gives NKI_LIMIT or NKI_INVALID, what the system refuses NKI_NOT_FOUND (there is none) or NKI_SYSTEM,
 * with errno; NKI_NO_MEMORY. The error text begins with `what` ("creds_file") and holds the path, nothing of
 * the content. */
int32_t nki_file_read(const char *path, size_t max, const char *what, struct nki_file *out,
                      struct nki_error *err);
/* Wipes and frees. */
void nki_file_free(struct nki_file *file);

#endif
