/* The table of statuses, and that an error's text is always one line of valid UTF-8 that fits. */
#include "base/status.h"

#include "base/str.h"
#include "cmocka_all.h"

#include <errno.h>
#include <string.h>

static void test_table_is_consistent(void **state)
{
    (void)state;
    size_t count = 0;
    const struct nki_status_row *row;
    while ((row = nki_status_at(count)) != NULL) {
        assert_ptr_equal(nki_status_row(row->status), row); /* numbers are unique */
        assert_true(row->status <= 0);
        assert_int_equal(row->status == 0, row->status_class == NKI_CLASS_OK);
        assert_true(strlen(row->name) > 0 && strlen(row->text) > 0);
        for (size_t i = 0; i < count; i++) {
            assert_string_not_equal(nki_status_at(i)->name, row->name);
        }
        count++;
    }
    assert_true(count > 30);
    assert_null(nki_status_at(SIZE_MAX));
    assert_null(nki_status_row(1));
    assert_null(nki_status_row(INT32_MIN));
    assert_string_equal(nki_status_row(NKI_TIMEOUT)->name, "TIMEOUT");
}

static void test_fills_all_fields(void **state)
{
    (void)state;
    struct nki_error err;
    memset(&err, 0x55, sizeof err);
    assert_int_equal(nki_error_set(&err, NKI_INVALID, "%s is %d", "five", 5), NKI_INVALID);
    assert_int_equal(err.status, NKI_INVALID);
    assert_int_equal(err.server_code, 0);
    assert_int_equal(err.err_code, 0);
    assert_int_equal(err.sys_errno, 0);
    assert_string_equal(err.text, "five is 5");
    for (size_t i = strlen(err.text); i < sizeof err.text; i++) {
        assert_int_equal(err.text[i], 0); /* nothing of what stood there before gets out */
    }
    assert_int_equal(nki_error_set(NULL, NKI_CLOSED, "%d", 1), NKI_CLOSED);
    assert_int_equal(nki_error_set_errno(NULL, NKI_IO, EPIPE, "%d", 1), NKI_IO);
    nki_error_set(&err, NKI_TIMEOUT, NULL);
    assert_string_equal(err.text, nki_status_row(NKI_TIMEOUT)->text);
    nki_error_set(&err, 12345, NULL);
    assert_string_equal(err.text, "unknown status");
}

static void test_describes_errno(void **state)
{
    (void)state;
    struct nki_error err;
    assert_int_equal(nki_error_set_errno(&err, NKI_IO, ECONNRESET, "read from %s", "there"), NKI_IO);
    assert_int_equal(err.sys_errno, ECONNRESET);
    assert_string_equal(err.text, "read from there: Connection reset by peer");
    nki_error_set_errno(&err, NKI_IO, EPIPE, NULL);
    assert_string_equal(err.text, "an error of the socket: Broken pipe");
    nki_error_set_errno(&err, NKI_IO, 99999, "x");
    assert_true(strlen(err.text) > 3);
    nki_error_set_errno(&err, NKI_IO, 0, "none");
    assert_string_equal(err.text, "none");
}

static void test_cleans_texts(void **state)
{
    (void)state;
    static const struct {
        const char *given, *text;
    } rows[] = {
        {"a\r\nb\tc\x1b[0m\x7f", "a??b?c?[0m?"},
        {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
        {"\xff\xfe ok \xc3", "?? ok ?"},
        {"\xc0\xaf\xed\xa0\x80", "?????"},
        {"\xc2\x85next line", "??next line"},
        {"\xf0\x9f\x98\x80\xf0\x9f\x98", "\xf0\x9f\x98\x80???"},
        {"%s%n", "%s%n"},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_error err;
        nki_error_set(&err, NKI_INVALID, "%s", rows[i].given);
        assert_string_equal(err.text, rows[i].text);
    }
}

static void test_cuts_between_characters(void **state)
{
    (void)state;
    char given[700];
    struct nki_error err;
    /* Every position of a three byte character against the end of the room. */
    for (size_t lead = 0; lead < 4; lead++) {
        memset(given, 'x', lead);
        for (size_t at = lead; at + 3 < sizeof given; at += 3) {
            memcpy(given + at, "\xe2\x82\xac", 4);
        }
        nki_error_set(&err, NKI_INVALID, "%s", given);
        size_t len = strlen(err.text);
        assert_in_range(len, sizeof err.text - 3, sizeof err.text - 1);
        assert_memory_equal(err.text, given, len);
        assert_true(nki_str_utf8_valid(nki_str_z(err.text)));
        nki_error_set_errno(&err, NKI_IO, EPIPE, "%s", given);
        len = strlen(err.text);
        assert_in_range(len, sizeof err.text - 3, sizeof err.text - 1);
        assert_string_equal(err.text + len - strlen(": Broken pipe"), ": Broken pipe");
        assert_true(nki_str_utf8_valid(nki_str_z(err.text)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_consistent),     cmocka_unit_test(test_fills_all_fields),
        cmocka_unit_test(test_describes_errno),         cmocka_unit_test(test_cleans_texts),
        cmocka_unit_test(test_cuts_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
