/* The TLS filter over a pair of streams in memory, with OpenSSL's own server on the other end: what counts as
 * written is what the server can read; every kind of end; certificates; sessions. */
#include "net/tls.h"

#include "../base/cmocka_all.h"
#include "../base/refuse.h"
#include "base/alloc.h"
#include "net/pair.h"
#include "tls_peer.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOST "server.test"
#define BIG ((size_t)300 * NKI_KIB)

/* Both ends of a connection. */
struct ends {
    struct nki_stream *client;
    struct peer *server;
};

static struct nki_tls_config *config_of(const char *ca, bool insecure)
{
    const struct nki_tls_material material = {
        .ca = {NKI_STR(""), nki_str_z(ca)}, .ca_path = "", .insecure = insecure};
    struct nki_tls_config *config = NULL;
    struct nki_error err;
    assert_int_equal(nki_tls_config_make(&material, NULL, &config, &err), NKI_OK);
    return config;
}

static struct ends open_ends(size_t cap, struct nki_tls_config *config, const char *host, const char *cert,
                             const char *key)
{
    struct ends ends;
    struct nki_stream *below = NULL;
    struct nki_stream *other = NULL;
    assert_true(nki_pair_new(cap, &below, &other));
    ends.client = nki_tls_open(below, config, host, "peer", NULL);
    assert_non_null(ends.client);
    ends.server = peer_new(other, cert, key);
    return ends;
}

static void close_ends(struct ends *ends)
{
    nki_stream_free(ends->client);
    peer_free(ends->server);
}

/* Shakes hands; the client's status. */
static int32_t shake(struct ends *ends, struct nki_error *err)
{
    int32_t status = NKI_PENDING;
    for (int i = 0; i < 100000 && status == NKI_PENDING; i++) {
        status = nki_tls_handshake(ends->client, err);
        peer_step(ends->server);
    }
    return status;
}

static struct ends connected(size_t cap)
{
    struct nki_tls_config *config = config_of(peer_ca(), false);
    struct ends ends = open_ends(cap, config, HOST, peer_cert(), peer_key());
    struct nki_error err = {0};
    nki_tls_config_release(config); /* the stream has its own */
    int32_t status = shake(&ends, &err);
    if (status != NKI_OK) {
        fail_msg("handshake: %s", err.text);
    }
    return ends;
}

static uint8_t *pattern(size_t len)
{
    uint8_t *data = malloc(len);
    assert_non_null(data);
    for (size_t i = 0; i < len; i++) {
        data[i] = (uint8_t)(i * 31 + i / 251);
    }
    return data;
}

static ptrdiff_t read_some(struct nki_stream *stream)
{
    uint8_t byte[64];
    struct iovec iov = {byte, sizeof byte};
    return nki_stream_read(stream, &iov, 1);
}

static ptrdiff_t write_some(struct nki_stream *stream, const void *data, size_t len)
{
    struct iovec iov = {(void *)(uintptr_t)data, len};
    return nki_stream_write(stream, &iov, 1);
}

/* Whatever a pipe of any size takes: what write says is written is just what the server has been able to
 * read. */
static void test_written_is_what_the_server_can_read(void **state)
{
    (void)state;
    static const size_t caps[] = {500, 1000, 16384, 40000, 1000000};
    uint8_t *data = pattern(BIG);
    uint8_t *got = malloc(BIG);
    for (size_t c = 0; c < NKI_ARRAY_LEN(caps); c++) {
        struct ends ends = connected(caps[c]);
        size_t written = 0;
        size_t read = 0;
        while (written < BIG) {
            /* In pieces as the outbox has them: short, long, short. */
            size_t left = BIG - written;
            size_t first = left < 30 ? left : 30;
            size_t second = left - first < 100000 ? left - first : 100000;
            struct iovec iov[3] = {{data + written, first},
                                   {data + written + first, second},
                                   {data + written + first + second, left - first - second > 0 ? 1 : 0}};
            ptrdiff_t sent = nki_stream_write(ends.client, iov, 3);
            assert_true(sent >= 0); /* 0 is AGAIN */
            written += (size_t)sent;
            read += peer_read(ends.server, got + read, BIG - read);
            assert_int_equal(read, written);
        }
        assert_memory_equal(got, data, BIG);
        close_ends(&ends);
    }
    free(data);
    free(got);
}

