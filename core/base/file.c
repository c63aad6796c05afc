/* Small files. Any thread that may wait. What is read may be secret, so it is never left behind in memory. */
#include "base/file.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int32_t tell_errno(const char *path, const char *what, int sys_errno, struct nki_error *err)
{
    int32_t status = sys_errno == ENOENT || sys_errno == ENOTDIR ? NKI_NOT_FOUND : NKI_SYSTEM;
    return nki_error_set_errno(err, status, sys_errno, "%s: %s", what, path);
}

/* Reads until the end, or one byte more than fits; -1 with errno. */
static ptrdiff_t fill(int fd, char *out, size_t cap)
{
    size_t len = 0;
    while (len < cap) {
        ssize_t got = pread(fd, out + len, cap - len, (off_t)len);
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

static int32_t tell_too_long(const char *path, const char *what, size_t max, struct nki_error *err)
{
    return nki_error_set(err, NKI_LIMIT, "%s: %s has more than %zu bytes", what, path, max);
}

static int32_t read_open(int fd, const char *path, size_t max, const char *what, struct nki_file *out,
                         struct nki_error *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return tell_errno(path, what, errno, err);
    }
    if (!S_ISREG(info.st_mode)) {
        return nki_error_set(err, NKI_INVALID, "%s: %s is not a file", what, path);
    }
    if (info.st_size < 0 || (uint64_t)info.st_size > max) {
        return tell_too_long(path, what, max, err);
    }
    /* Some files (of /proc) have no size before they are read, and any may grow meanwhile. */
    size_t cap = info.st_size > 0 ? (size_t)info.st_size + 1 : max + 1;
    char *ptr = nki_alloc(cap + 1);
    if (ptr == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    ptrdiff_t len = fill(fd, ptr, cap);
    if (len < 0 || (size_t)len == cap) {
        int sys_errno = errno;
        nki_free_secret(ptr, cap + 1);
        return len < 0 ? tell_errno(path, what, sys_errno, err)
                       : nki_error_set(err, NKI_LIMIT, "%s: %s grew while it was read", what, path);
    }
    ptr[len] = '\0';
    *out = (struct nki_file){ptr, (size_t)len, (info.st_mode & (S_IRGRP | S_IROTH)) != 0};
    return NKI_OK;
}

int32_t nki_file_read(const char *path, size_t max, const char *what, struct nki_file *out,
                      struct nki_error *err)
{
    *out = (struct nki_file){0};
    /* Without O_NONBLOCK the open of a FIFO that nobody writes would never return. */
    int fd;
    do {
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        return tell_errno(path, what, errno, err);
    }
    int32_t status = read_open(fd, path, max, what, out, err);
    (void)close(fd);
    return status;
}

void nki_file_free(struct nki_file *file)
{
    nki_free_secret(file->ptr, file->len);
    *file = (struct nki_file){0};
}
