/* Scenarios of documents; no server. A change that fails has to leave the document as it was. */
#include "scenarios.h"

#include "life.h"
#include "registry.h"

#include <stdio.h>
#include <string.h>

/* Calls a function that changes a document by path; after a failure its text is the one of before. */
#define CHANGE(json, function, ...)                                                                          \
    do {                                                                                                     \
        char before_[400];                                                                                   \
        size_t before_len_ = text_of(json, before_, sizeof before_);                                         \
        natskit_error err_ = {0};                                                                            \
        natskit_status got_ = function(json, __VA_ARGS__, &err_);                                            \
        if (tt_check_error(#function, got_, NATSKIT_OK, &err_) != NATSKIT_OK) {                              \
            check_same(json, before_, before_len_);                                                          \
        }                                                                                                    \
    } while (0)

static size_t text_of(natskit_json json, char *buf, size_t cap)
{
    size_t len = 0;
    natskit_error err = {0};
    natskit_status got = natskit_json_text(json, "", 0, buf, cap, &len, &err);
    return tt_check_error("natskit_json_text", got, NATSKIT_OK, &err) == NATSKIT_OK ? len : 0;
}

static void check_same(natskit_json json, const char *before, size_t before_len)
{
    char after[400];
    size_t len = text_of(json, after, sizeof after);
    if (len != before_len || memcmp(before, after, len) != 0) {
        tt_fail("a change that failed has changed a document: %.*s", (int)len, after);
    }
}

void tt_scenario_json(void)
{
    natskit_json json =
        tt_json("{\"s\":\"text\\n\",\"i\":-5,\"u\":18446744073709551615,\"d\":1e-5,\"b\":true,"
                "\"l\":[{},[],null]}");
    char text[64];
    size_t len = 0;
    int32_t number = 0;
    int64_t integer = 0;
    uint64_t natural = 0;
    double real = 0;
    TT(natskit_json_type, json, "/l", Z, &number, NULL);
    TT(natskit_json_size, json, "/l", Z, &len, NULL);
    tt_want(number == NATSKIT_JSON_ARRAY && len == 3, "an array of three is another thing");
    TT(natskit_json_key_at, json, "", 0, 2, text, sizeof text, &len, NULL);
    TT(natskit_json_get_string, json, "/s", Z, text, sizeof text, &len, NULL);
    tt_want(len == 5 && memcmp(text, "text\n", 5) == 0, "a string is another one");
    TT(natskit_json_get_int, json, "/i", Z, &integer, NULL);
    TT(natskit_json_get_uint, json, "/u", Z, &natural, NULL);
    TT(natskit_json_get_double, json, "/d", Z, &real, NULL);
    TT(natskit_json_get_bool, json, "/b", Z, &number, NULL);
    tt_want(integer == -5 && natural == UINT64_MAX && real == 1e-5 && number == 1, "values are other ones");
    TT_OR(NATSKIT_NOT_FOUND, natskit_json_type, json, "/no", Z, &number, NULL);
    natskit_json_cursor cursor = {0};
    natskit_json_item items[3];
    size_t sum = 0;
    while (TT_OR(NATSKIT_END, natskit_json_walk, json, &cursor, items, sizeof items[0], 3, &len) ==
           NATSKIT_OK) {
        sum += len;
    }
    tt_want(sum == 14, "a walk has another length");
    TT(natskit_json_close, json);
    tt_registry_remove(NATSKIT_KIND_JSON, json.id);
}

void tt_scenario_json_changes(void)
{
    natskit_json json = tt_json_open(NATSKIT_JSON_OBJECT);
    natskit_json other = tt_json("{\"list\":[1,{\"name\":\"value\"}]}");
    CHANGE(json, natskit_json_set_string, "/a/b/c", Z, "text", Z);
    CHANGE(json, natskit_json_set_int, "/a/i", Z, -1);
    CHANGE(json, natskit_json_set_uint, "/a/u", Z, UINT64_MAX);
    CHANGE(json, natskit_json_set_double, "/a/d", Z, 0.1);
    CHANGE(json, natskit_json_set_bool, "/a/b/t", Z, 1);
    CHANGE(json, natskit_json_set_null, "/n", Z);
    CHANGE(json, natskit_json_set_text, "/l", Z, "[[],{\"x\":1}]", Z);
    CHANGE(json, natskit_json_set_json, "/copy", Z, other, "/list", Z);
    natskit_error err = {0};
    natskit_status got = natskit_json_remove(json, "/a/b", Z, &err);
    tt_check_error("natskit_json_remove", got, NATSKIT_OK, &err);
    char text[400];
    size_t len = text_of(json, text, sizeof text);
    const char *wanted = "{\"a\":{\"i\":-1,\"u\":18446744073709551615,\"d\":0.1},\"n\":null,"
                         "\"l\":[[],{\"x\":1}],\"copy\":[1,{\"name\":\"value\"}]}";
    tt_want(len == strlen(wanted) && memcmp(text, wanted, len) == 0, "a document came out otherwise");

    const natskit_json_item items[] = {
        {.type = NATSKIT_JSON_OBJECT},
        {.type = NATSKIT_JSON_STRING, .key = "k", .key_len = Z, .text = "v", .text_len = Z},
        {.type = NATSKIT_JSON_END},
    };
    got = natskit_json_feed(json, items, sizeof items[0], 2, &err);
    if (tt_check_error("natskit_json_feed", got, NATSKIT_OK, &err) == NATSKIT_OK) {
        CHANGE(json, natskit_json_feed, items + 2, sizeof items[0], 1);
    }
    len = text_of(json, text, sizeof text);
    tt_want(len == 9, "a document that was fed came out otherwise");
}

/* Many members: the hash table, the growing stack and arrays, and the copy that gives memory back. */
void tt_scenario_json_large(void)
{
    char text[2000] = "{";
    size_t used = 1;
    for (int i = 0; i < 100; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "\"m%d\":%d,", i % 80, i);
    }
    text[used - 1] = '}';
    natskit_json json = tt_json(text);
    int64_t value = 0;
    TT(natskit_json_get_int, json, "/m7", Z, &value, NULL);
    tt_want(value == 87, "of two members the last one counts");
    memset(text, 'x', sizeof text);
    for (int i = 0; i < 40; i++) {
        natskit_error err = {0};
        natskit_status got = natskit_json_set_string(json, "/large", Z, text, sizeof text, &err);
        tt_check_error("natskit_json_set_string", got, NATSKIT_OK, &err);
        char path[16];
        (void)snprintf(path, sizeof path, "/p%d", i);
        got = natskit_json_set_int(json, path, Z, i, &err);
        tt_check_error("natskit_json_set_int", got, NATSKIT_OK, &err);
    }
    TT(natskit_json_get_int, json, "/p39", Z, &value, NULL);
    tt_want(value == 39, "a member is missing");
}
