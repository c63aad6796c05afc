/* Small files that are read whole: keys, certificates, credentials. Blocks: never on the I/O thread. */
#ifndef NKI_BASE_FILE_H
#define NKI_BASE_FILE_H

#include "base/status.h"
#include "base/str.h"

/* What a file holds; to be given back by nki_file_free, which wipes it. */
struct nki_file {
    char *data; /* NUL-terminated, which does not count */
    size_t len;
};

/* Reads a regular file of at most `max` bytes; with `status` and a text that names `what` and the path if it cannot
 * be read or is longer, or NKI_NO_MEMORY. */
int32_t nki_file_read(const char *path, size_t max, const char *what, int32_t status, struct nki_file *out,
                      struct nki_error *err);
void nki_file_free(struct nki_file *file);

#endif