/* Everything arrives through pieces of any size, and `buffered` tells when the descriptor would not. */
static void test_reading(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 7, 1000, 16384, 100000};
    uint8_t *data = pattern(BIG);
    uint8_t *got = malloc(BIG + 1);
    for (size_t p = 0; p < NKI_ARRAY_LEN(pieces); p++) {
        struct ends ends = connected(64 * NKI_KIB);
        size_t total = pieces[p] < 100 ? 20000 : BIG;
        size_t sent = 0;
        size_t read = 0;
        while (read < total) {
            sent += peer_write(ends.server, data + sent, total - sent);
            struct iovec iov[2] = {{got + read, pieces[p] / 2},
                                   {got + read + pieces[p] / 2, pieces[p] - pieces[p] / 2}};
            if (read + pieces[p] > total) {
                iov[0].iov_len = 0;
                iov[1] = (struct iovec){got + read, total - read};
            }
            ptrdiff_t result = nki_stream_read(ends.client, iov, 2);
            assert_true(result >= 0);
            if (result == 0) {
                assert_false(ends.client->buffered); /* nothing was lost sight of */
            }
            read += (size_t)result;
        }
        assert_memory_equal(got, data, total);
        close_ends(&ends);
    }
    free(data);
    free(got);
}

/* The reader sends no record of the writer's: what the server can read must be told as written first, or it
 * is sent once more when the connection is lost in between. */
static void test_reading_sends_nothing_of_the_writer(void **state)
{
    (void)state;
    uint8_t *data = pattern(1000);
    uint8_t got[1000];
    struct ends ends = connected(500);
    assert_int_equal(write_some(ends.client, data, 1000), NKI_STREAM_AGAIN); /* half of a record */
    for (int i = 0; i < 5; i++) {
        assert_int_equal(peer_read(ends.server, got, sizeof got), 0);
        assert_int_equal(read_some(ends.client), NKI_STREAM_AGAIN);
    }
    ptrdiff_t sent = 0;
    for (int i = 0; i < 5 && sent == 0; i++) {
        sent = write_some(ends.client, data, 1000);
        assert_int_equal(peer_read(ends.server, got, sizeof got), sent);
    }
    assert_int_equal(sent, 1000);
    assert_memory_equal(got, data, 1000);
    close_ends(&ends);
    free(data);
}

/* A handshake is not done before the server can know it: one that is to speak next would wait for ever. */
static void test_done_when_all_of_it_is_sent(void **state)
{
    (void)state;
    for (size_t cap = 10; cap < 200; cap += 10) {
        struct ends ends = connected(cap);
        assert_false(ends.client->wants_write);
        for (int i = 0; i < 20; i++) {
            peer_step(ends.server); /* it has what it needs */
        }
        assert_true(peer_is_done(ends.server));
        close_ends(&ends);
    }
}

/* In the middle of a session that the server gives in several records nothing can be encrypted: the writer
 * has to come again, no more, and takes nothing from the reader. */
static void test_writing_while_a_session_arrives(void **state)
{
    (void)state;
    uint8_t got[10];
    peer_large_tickets(3000);
    struct ends ends = connected(600);
    peer_large_tickets(0);
    int waited = 0;
    ptrdiff_t sent = 0;
    for (int i = 0; i < 100 && sent == 0; i++) {
        assert_int_equal(read_some(ends.client), NKI_STREAM_AGAIN);
        sent = write_some(ends.client, "x", 1);
        assert_true(sent >= 0);
        waited += sent == 0;
        (void)peer_read(ends.server, got, sizeof got); /* sends some more as well */
    }
    assert_true(waited > 0);
    assert_int_equal(sent, 1);
    assert_int_equal(got[0], 'x');
    size_t written = 0;
    ptrdiff_t read = 0;
    for (int i = 0; i < 100 && read == 0; i++) { /* there may be another session to come */
        read = read_some(ends.client);
        written += written == 0 ? peer_write(ends.server, "y", 1) : 0;
        peer_step(ends.server);
    }
    assert_int_equal(read, 1);
    close_ends(&ends);
}

static void test_ends(void **state)
{
    (void)state;
    struct ends ends = connected(100000);
    assert_int_equal(read_some(ends.client), NKI_STREAM_AGAIN);
    assert_int_equal(peer_write(ends.server, "bye", 3), 3);
    peer_say_goodbye(ends.server);
    assert_int_equal(read_some(ends.client), 3);
    assert_true(ends.client->buffered);
    assert_int_equal(read_some(ends.client), NKI_STREAM_EOF);
    assert_int_equal(read_some(ends.client), NKI_STREAM_EOF);
    close_ends(&ends);

    ends = connected(100000); /* cut without a good-bye */
    peer_cut(ends.server);
    assert_int_equal(read_some(ends.client), NKI_STREAM_EOF);
    close_ends(&ends);

    ends = connected(100000); /* garbage */
    struct nki_error err = {0};
    peer_raw(ends.server, "GET / HTTP/1.1\r\n\r\n", 18);
    assert_int_equal(read_some(ends.client), NKI_STREAM_ERROR);
    ends.client->ops->explain(ends.client, &err);
    assert_int_equal(err.status, NKI_TLS);
    assert_true(err.text[0] != '\0');
    assert_int_equal(read_some(ends.client), NKI_STREAM_ERROR);
    struct iovec iov = {(void *)(uintptr_t) "x", 1};
    assert_int_equal(nki_stream_write(ends.client, &iov, 1), NKI_STREAM_ERROR);
    nki_stream_shutdown(ends.client);
    close_ends(&ends);

    ends = connected(100000); /* the client says good-bye */
    nki_stream_shutdown(ends.client);
    uint8_t byte;
    assert_int_equal(peer_read(ends.server, &byte, 1), 0);
    assert_true(peer_heard_goodbye(ends.server));
    close_ends(&ends);
}

