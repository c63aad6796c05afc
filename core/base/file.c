/* Reading small files: see file.h. */
#include "base/file.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads up to `cap` bytes; how many, or -1 with errno. */
static ptrdiff_t read_all(int fd, char *out, size_t cap)
{
    size_t len = 0;
    while (len < cap) {
        ssize_t got = read(fd, out + len, cap - len);
        if (got == 0) {
            break;
        }
        if (got < 0 && errno != EINTR) {
            return -1;
        }
        len += got > 0 ? (size_t)got : 0;
    }
    return (ptrdiff_t)len;
}

static int32_t read_open(int fd, const char *path, size_t max, const char *what, int32_t status,
                         struct nki_file *out, struct nki_error *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return nki_error_set_errno(err, status, errno, "%s %s", what, path);
    }
    if (!S_ISREG(info.st_mode)) {
        return nki_error_set(err, status, "%s %s: not a regular file", what, path);
    }
    /* One byte more than there is shows that it has grown; it is reported as any that is too long. */
    size_t cap = info.st_size >= 0 && (uint64_t)info.st_size < max ? (size_t)info.st_size + 1 : max + 1;
    char *data = nki_alloc(cap + 1);
    if (data == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    ptrdiff_t len = read_all(fd, data, cap);
    if (len < 0 || (size_t)len == cap) {
        int sys_errno = len < 0 ? errno : 0;
        nki_free_secret(data, cap);
        if (len < 0) {
            return nki_error_set_errno(err, status, sys_errno, "%s %s", what, path);
        }
        return cap == max + 1 ? nki_error_set(err, status, "%s %s: longer than %zu bytes", what, path, max)
                              : nki_error_set(err, status, "%s %s: it changes while it is read", what, path);
    }
    data[len] = '\0';
    *out = (struct nki_file){data, (size_t)len};
    return NKI_OK;
}

int32_t nki_file_read(const char *path, size_t max, const char *what, int32_t status, struct nki_file *out,
                      struct nki_error *err)
{
    /* A pipe without a writer must not hold us up. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return nki_error_set_errno(err, status, errno, "%s %s", what, path);
    }
    status = read_open(fd, path, max, what, status, out, err);
    (void)close(fd);
    return status;
}

void nki_file_free(struct nki_file *file)
{
    nki_free_secret(file->data, file->data != NULL ? file->len : 0);
    *file = (struct nki_file){NULL, 0};
}
