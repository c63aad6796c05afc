/* Small files: read whole, refused when they are too long, missing, no file, or when there is no memory. */
#include "base/file.h"

#include "cmocka_all.h"
#include "refuse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];
static char path[96];

static void write_file(const char *text, size_t len)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/nki-file-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    snprintf(path, sizeof path, "%s/file", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void test_content(void **state)
{
    (void)state;
    struct nki_file file;
    uint64_t before = nki_alloc_bytes();
    write_file("abc\0d", 5);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(nki_file_read(path, 5, "creds_file", &file, NULL), NKI_OK);
    assert_int_equal(file.len, 5);
    assert_memory_equal(file.ptr, "abc\0d", 6);
    assert_false(file.others_may_read);
    nki_file_free(&file);
    assert_null(file.ptr);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(nki_file_read(path, 100, "creds_file", &file, NULL), NKI_OK);
    assert_true(file.others_may_read);
    nki_file_free(&file);
    write_file("", 0);
    assert_int_equal(nki_file_read(path, 100, "creds_file", &file, NULL), NKI_OK);
    assert_int_equal(file.len, 0);
    nki_file_free(&file);
    assert_int_equal(nki_alloc_bytes(), before);
}

static void test_no_size_before(void **state)
{
    (void)state;
    struct nki_file file;
    struct nki_error err;
    assert_int_equal(nki_file_read("/proc/self/stat", 4096, "file", &file, NULL), NKI_OK);
    assert_true(file.len > 10);
    nki_file_free(&file);
    assert_int_equal(nki_file_read("/proc/self/stat", 5, "file", &file, &err), NKI_LIMIT);
}

static void test_refused(void **state)
{
    (void)state;
    struct nki_file file;
    struct nki_error err;
    char fifo[112];
    write_file("secret", 6);
    assert_int_equal(nki_file_read(path, 5, "creds_file", &file, &err), NKI_LIMIT);
    assert_non_null(strstr(err.text, "creds_file: "));
    assert_non_null(strstr(err.text, path));
    assert_null(strstr(err.text, "secret"));
    assert_null(file.ptr);
    assert_int_equal(nki_file_read(folder, 100, "creds_file", &file, &err), NKI_INVALID);
    assert_int_equal(nki_file_read("/nowhere/at/all", 100, "creds_file", &file, &err), NKI_NOT_FOUND);
    assert_int_equal(err.sys_errno, ENOENT);
    snprintf(fifo, sizeof fifo, "%s/no/folder", path);
    assert_int_equal(nki_file_read(fifo, 100, "creds_file", &file, &err), NKI_NOT_FOUND);
    snprintf(fifo, sizeof fifo, "%s/fifo", folder);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(nki_file_read(fifo, 100, "creds_file", &file, &err), NKI_INVALID);
    unlink(fifo);
    assert_int_equal(symlink(fifo, fifo), 0);
    assert_int_equal(nki_file_read(fifo, 100, "creds_file", &file, &err), NKI_SYSTEM);
    assert_int_equal(err.sys_errno, ELOOP);
    unlink(fifo);
}

static void test_no_memory(void **state)
{
    (void)state;
    struct nki_file file;
    write_file("secret", 6);
    for (long nth = 1; refuse_begin(nth); nth++) {
        int32_t status = nki_file_read(path, 100, "creds_file", &file, NULL);
        assert_int_equal(status, refuse_happened() ? NKI_NO_MEMORY : NKI_OK);
        nki_file_free(&file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_content),
        cmocka_unit_test(test_no_size_before),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