static void test_handshakes_that_fail(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *raw; /* said instead of a handshake; NULL: cut */
        int32_t status;
    } rows[] = {
        {"plain INFO", "INFO {\"a\":1}\r\n", NKI_TLS},
        {"HTTP", "HTTP/1.1 400 Bad Request\r\n\r\n", NKI_TLS},
        {"zeros", "\0\0\0\0\0\0\0\0\0\0", NKI_TLS},
        {"cut", NULL, NKI_DISCONNECTED},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_tls_config *config = config_of(peer_ca(), false);
        struct ends ends = open_ends(100000, config, HOST, peer_cert(), peer_key());
        struct nki_error err = {0};
        nki_tls_config_release(config);
        assert_int_equal(nki_tls_handshake(ends.client, &err), NKI_PENDING);
        if (rows[i].raw != NULL) {
            peer_raw(ends.server, rows[i].raw, 10);
        } else {
            peer_cut(ends.server);
        }
        int32_t status = nki_tls_handshake(ends.client, &err);
        if (status != rows[i].status || err.text[0] == '\0') {
            fail_msg("%s: status %d, %s", rows[i].name, status, err.text);
        }
        assert_int_equal(nki_tls_handshake(ends.client, &err), rows[i].status); /* and stays so */
        close_ends(&ends);
    }
}

static void test_certificates(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        const char *cert; /* name in tls_peer.h */
        bool other_ca;
        bool insecure;
        int32_t status;
        const char *text;
    } rows[] = {
        {HOST, "good", false, false, NKI_OK, ""},
        {"127.0.0.1", "good", false, false, NKI_OK, ""},
        {"::1", "good", false, false, NKI_OK, ""},
        {"127.0.0.2", "good", false, false, NKI_TLS_CERTIFICATE, "127.0.0.2"},
        {"other.test", "good", false, false, NKI_TLS_CERTIFICATE, "other.test"},
        {"SERVER.test", "good", false, false, NKI_OK, ""},
        {HOST, "good", true, false, NKI_TLS_CERTIFICATE, "issuer"},
        {HOST, "expired", false, false, NKI_TLS_CERTIFICATE, "expired"},
        {HOST, "early", false, false, NKI_TLS_CERTIFICATE, "not yet valid"},
        {HOST, "self", false, false, NKI_TLS_CERTIFICATE, "self-signed"},
        {"other.test", "expired", true, true, NKI_OK, ""},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_tls_config *config =
            config_of(rows[i].other_ca ? peer_other_ca() : peer_ca(), rows[i].insecure);
        struct ends ends = open_ends(100000, config, rows[i].host, peer_cert_of(rows[i].cert), peer_key());
        struct nki_error err = {0};
        int32_t status = shake(&ends, &err);
        if (status != rows[i].status || strstr(err.text, rows[i].text) == NULL) {
            fail_msg("%s with %s: status %d, \"%s\"", rows[i].cert, rows[i].host, status, err.text);
        }
        assert_int_equal(nki_tls_config_insecure(config), rows[i].insecure);
        nki_tls_config_release(config);
        close_ends(&ends);
    }
}

static void test_sessions_are_resumed(void **state)
{
    (void)state;
    struct nki_tls_config *config = config_of(peer_ca(), false);
    struct nki_tls_state tls;
    peer_share_tickets(true);
    for (int i = 0; i < 3; i++) {
        struct ends ends = open_ends(100000, config, HOST, peer_cert(), peer_key());
        struct nki_error err = {0};
        assert_int_equal(shake(&ends, &err), NKI_OK);
        assert_int_equal(peer_write(ends.server, "x", 1), 1);
        assert_int_equal(read_some(ends.client), 1); /* tickets come before it */
        nki_tls_describe(ends.client, &tls);
        assert_int_equal(tls.resumed, i > 0);
        assert_string_equal(tls.version, "TLSv1.3");
        assert_true(tls.cipher[0] != '\0');
        nki_stream_shutdown(ends.client);
        close_ends(&ends);
    }
    peer_share_tickets(false);
    nki_tls_config_release(config);
}

