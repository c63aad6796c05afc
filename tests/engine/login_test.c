/* Who the engine says the user is: options, url, credentials, and the application when it is asked. */
#include "rig.h"

#include "base/alloc.h"

#include <stdio.h>

#define SEED "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
#define PUBLIC "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"
#define ASKS "INFO {\"max_payload\":1000,\"auth_required\":true,\"nonce\":\"Zm9v\"}\r\n"

static const char ask[] = "ask_auth";

static struct rig *start(const char *url, const char *const *settings)
{
    struct rig *rig = rig_new(url, settings, 20000);
    rig_settle(rig);
    return rig;
}

static void test_what_is_configured(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        const char *settings[7];
        const char *wrote[3];
    } rows[] = {
        {"a:1", {"user", "u", "password", "p", NULL}, {"\"user\":\"u\"", "\"pass\":\"p\"", NULL}},
        {"a:1", {"token", "t", NULL}, {"\"auth_token\":\"t\"", NULL}},
        {"x:y@a:1", {"user", "u", "password", "p", NULL}, {"\"user\":\"x\"", "\"pass\":\"y\"", NULL}},
        {"t@a:1", {"user", "u", "token", "s", NULL}, {"\"auth_token\":\"t\"", NULL}},
        {"a:1", {"jwt", "j", "user", "u", NULL}, {"\"jwt\":\"j\"", "\"user\":\"u\"", NULL}},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct rig *rig = start(rows[i].url, rows[i].settings);
        rig_say(rig, ASKS);
        for (size_t k = 0; rows[i].wrote[k] != NULL; k++) {
            assert_true(rig_wrote(rig, rows[i].wrote[k]));
        }
        assert_false(rig_wrote(rig, "\"sig\""));
        rig_say(rig, RIG_PONG);
        assert_true(rig_connected(rig));
        rig_free(rig);
    }
}

static void give_seed(struct rig *rig)
{
    struct nki_credentials credentials = {.seed = {NULL, 0}};
    assert_int_equal(nki_credentials_from_seed(NKI_STR(SEED), &credentials, NULL), NKI_OK);
    nki_engine_set_credentials(&rig->engine, &credentials);
    assert_null(credentials.seed.ptr);
}

static void test_a_seed_signs_the_nonce(void **state)
{
    (void)state;
    struct rig *rig = start("a:1", NULL);
    char signature[NKI_SIGNATURE_TEXT_CAP];
    struct nki_credentials credentials = {.seed = {NULL, 0}};
    assert_int_equal(nki_credentials_from_seed(NKI_STR(SEED), &credentials, NULL), NKI_OK);
    assert_int_equal(nki_credentials_sign(&credentials, NKI_STR("Zm9v"), signature, NULL), NKI_OK);
    nki_credentials_free(&credentials);
    give_seed(rig);
    rig_say(rig, ASKS);
    char expected[200];
    snprintf(expected, sizeof expected, "\"nkey\":\"" PUBLIC "\",\"sig\":\"%s\"", signature);
    assert_true(rig_wrote(rig, expected));
    assert_false(rig_wrote(rig, SEED));
    assert_null(rig->engine.login.credentials.seed.ptr); /* used once */
    rig_say(rig, RIG_PONG);
    rig_free(rig);
}

static void test_no_nonce_to_sign(void **state)
{
    (void)state;
    struct rig *rig = start("a:1", NULL);
    give_seed(rig);
    rig_say(rig, "INFO {\"max_payload\":1000,\"auth_required\":true}\r\n");
    assert_int_equal(rig->written.len, 0);
    assert_int_equal(rig_connect_status(rig), NKI_AUTH);
    assert_non_null(strstr(rig->engine.last_error.text, "nonce"));
    rig_free(rig);

    rig = start("a:1", NULL); /* a server that lets everybody in */
    give_seed(rig);
    rig_say(rig, RIG_INFO);
    assert_true(rig_wrote(rig, "CONNECT"));
    assert_false(rig_wrote(rig, "nkey"));
    rig_free(rig);

    static const char *const settings[] = {"user", "u", NULL}; /* one that wants a password */
    rig = start("a:1", settings);
    give_seed(rig);
    rig_say(rig, "INFO {\"max_payload\":1000,\"auth_required\":true}\r\n");
    assert_true(rig_wrote(rig, "\"user\":\"u\""));
    assert_false(rig_wrote(rig, "nkey"));
    rig_free(rig);
}

