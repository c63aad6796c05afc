/* Ledgers: limits, what is told when an endpoint could not be subscribed, and counters of many threads. */
#include "service/ledger.h"

#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
/* cmocka.h needs the headers above it */
#include <cmocka.h>

static const char id[] = "0123456789012345678901";

static struct nki_ledger *new_ledger(void)
{
    struct nki_service_config config = {
        .name = NKI_STR("s"), .version = NKI_STR("1.0.0"), .description = NKI_STR("\"\\\n")};
    struct nki_ledger *ledger = nki_ledger_new(&config, id);
    assert_non_null(ledger);
    return ledger;
}

static uint32_t add(struct nki_ledger *ledger, const char *name)
{
    struct nki_service_config config = {.name = nki_str_z(name)};
    uint32_t index;
    assert_int_equal(nki_ledger_add_endpoint(ledger, 0, &config, &index, NULL), NKI_OK);
    return index;
}

/* The answer, NUL-terminated, which is JSON; valid until the next call. */
static const char *told(struct nki_ledger *ledger, enum nki_service_verb verb)
{
    static struct nki_buf text;
    struct nki_json_value value;
    text.len = 0;
    assert_true(nki_ledger_write(ledger, verb, &text));
    assert_true(nki_json_check(nki_service_text(&text), &value));
    assert_int_equal(value.type, NKI_JSON_OBJECT);
    assert_true(nki_buf_append(&text, "", 1));
    return (const char *)text.data;
}

static void test_an_endpoint_taken_back(void **state)
{
    (void)state;
    struct nki_ledger *ledger = new_ledger();
    char before[2][1024];
    for (uint32_t i = 0; i < 2; i++) {
        (void)snprintf(before[i], sizeof before[i], "%s", told(ledger, NKI_SERVICE_INFO));
        assert_int_equal(add(ledger, "kept"), i);
    }
    assert_non_null(strstr(told(ledger, NKI_SERVICE_STATS), "\"num_requests\":0"));
    for (uint32_t i = 2; i > 0; i--) {
        nki_ledger_drop_endpoint(ledger);
        assert_string_equal(told(ledger, NKI_SERVICE_INFO), before[i - 1]);
    }
    assert_null(nki_ledger_endpoint(ledger, 0));
    nki_ledger_release(ledger);
}

static void test_limits(void **state)
{
    (void)state;
    struct nki_ledger *ledger = new_ledger();
    struct nki_error err;
    char long_name[1200];
    memset(long_name, 'p', sizeof long_name);
    struct nki_service_config group = {.prefix = nki_str_make(long_name, sizeof long_name)};
    uint32_t number;
    assert_int_equal(nki_ledger_add_group(ledger, 0, &group, &number, &err), NKI_OK);
    assert_int_equal(number, 1);
    assert_int_equal(nki_ledger_add_group(ledger, 1, &group, &number, &err), NKI_INVALID);
    assert_non_null(strstr(err.text, "1900"));
    assert_int_equal(nki_ledger_add_group(ledger, 2, &group, &number, &err), NKI_INVALID);
    struct nki_service_config endpoint = {.name = NKI_STR("e"),
                                          .subject = nki_str_make(long_name, sizeof long_name)};
    assert_int_equal(nki_ledger_add_endpoint(ledger, 1, &endpoint, &number, &err), NKI_INVALID);
    for (uint32_t i = 2; i < NKI_SERVICE_GROUPS_MAX; i++) {
        assert_int_equal(nki_ledger_add_group(ledger, 0, &group, &number, &err), NKI_OK);
    }
    assert_int_equal(nki_ledger_add_group(ledger, 0, &group, &number, &err), NKI_LIMIT);
    /* INFO stays within its bound. */
    int32_t status = NKI_OK;
    for (uint32_t i = 0; i < NKI_SERVICE_ENDPOINTS_MAX && status == NKI_OK; i++) {
        endpoint.subject.len = 1;
        static char queue[1800];
        memset(queue, '\\', sizeof queue); /* two bytes each in JSON */
        endpoint.queue = nki_str_make(queue, sizeof queue);
        endpoint.queue_given = true;
        status = nki_ledger_add_endpoint(ledger, 0, &endpoint, &number, &err);
    }
    assert_int_equal(status, NKI_LIMIT);
    assert_non_null(strstr(err.text, "INFO"));
    assert_true(strlen(told(ledger, NKI_SERVICE_INFO)) <= NKI_SERVICE_INFO_MAX);
    nki_ledger_release(ledger);
}

enum { ROUNDS = 20000, THREADS = 3 };

static void *count(void *arg)
{
    struct nki_ledger *ledger = arg;
    for (int i = 0; i < ROUNDS; i++) {
        nki_ledger_count(ledger, 0, 3);
        if (i % 2 == 0) {
            nki_ledger_count_error(ledger, 0, 500, NKI_STR("bad \"luck\"\n"));
        }
    }
    return NULL;
}

static void test_counters_of_many_threads(void **state)
{
    (void)state;
    struct nki_ledger *ledger = new_ledger();
    pthread_t threads[THREADS];
    char wanted[200];
    add(ledger, "e");
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, count, ledger), 0);
    }
    for (int i = 0; i < 100; i++) {
        (void)told(ledger, NKI_SERVICE_STATS); /* is whole at any time */
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    (void)snprintf(wanted, sizeof wanted,
                   "\"num_requests\":%d,\"num_errors\":%d,\"last_error\":\"500:bad \\\"luck\\\"\\n\","
                   "\"processing_time\":%d,\"average_processing_time\":3",
                   THREADS * ROUNDS, THREADS * ROUNDS / 2, THREADS * ROUNDS * 3);
    assert_non_null(strstr(told(ledger, NKI_SERVICE_STATS), wanted));
    nki_ledger_release(ledger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_endpoint_taken_back),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_counters_of_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