static void test_configurations(void **state)
{
    (void)state;
    struct nki_tls_material material = {.ca = {NKI_STR(""), nki_str_z(peer_ca())}, .ca_path = ""};
    struct nki_tls_config *first = NULL;
    struct nki_tls_config *second = NULL;
    struct nki_error err;
    assert_int_equal(nki_tls_config_make(&material, NULL, &first, &err), NKI_OK);
    assert_int_equal(nki_tls_config_make(&material, first, &second, &err), NKI_OK);
    assert_ptr_equal(first, second);
    nki_tls_config_release(second);
    material.only_1_3 = true;
    assert_int_equal(nki_tls_config_make(&material, first, &second, &err), NKI_OK);
    assert_ptr_not_equal(first, second);
    nki_tls_config_release(second);
    nki_tls_config_release(first);
    nki_tls_config_release(NULL);

    const struct {
        struct nki_tls_material material;
        const char *text;
    } bad[] = {
        {{.ca = {NKI_STR("nonsense")}}, "tls_ca_file"},
        {{.ca = {NKI_STR(""), NKI_STR("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")}},
         "tls_ca"},
        {{.ca_path = "/no/such/folder"}, "tls_ca_path"},
        {{.cert = nki_str_z(peer_cert())}, "without its key"},
        {{.key = nki_str_z(peer_key())}, "without its certificate"},
        {{.cert = NKI_STR("nonsense"), .key = nki_str_z(peer_key())}, "tls_cert"},
        {{.cert = nki_str_z(peer_cert()), .key = NKI_STR("nonsense")}, "tls_key"},
        {{.cert = nki_str_z(peer_cert()), .key = nki_str_z(peer_other_key())}, "does not belong"},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(bad); i++) {
        first = NULL;
        assert_int_equal(nki_tls_config_make(&bad[i].material, NULL, &first, &err), NKI_CREDENTIALS);
        if (strstr(err.text, bad[i].text) == NULL) {
            fail_msg("%zu: %s", i, err.text);
        }
        assert_null(first);
    }
}

/* Each allocation fails in turn, from the configuration to the handshake. */
static void test_memory(void **state)
{
    (void)state;
    uint64_t before = nki_alloc_bytes();
    for (long nth = 1; refuse_begin(nth); nth++) {
        const struct nki_tls_material material = {.ca_path = "", .insecure = true};
        struct nki_tls_config *config = NULL;
        struct nki_stream *below = NULL;
        struct nki_stream *other = NULL;
        struct nki_error err = {0};
        int32_t status = nki_tls_config_make(&material, NULL, &config, &err);
        struct nki_stream *stream = NULL;
        if (status == NKI_OK && nki_pair_new(1000, &below, &other)) {
            stream = nki_tls_open(below, config, HOST, "peer", &err);
            status = stream != NULL ? nki_tls_handshake(stream, &err) : err.status;
            nki_stream_free(stream != NULL ? stream : below);
            nki_stream_free(other);
        } else {
            status = NKI_NO_MEMORY;
        }
        nki_tls_config_release(config);
        assert_int_equal(status, refuse_happened() ? NKI_NO_MEMORY : NKI_PENDING);
        assert_int_equal(nki_alloc_bytes(), before);
    }
    refuse_end();
}

/* A configuration is the first that a process has of OpenSSL: it does not let that free, at exit(), what
 * threads of ours may still use. To be asked before any other use of OpenSSL. */
static void on_cleanup(void)
{
    _exit(7);
}

static int exit_of_child(void)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        const struct nki_tls_material material = {.ca_path = "", .insecure = true};
        struct nki_tls_config *config = NULL;
        struct nki_error err;
        (void)nki_tls_config_make(&material, NULL, &config, &err);
        nki_tls_config_release(config);
        OPENSSL_atexit(on_cleanup);
        exit(0);
    }
    (void)waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int child_ended_with;

static void test_no_clean_up_at_exit(void **state)
{
    (void)state;
    assert_int_equal(child_ended_with, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written_is_what_the_server_can_read),
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_reading_sends_nothing_of_the_writer),
        cmocka_unit_test(test_done_when_all_of_it_is_sent),
        cmocka_unit_test(test_writing_while_a_session_arrives),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_handshakes_that_fail),
        cmocka_unit_test(test_certificates),
        cmocka_unit_test(test_sessions_are_resumed),
        cmocka_unit_test(test_configurations),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_no_clean_up_at_exit),
    };
    child_ended_with = exit_of_child();
    peer_make_certificates();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    peer_forget_certificates();
    return failed;
}