/* -- asking the application --------------------------------------------------------------------------------
 */

static struct rig *start_asking(void)
{
    static const char *const settings[] = {ask, "true", "answer_timeout_ms", "600", "user", "u", NULL};
    struct rig *rig = start("a:1", settings);
    rig->events_sub->answers = true;
    rig_say(rig, ASKS);
    assert_int_equal(rig->written.len, 0);
    const struct rig_event *event = rig_event(rig, NKI_EVENT_AUTH_NEEDED);
    assert_non_null(event);
    assert_string_equal(event->text, "Zm9v");
    return rig;
}

static void make_answer(struct nki_answer *answer, const char *name, const char *value)
{
    struct nki_options *options = nki_options_new(NKI_SCOPE_AUTH);
    assert_int_equal(nki_options_set(options, nki_str_z(name), nki_str_z(value), NULL), NKI_OK);
    assert_int_equal(nki_answer_read(answer, options, NULL), NKI_OK);
    nki_options_free(options);
}

static void test_the_application_answers(void **state)
{
    (void)state;
    struct rig *rig = start_asking();
    struct nki_engine *engine = &rig->engine;
    uint64_t request = rig_event(rig, NKI_EVENT_AUTH_NEEDED)->request;
    struct nki_answer answer;
    make_answer(&answer, "token", "secret");
    assert_int_equal(nki_engine_answer_auth(engine, request + 1, &answer, rig->now_ns), NKI_NOT_FOUND);
    assert_int_equal(nki_engine_answer_auth(engine, 0, &answer, rig->now_ns), NKI_NOT_FOUND);
    assert_int_equal(nki_engine_answer_auth(engine, request, &answer, rig->now_ns), NKI_OK);
    rig_settle(rig);
    assert_true(rig_wrote(rig, "\"user\":\"u\"")); /* what the answer leaves out stays */
    assert_true(rig_wrote(rig, "\"auth_token\":\"secret\""));
    assert_int_equal(nki_engine_answer_auth(engine, request, &answer, rig->now_ns), NKI_NOT_FOUND);
    nki_answer_free(&answer);
    rig_say(rig, RIG_PONG);
    assert_true(rig_connected(rig));
    /* Asked anew at the next attempt, with nothing left of the answer. */
    rig_eof(rig);
    rig_say(rig, ASKS);
    assert_true(rig_event(rig, NKI_EVENT_AUTH_NEEDED)->request != request);
    assert_int_equal(rig->written.len, 0);
    rig_pass(rig, 600);
    assert_true(rig_wrote(rig, "CONNECT"));
    assert_false(rig_wrote(rig, "secret"));
    rig_free(rig);
}

static void test_nobody_answers(void **state)
{
    (void)state;
    struct rig *rig = start_asking();
    int64_t begin_ns = rig->now_ns;
    rig_until(rig, begin_ns + RIG_MS(600) - 1);
    assert_int_equal(rig->written.len, 0);
    rig_until(rig, begin_ns + RIG_MS(600));
    assert_true(rig_wrote(rig, "\"user\":\"u\""));
    rig_say(rig, RIG_PONG);
    assert_true(rig_connected(rig));
    rig_free(rig);
}

