/* The table of statuses, and errors with a text of one clean line. Pure; any thread. */
#include "base/status.h"

#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>

static const struct nki_status_row rows[] = {
#define STATUS(name, number, class, text) {(number), NKI_CLASS_##class, #name, (text)},
#include "base/status.def"
#undef STATUS
};

const struct nki_status_row *nki_status_at(size_t index)
{
    return index < NKI_ARRAY_LEN(rows) ? &rows[index] : NULL;
}

const struct nki_status_row *nki_status_row(int32_t status)
{
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        if (rows[i].status == status) {
            return &rows[i];
        }
    }
    return NULL;
}

/* strerror, but never in the language of the host's locale where the C library allows to choose. */
static const char *errno_text(int sys_errno)
{
#ifdef __GLIBC__
    const char *text = strerrordesc_np(sys_errno);
#else
    const char *text = strerror(sys_errno);
#endif
    return text != NULL ? text : "unknown error of the system";
}

static bool is_control(const char *at, size_t step)
{
    unsigned char byte = (unsigned char)at[0];
    return byte < 0x20 || byte == 0x7F || (step == 2 && byte == 0xC2 && (unsigned char)at[1] < 0xA0);
}

/* Makes one line of valid UTF-8 of `text`, in place. If it was `cut`, a sequence broken by that is dropped.
 * Returns the new length. */
static size_t clean(char *text, size_t len, bool cut)
{
    size_t at = 0;
    while (at < len) {
        size_t step = nki_str_utf8_len(nki_str_make(text + at, len - at));
        if (step == 0 && cut && len - at < 4 && (unsigned char)text[at] >= 0xC2) {
            len = at;
        } else if (step == 0) {
            text[at++] = '?';
        } else if (is_control(text + at, step)) {
            memset(text + at, '?', step);
            at += step;
        } else {
            at += step;
        }
    }
    text[len] = '\0';
    return len;
}

__attribute__((format(printf, 4, 0))) static int32_t fill(struct nki_error *err, int32_t status,
                                                          int sys_errno, const char *format, va_list args)
{
    char suffix[128] = "";
    if (err == NULL) {
        return status;
    }
    memset(err, 0, sizeof *err);
    err->status = status;
    err->sys_errno = sys_errno;
    if (sys_errno != 0) {
        (void)snprintf(suffix, sizeof suffix, ": %s", errno_text(sys_errno));
    }
    size_t room = sizeof err->text - strlen(suffix); /* the errno's text is kept, whatever stands before it */
    int len = format != NULL ? vsnprintf(err->text, room, format, args) : -1;
    if (len < 0) {
        const struct nki_status_row *row = nki_status_row(status);
        len = snprintf(err->text, room, "%s", row != NULL ? row->text : "unknown status");
    }
    bool cut = (size_t)len >= room;
    size_t kept = clean(err->text, cut ? room - 1 : (size_t)len, cut);
    memcpy(err->text + kept, suffix, strlen(suffix) + 1);
    return status;
}

int32_t(nki_error_set)(struct nki_error *err, int32_t status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(err, status, 0, format, args);
    va_end(args);
    return status;
}

int32_t nki_error_set_errno(struct nki_error *err, int32_t status, int sys_errno, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(err, status, sys_errno, format, args);
    va_end(args);
    return status;
}
