/* The pool of servers: what may be added, rounds, what a cluster tells. */
#include "client/servers.h"

#include "../base/cmocka_all.h"
#include "../base/refuse.h"

#include <stdio.h>

static void add(struct nki_servers *servers, const char *text)
{
    assert_int_equal(nki_servers_add(servers, nki_str_z(text), NULL), NKI_OK);
}

static void next_is(struct nki_servers *servers, const char *host)
{
    struct nki_server *server = nki_servers_next(servers);
    if (host == NULL) {
        assert_null(server);
        return;
    }
    assert_non_null(server);
    assert_ptr_equal(server, servers->current);
    assert_string_equal(server->url.host, host);
}

static void test_adding(void **state)
{
    (void)state;
    uint64_t before = nki_alloc_bytes();
    struct nki_servers servers;
    struct nki_error err;
    nki_servers_init(&servers);
    add(&servers, "a:1, nats://b:2 ,c");
    assert_int_equal(servers.count, 3);
    add(&servers, "A:1,nats://user:pass@b:2");
    assert_int_equal(servers.count, 3); /* no duplicates, whatever the case */
    add(&servers, "nats://user:secret@d:5");
    assert_null(strstr(servers.list[3]->text, "secret"));
    static const char *const bad[] = {"",    ",",       "a:1,",  "wss://a:1", "ws://a",
                                      "a:0", "a:65536", "a b:1", "http://x"};
    for (size_t i = 0; i < NKI_ARRAY_LEN(bad); i++) {
        assert_int_equal(nki_servers_add(&servers, nki_str_z(bad[i]), &err), NKI_INVALID);
        assert_true(err.text[0] != '\0');
    }
    char text[32];
    for (int i = 0; servers.count < NKI_SERVERS_MAX; i++) {
        snprintf(text, sizeof text, "h%d:1", i);
        add(&servers, text);
    }
    assert_int_equal(nki_servers_add(&servers, NKI_STR("more:1"), &err), NKI_LIMIT);
    assert_int_equal(nki_servers_add(&servers, NKI_STR("a:1"), &err), NKI_OK); /* there already */
    nki_servers_free(&servers);
    refuse_begin(1);
    assert_int_equal(nki_servers_add(&servers, NKI_STR("a:1"), &err), NKI_NO_MEMORY);
    refuse_end();
    assert_int_equal(servers.count, 0);
    nki_servers_free(&servers);
    assert_int_equal(nki_alloc_bytes(), before);
}

static void test_rounds(void **state)
{
    (void)state;
    struct nki_servers servers;
    nki_servers_init(&servers);
    next_is(&servers, NULL);
    add(&servers, "a,b,c");
    next_is(&servers, "a");
    next_is(&servers, "b"); /* b is connected, and lost */
    nki_servers_begin_round(&servers);
    next_is(&servers, "a");
    next_is(&servers, "c");
    next_is(&servers, "b");
    next_is(&servers, NULL);
    next_is(&servers, NULL);
    nki_servers_begin_round(&servers);
    next_is(&servers, "a");
    nki_servers_remove_current(&servers);
    assert_null(servers.current);
    nki_servers_remove_current(&servers); /* harmless */
    next_is(&servers, "c");
    nki_servers_begin_round(&servers);
    next_is(&servers, "b");
    next_is(&servers, "c");
    next_is(&servers, NULL);
    nki_servers_free(&servers);
}

static void test_shuffling_keeps_all(void **state)
{
    (void)state;
    struct nki_servers servers;
    struct nki_rand rand;
    int first[4] = {0};
    nki_servers_init(&servers);
    nki_rand_seed(&rand, 7);
    add(&servers, "h0,h1,h2,h3");
    for (int round = 0; round < 4000; round++) {
        nki_servers_shuffle(&servers, &rand);
        int seen = 0;
        for (size_t i = 0; i < 4; i++) {
            seen |= 1 << (servers.list[i]->url.host[1] - '0');
        }
        assert_int_equal(seen, 15);
        first[servers.list[0]->url.host[1] - '0']++;
    }
    for (size_t i = 0; i < 4; i++) {
        assert_in_range(first[i], 850, 1150);
    }
    nki_servers_free(&servers);
}

static struct nki_info_urls *info_of(const char *const *list)
{
    static struct nki_info_urls urls;
    urls.told = list != NULL;
    urls.count = 0;
    for (; list != NULL && list[urls.count] != NULL; urls.count++) {
        snprintf(urls.at[urls.count], sizeof urls.at[0], "%s", list[urls.count]);
    }
    return &urls;
}

static void test_what_the_cluster_tells(void **state)
{
    (void)state;
    struct nki_servers servers;
    nki_servers_init(&servers);
    add(&servers, "a:1");
    next_is(&servers, "a");
    assert_false(nki_servers_merge(&servers, info_of(NULL)));
    static const char *const two[] = {"b:1", "c:1", "A:1", NULL};
    assert_true(nki_servers_merge(&servers, info_of(two)));
    assert_false(nki_servers_merge(&servers, info_of(two)));
    assert_int_equal(servers.count, 3);
    next_is(&servers, "b");
    static const char *const other[] = {"d:1", "user@e:1", "tls://f:1", "g:1:2", NULL};
    assert_true(nki_servers_merge(&servers, info_of(other)));
    /* c is gone; a was given by the application, b is in use; only host and port are taken from d on. */
    assert_int_equal(servers.count, 3);
    next_is(&servers, "d");
    static const char *const none[] = {NULL};
    assert_true(nki_servers_merge(&servers, info_of(none)));
    assert_int_equal(servers.count, 2); /* b is not in use any more */
    assert_false(nki_servers_merge(&servers, info_of(NULL)));
    char many[NKI_INFO_URLS_MAX][16];
    const char *list[NKI_INFO_URLS_MAX + 1] = {NULL};
    for (int i = 0; i < NKI_INFO_URLS_MAX; i++) {
        snprintf(many[i], sizeof many[i], "m%d:1", i);
        list[i] = many[i];
    }
    assert_true(nki_servers_merge(&servers, info_of(list)));
    assert_int_equal(servers.count, NKI_SERVERS_MAX);
    assert_string_equal(servers.current->url.host, "d");
    nki_servers_free(&servers);
}