/* A signature of the application's own goes with its public key; a question can be asked once more. */
static void test_a_signature_and_a_late_listener(void **state)
{
    (void)state;
    struct rig *rig = start_asking();
    nki_engine_ask_auth(&rig->engine);
    rig_settle(rig);
    assert_int_equal(rig_event_count(rig, NKI_EVENT_AUTH_NEEDED), 2);
    struct nki_options *options = nki_options_new(NKI_SCOPE_AUTH);
    assert_int_equal(nki_options_set(options, NKI_STR("nkey"), NKI_STR(PUBLIC), NULL), NKI_OK);
    assert_int_equal(nki_options_set(options, NKI_STR("signature"), NKI_STR("c2ln"), NULL), NKI_OK);
    struct nki_answer answer;
    assert_int_equal(nki_answer_read(&answer, options, NULL), NKI_OK);
    nki_options_free(options);
    uint64_t request = rig_event(rig, NKI_EVENT_AUTH_NEEDED)->request;
    assert_int_equal(nki_engine_answer_auth(&rig->engine, request, &answer, rig->now_ns), NKI_OK);
    rig_settle(rig);
    assert_true(rig_wrote(rig, "\"nkey\":\"" PUBLIC "\",\"sig\":\"c2ln\""));
    nki_engine_ask_auth(&rig->engine); /* nothing is open */
    rig_settle(rig);
    assert_int_equal(rig_event_count(rig, NKI_EVENT_AUTH_NEEDED), 2);
    rig_free(rig);
}

/* The connection is lost while the application thinks. */
static void test_lost_meanwhile(void **state)
{
    (void)state;
    struct rig *rig = start_asking();
    uint64_t request = rig_event(rig, NKI_EVENT_AUTH_NEEDED)->request;
    rig_say(rig, "-ERR 'Authentication Timeout'\r\n");
    assert_int_equal(rig_connect_status(rig), NKI_AUTH);
    struct nki_answer answer;
    make_answer(&answer, "token", "secret");
    assert_int_equal(nki_engine_answer_auth(&rig->engine, request, &answer, rig->now_ns), NKI_NOT_FOUND);
    nki_answer_free(&answer);
    rig_free(rig);
}

static size_t allocations_left;

static bool gate(size_t size)
{
    (void)size;
    return allocations_left > 0 && allocations_left-- > 0;
}

static void test_malformed_answers_and_memory(void **state)
{
    (void)state;
    uint64_t before = nki_alloc_bytes();
    struct nki_options *options = nki_options_new(NKI_SCOPE_AUTH);
    struct nki_answer answer;
    struct nki_error error = {0};
    assert_int_equal(nki_options_set(options, NKI_STR("nkey_seed"), NKI_STR("SUSECRETNONSENSE"), NULL),
                     NKI_OK);
    assert_int_equal(nki_answer_read(&answer, options, &error), NKI_CREDENTIALS);
    assert_null(strstr(error.text, "NONSENSE"));
    assert_int_equal(nki_options_set(options, NKI_STR("nkey_seed"), NKI_STR(SEED), NULL), NKI_OK);
    assert_int_equal(nki_options_set(options, NKI_STR("token"), NKI_STR("t"), NULL), NKI_OK);
    int32_t status = NKI_NO_MEMORY;
    for (size_t n = 0; status == NKI_NO_MEMORY; n++) {
        uint64_t held = nki_alloc_bytes();
        assert_in_range(n, 0, 20);
        allocations_left = n;
        nki_alloc_gate_set(gate);
        status = nki_answer_read(&answer, options, &error);
        nki_alloc_gate_set(NULL);
        assert_true(status == NKI_OK || nki_alloc_bytes() == held);
    }
    assert_int_equal(status, NKI_OK);
    nki_answer_free(&answer);
    nki_options_free(options);
    assert_int_equal(nki_alloc_bytes(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_configured), cmocka_unit_test(test_a_seed_signs_the_nonce),
        cmocka_unit_test(test_no_nonce_to_sign),   cmocka_unit_test(test_the_application_answers),
        cmocka_unit_test(test_nobody_answers),     cmocka_unit_test(test_a_signature_and_a_late_listener),
        cmocka_unit_test(test_lost_meanwhile),     cmocka_unit_test(test_malformed_answers_and_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
