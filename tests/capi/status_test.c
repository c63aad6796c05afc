/* The table of statuses: natskit.h, core/base/status.def and what the library tells at run time are one list.
 * Reads the two files of the source tree; one thread. */
#include "fixture.h"

#include "support/proc.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOT NKI_TEST_DIR "/../"
#define ROWS_MAX 200

struct row {
    char name[64];
    int number;
    char status_class[32];
    char text[160];
};

struct list {
    struct row rows[ROWS_MAX];
    size_t count;
};

/* The lines of a text, each cut to a row by `read`, which tells whether it is one. */
static void read_rows(const char *path, bool (*read)(const char *line, struct row *row), struct list *list)
{
    size_t len;
    char *text = ts_read_file(path, &len);
    assert_non_null(text);
    list->count = 0;
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        assert_true(list->count < ROWS_MAX);
        struct row *row = &list->rows[list->count];
        memset(row, 0, sizeof *row);
        if (read(line, row)) {
            list->count++;
        }
    }
    free(text);
}

/* STATUS(NAME, number, CLASS, "text") */
static bool read_def(const char *line, struct row *row)
{
    return sscanf(line, "STATUS(%63[A-Z_], %d, %31[A-Z], \"%159[^\"]\")", row->name, &row->number,
                  row->status_class, row->text) == 4;
}

/* A constant of natskit.h: statuses are the ones that stand in parentheses, and NATSKIT_OK. */
static bool read_header(const char *line, struct row *row)
{
    if (strncmp(line, "#define NATSKIT_OK ", 19) == 0) {
        (void)strcpy(row->name, "OK");
        return true;
    }
    return sscanf(line, "#define NATSKIT_%63[A-Z_] (%d)", row->name, &row->number) == 2 && row->number < 0;
}

static const struct row *find(const struct list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->rows[i].name, name) == 0) {
            return &list->rows[i];
        }
    }
    return NULL;
}

static void test_header_equals_def(void **state)
{
    (void)state;
    static struct list def;
    static struct list header;
    read_rows(ROOT "core/base/status.def", read_def, &def);
    read_rows(ROOT "capi/include/natskit.h", read_header, &header);
    assert_true(def.count > 30);
    assert_int_equal(header.count, def.count);
    for (size_t i = 0; i < def.count; i++) {
        const struct row *row = find(&header, def.rows[i].name);
        if (row == NULL) {
            print_error("natskit.h lacks %s\n", def.rows[i].name);
        }
        assert_non_null(row);
        assert_int_equal(row->number, def.rows[i].number);
    }
}

static void test_table_equals_def(void **state)
{
    (void)state;
    static const char *const classes[] = {"OK",       "USAGE", "OUTCOME", "LIMIT",    "NETWORK",
                                          "PROTOCOL", "AUTH",  "SYSTEM",  "JETSTREAM"};
    static struct list def;
    read_rows(ROOT "core/base/status.def", read_def, &def);
    natskit_status_info info;
    for (size_t i = 0; i < def.count; i++) {
        assert_ok(natskit_status_at(i, &info, sizeof info));
        assert_string_equal(info.name, def.rows[i].name);
        assert_int_equal(info.status, def.rows[i].number);
        assert_string_equal(info.text, def.rows[i].text);
        assert_in_range(info.status_class, NATSKIT_CLASS_OK, NATSKIT_CLASS_JETSTREAM);
        assert_string_equal(classes[info.status_class], def.rows[i].status_class);
        natskit_status_info again;
        assert_ok(natskit_status_describe(info.status, &again, sizeof again));
        assert_memory_equal(&again, &info, sizeof info);
    }
    assert_status(natskit_status_at(def.count, &info, sizeof info), NATSKIT_NOT_FOUND);
    assert_status(natskit_status_at(SIZE_MAX, &info, sizeof info), NATSKIT_NOT_FOUND);
}

static void test_describe_unknown(void **state)
{
    (void)state;
    natskit_status_info info;
    static const natskit_status none[] = {1, -999, INT32_MIN, INT32_MAX, -9, -19};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        assert_status(natskit_status_describe(none[i], &info, sizeof info), NATSKIT_NOT_FOUND);
    }
}

/* A structure is filled up to the caller's size and not a byte further. */
static void test_sizes(void **state)
{
    (void)state;
    unsigned char room[sizeof(natskit_status_info) + 16];
    natskit_status_info whole;
    assert_ok(natskit_status_describe(NATSKIT_TIMEOUT, &whole, sizeof whole));
    for (size_t size = 1; size <= sizeof room; size++) {
        size_t filled = size < sizeof whole ? size : sizeof whole;
        memset(room, 0xa5, sizeof room);
        assert_ok(natskit_status_describe(NATSKIT_TIMEOUT, (natskit_status_info *)(void *)room, size));
        assert_memory_equal(room, &whole, filled);
        for (size_t i = filled; i < sizeof room; i++) {
            assert_int_equal(room[i], 0xa5);
        }
    }
    assert_status(natskit_status_describe(NATSKIT_TIMEOUT, &whole, 0), NATSKIT_INVALID);
    assert_status(natskit_status_describe(NATSKIT_TIMEOUT, NULL, sizeof whole), NATSKIT_INVALID);
}

static void test_version(void **state)
{
    (void)state;
    uint32_t major = 99;
    uint32_t minor = 99;
    const char *text = NULL;
    assert_ok(natskit_version(&major, &minor, &text));
    assert_int_equal(major, NATSKIT_ABI_MAJOR);
    assert_int_equal(minor, NATSKIT_ABI_MINOR);
    unsigned a;
    unsigned b;
    unsigned c;
    assert_int_equal(sscanf(text, "%u.%u.%u", &a, &b, &c), 3);
    assert_int_equal(a, major);
    assert_int_equal(b, minor);
    assert_ok(natskit_version(NULL, NULL, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_equals_def), cmocka_unit_test(test_table_equals_def),
        cmocka_unit_test(test_describe_unknown),  cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