static void pool_is(const struct nki_servers *servers, const char *json)
{
    struct nki_buf out = {0};
    assert_true(nki_servers_emit(servers, &out));
    assert_true(nki_buf_append(&out, "", 1));
    assert_string_equal((const char *)out.data, json);
    nki_buf_free(&out);
}

/* One entry of that. */
#define ENTRY(host, discovered, failures, current)                                                           \
    "{\"url\":\"nats://" host "\",\"discovered\":" discovered ",\"failures\":" failures                      \
    ",\"current\":" current "}"

static void replace(struct nki_servers *servers, const char *urls)
{
    struct nki_servers fresh;
    nki_servers_init(&fresh);
    assert_int_equal(nki_servers_add(&fresh, nki_str_z(urls), NULL), NKI_OK);
    nki_servers_replace(servers, &fresh);
    assert_int_equal(fresh.count, 0);
}

static void test_the_application_replaces_its_own(void **state)
{
    (void)state;
    static const char *const told[] = {"d:1", "e:1", NULL};
    struct nki_servers servers;
    nki_servers_init(&servers);
    pool_is(&servers, "[]");
    add(&servers, "a:1,b:1");
    assert_true(nki_servers_merge(&servers, info_of(told)));
    next_is(&servers, "a");
    servers.list[1]->failures = 3;
    replace(&servers, "c:1,b:1,e:1"); /* what is known of b stays; e is the application's now */
    assert_int_equal(nki_servers_known(&servers), 4);
    pool_is(&servers,
            "[" ENTRY("c:1", "false", "0", "false") "," ENTRY("b:1", "false", "3", "false") "," ENTRY(
                "e:1", "false", "0", "false") "," ENTRY("d:1", "true", "0", "false") "]");
    assert_string_equal(servers.current->url.host, "a"); /* not in the pool, and used */
    assert_true(nki_servers_other(&servers));
    nki_servers_begin_round(&servers);
    next_is(&servers, "c");
    assert_int_equal(servers.count, 4); /* a is forgotten */
    next_is(&servers, "b");
    replace(&servers, "b:1");
    next_is(&servers, "d"); /* b was tried in this round */
    next_is(&servers, NULL);
    nki_servers_free(&servers);
}

static void test_a_server_that_is_gone(void **state)
{
    (void)state;
    static const char *const told[] = {"a:1", NULL};
    struct nki_servers servers;
    nki_servers_init(&servers);
    add(&servers, "a:1");
    next_is(&servers, "a");
    assert_false(nki_servers_other(&servers));
    replace(&servers, "b:1");
    replace(&servers, "c:1"); /* gone twice */
    assert_int_equal(nki_servers_known(&servers), 1);
    assert_true(nki_servers_merge(&servers, info_of(told))); /* the cluster has it all the same */
    pool_is(&servers, "[" ENTRY("c:1", "false", "0", "false") "," ENTRY("a:1", "true", "0", "true") "]");
    replace(&servers, "b:1");
    assert_int_equal(nki_servers_known(&servers), 2);
    replace(&servers, "a:1");
    pool_is(&servers, "[" ENTRY("a:1", "false", "0", "true") "]");
    char many[64 * 8] = "";
    for (int i = 0; i < NKI_SERVERS_MAX; i++) {
        snprintf(many + strlen(many), sizeof many - strlen(many), "%sm%d:1", i == 0 ? "" : ",", i);
    }
    static const char *const other[] = {"d:1", NULL};
    assert_true(nki_servers_merge(&servers, info_of(other)));
    replace(&servers, many); /* no room for what was discovered; the current one is beyond it */
    assert_int_equal(nki_servers_known(&servers), NKI_SERVERS_MAX);
    assert_int_equal(servers.count, NKI_SERVERS_MAX + 1);
    nki_servers_free(&servers);
}

/* What is given anew counts: user, password. */
static void test_replacing_renews_the_url(void **state)
{
    (void)state;
    struct nki_servers servers;
    nki_servers_init(&servers);
    add(&servers, "old:secret@a:1");
    next_is(&servers, "a");
    replace(&servers, "new:other@A:1");
    assert_string_equal(servers.current->url.user, "new");
    assert_string_equal(servers.current->url.password, "other");
    pool_is(&servers, "[" ENTRY("A:1", "false", "0", "true") "]");
    nki_servers_free(&servers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adding),
        cmocka_unit_test(test_rounds),
        cmocka_unit_test(test_shuffling_keeps_all),
        cmocka_unit_test(test_what_the_cluster_tells),
        cmocka_unit_test(test_the_application_replaces_its_own),
        cmocka_unit_test(test_a_server_that_is_gone),
        cmocka_unit_test(test_replacing_renews_the_url),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
