/* Status numbers and error texts. Pure; any thread. */
#ifndef NKI_BASE_STATUS_H
#define NKI_BASE_STATUS_H

#include <stddef.h>
#include <stdint.h>

enum nki_status {
#define STATUS(name, number, class, text) NKI_##name = (number),
#include "base/status.def"
#undef STATUS
};

enum nki_status_class {
    NKI_CLASS_OK,
    NKI_CLASS_USAGE,
    NKI_CLASS_OUTCOME,
    NKI_CLASS_LIMIT,
    NKI_CLASS_NETWORK,
    NKI_CLASS_PROTOCOL,
    NKI_CLASS_AUTH,
    NKI_CLASS_SYSTEM,
    NKI_CLASS_JETSTREAM
};

/* Same layout as natskit_error. */
struct nki_error {
    int32_t status;
    int32_t server_code;
    int32_t err_code;
    int32_t sys_errno;
    char text[496];
};

struct nki_status_row {
    int32_t status;
    int32_t status_class;
    const char *name;
    const char *text;
};

/* The index-th row, or NULL past the last. */
const struct nki_status_row *nki_status_at(size_t index);
/* The row of a status, or NULL. */
const struct nki_status_row *nki_status_row(int32_t status);

/* Fills `err` (may be NULL) and returns `status`. The text is cut to one line of valid UTF-8: control
 * characters of arguments become '?'. Without a format (NULL) the status's own text is taken. */
int32_t nki_error_set(struct nki_error *err, int32_t status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same, with an errno that is kept and described at the end of the text. */
int32_t nki_error_set_errno(struct nki_error *err, int32_t status, int sys_errno, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#ifdef __clang_analyzer__
/* The analyzer, which sees one file at a time, has to be told which status is returned. */
static inline int32_t nki_status_known(int32_t returned, int32_t status)
{
    (void)returned;
    return status;
}
#define nki_error_set(err, status, ...)                                                                      \
    nki_status_known((nki_error_set)((err), (status), __VA_ARGS__), (status))
#endif

#endif
