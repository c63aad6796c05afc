/* What an attempt reads of files: each anew each time, what is wrong with one by its option's name, the TLS
 * configuration kept as long as its material is the same; without memory, and forgotten at any moment. */
#include "client/prepare.h"

#include "../base/cmocka_all.h"
#include "../base/refuse.h"
#include "../net/tls_peer.h"
#include "auth/nkey.h"
#include "base/clock.h"
#include "base/wake.h"
#include "base/worker.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEED "SUAMLK2ZNL35WSMW37E7UD4VZ7ELPKW7DHC3BWBSD2GCZ7IUQQXZIORRBU"
#define PUBLIC "UCK5N7N66OBOINFXAYC2ACJQYFSOD4VYNU6APEJTAVFZB2SVHLKGEW7L"
#define OTHER_SEED "SUAMK2FG4MI6UE3ACF3FK3OIQBCEIEZV7NSWFFEW63UXMRLFM2XLAXK4GY"

static char folder[] = "/tmp/natskit-prepare-XXXXXX";
static int wake_fd;

static const char *path_of(const char *name)
{
    static char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* NULL removes it. */
static void write_file(const char *name, const char *text)
{
    if (text == NULL) {
        assert_int_equal(unlink(path_of(name)), 0);
        return;
    }
    FILE *file = fopen(path_of(name), "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static struct nki_options *new_options(void)
{
    struct nki_options *options = nki_options_new(NKI_SCOPE_CONNECT);
    assert_non_null(options);
    return options;
}

static void set(struct nki_options *options, const char *name, const char *value)
{
    struct nki_error err;
    assert_int_equal(nki_options_set(options, nki_str_z(name), nki_str_z(value), &err), NKI_OK);
}

static void set_path(struct nki_options *options, const char *name, const char *file)
{
    set(options, name, path_of(file));
}

/* Prepares and waits; takes the reference of `last`. */
static struct nki_prepared prepare(const struct nki_options *options, uint32_t what,
                                   struct nki_tls_config *last)
{
    struct nki_prepared out = {0};
    struct nki_prepare *prepare = nki_prepare_start(options, what, last, wake_fd, &out.error);
    if (prepare == NULL) {
        nki_tls_config_release(last);
        out.status = out.error.status;
        return out;
    }
    while (!nki_prepare_done(prepare, &out)) {
        struct pollfd fd = {.fd = wake_fd, .events = POLLIN};
        assert_int_equal(poll(&fd, 1, 20000), 1);
        nki_wake_clear(wake_fd);
    }
    nki_prepare_free(prepare);
    return out;
}

static void forget(struct nki_prepared *prepared)
{
    nki_credentials_free(&prepared->credentials);
    nki_tls_config_release(prepared->tls);
}

static void test_what_is_needed(void **state)
{
    (void)state;
    static const char *const names[] = {"creds", "creds_file", "nkey_seed", "nkey_seed_file"};
    struct nki_options *options = new_options();
    assert_int_equal(nki_prepare_needed(options, false), 0);
    assert_int_equal(nki_prepare_needed(options, true), NKI_PREPARE_TLS);
    nki_options_free(options);
    for (size_t i = 0; i < NKI_ARRAY_LEN(names); i++) {
        options = new_options();
        set(options, names[i], "x");
        assert_int_equal(nki_prepare_needed(options, false), NKI_PREPARE_CREDENTIALS);
        assert_int_equal(nki_prepare_needed(options, true), NKI_PREPARE_CREDENTIALS | NKI_PREPARE_TLS);
        nki_options_free(options);
    }
}

static void expect_seed(const struct nki_options *options, const char *seed)
{
    struct nki_prepared got = prepare(options, NKI_PREPARE_CREDENTIALS, NULL);
    if (seed != NULL) {
        assert_int_equal(got.status, NKI_OK);
        assert_int_equal(got.credentials.nkey.len, strlen(PUBLIC));
        assert_int_equal(memcmp(nki_secret_str(&got.credentials.nkey).ptr, PUBLIC, strlen(PUBLIC)) == 0,
                         strcmp(seed, SEED) == 0);
    } else {
        assert_int_equal(got.status, NKI_CREDENTIALS);
        assert_int_equal(got.error.status, NKI_CREDENTIALS);
        assert_non_null(strstr(got.error.text, "nkey_seed_file"));
        assert_null(strstr(got.error.text, "SUAM"));
    }
    forget(&got);
}

static void test_files_are_read_each_time(void **state)
{
    (void)state;
    struct nki_options *options = new_options();
    write_file("seed", SEED "\n");
    set_path(options, "nkey_seed_file", "seed");
    expect_seed(options, SEED);
    write_file("seed", OTHER_SEED);
    expect_seed(options, OTHER_SEED);
    write_file("seed", "SUAMLK2ZNL35WSMW37E7UD4VZ7ELPKW7DHC3BWBSD2GCZ7IUQQXZIORRBV");
    expect_seed(options, NULL);
    write_file("seed", "");
    expect_seed(options, NULL);
    write_file("seed", NULL);
    expect_seed(options, NULL);
    write_file("seed", SEED);
    expect_seed(options, SEED);
    write_file("seed", NULL);
    set(options, "nkey_seed_file", folder); /* not a file */
    expect_seed(options, NULL);
    nki_options_free(options);
}

static struct nki_options *tls_options(void)
{
    struct nki_options *options = new_options();
    write_file("ca", peer_ca());
    write_file("cert", peer_cert());
    write_file("key", peer_key());
    set_path(options, "tls_ca_file", "ca");
    set_path(options, "tls_cert_file", "cert");
    set_path(options, "tls_key_file", "key");
    return options;
}

static void remove_tls_files(void)
{
    write_file("ca", NULL);
    write_file("cert", NULL);
    write_file("key", NULL);
}

/* A file that stops being good, and is good again: each attempt sees what is there. */
static void test_tls_material_changes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *text;
    } bad[] = {{"ca", "tls_ca_file"},
               {"cert", "tls_cert_file"},
               {"key", "tls_key_file"},
               {"ca", "nothing in it"},
               {"cert", "nor here"},
               {"key", "nor there"},
               {"ca", ""},
               {"cert", ""},
               {"key", ""}};
    struct nki_options *options = tls_options();
    struct nki_prepared first = prepare(options, NKI_PREPARE_TLS, NULL);
    assert_int_equal(first.status, NKI_OK);
    for (size_t i = 0; i < NKI_ARRAY_LEN(bad); i++) {
        write_file(bad[i].name, i < 3 ? NULL : bad[i].text);
        nki_tls_config_retain(first.tls);
        struct nki_prepared got = prepare(options, NKI_PREPARE_TLS, first.tls);
        assert_int_equal(got.status, NKI_CREDENTIALS);
        assert_null(got.tls);
        if (i < 3) {
            assert_non_null(strstr(got.error.text, bad[i].text));
        }
        forget(&got);
        write_file("ca", peer_ca());
        write_file("cert", peer_cert());
        write_file("key", peer_key());
        nki_tls_config_retain(first.tls);
        got = prepare(options, NKI_PREPARE_TLS, first.tls);
        assert_int_equal(got.status, NKI_OK);
        assert_ptr_equal(got.tls, first.tls); /* with the session that it knows */
        forget(&got);
    }
    write_file("key", peer_other_key());
    nki_tls_config_retain(first.tls);
    struct nki_prepared got = prepare(options, NKI_PREPARE_TLS, first.tls);
    assert_int_equal(got.status, NKI_CREDENTIALS);
    assert_non_null(strstr(got.error.text, "does not belong"));
    forget(&got);
    write_file("key", peer_key());
    write_file("ca", peer_other_ca());
    nki_tls_config_retain(first.tls);
    got = prepare(options, NKI_PREPARE_TLS, first.tls);
    assert_int_equal(got.status, NKI_OK);
    assert_ptr_not_equal(got.tls, first.tls);
    forget(&got);
    forget(&first);
    remove_tls_files();
    nki_options_free(options);
}

static void test_memory(void **state)
{
    (void)state;
    struct nki_options *options = tls_options();
    set(options, "nkey_seed", SEED);
    uint64_t before = nki_alloc_bytes();
    for (long nth = 1; refuse_begin(nth); nth++) {
        struct nki_prepared got = prepare(options, NKI_PREPARE_CREDENTIALS | NKI_PREPARE_TLS, NULL);
        assert_int_equal(got.status, refuse_happened() ? NKI_NO_MEMORY : NKI_OK);
        assert_int_equal(got.error.status, refuse_happened() ? NKI_NO_MEMORY : 0);
        forget(&got);
        assert_true(nki_worker_join(nki_clock_now_ns() + 20000 * NKI_NS_PER_MS));
        assert_int_equal(nki_alloc_bytes(), before);
    }
    refuse_end();
    remove_tls_files();
    nki_options_free(options);
}

/* Given up before, while, or after the files are read: nothing is left. */
static void test_forgotten(void **state)
{
    (void)state;
    struct nki_options *options = tls_options();
    struct nki_error err;
    set(options, "nkey_seed", SEED);
    uint64_t before = nki_alloc_bytes();
    for (int i = 0; i < 300; i++) {
        struct nki_prepare *prepare =
            nki_prepare_start(options, NKI_PREPARE_CREDENTIALS | NKI_PREPARE_TLS, NULL, wake_fd, &err);
        assert_non_null(prepare);
        for (int wait = 0; wait < i * 10; wait++) {
            (void)nki_clock_now_ns();
        }
        nki_prepare_free(prepare);
    }
    nki_prepare_free(NULL);
    assert_true(nki_worker_join(nki_clock_now_ns() + 20000 * NKI_NS_PER_MS));
    assert_int_equal(nki_alloc_bytes(), before);
    remove_tls_files();
    nki_options_free(options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_needed),
        cmocka_unit_test(test_files_are_read_each_time),
        cmocka_unit_test(test_tls_material_changes),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_forgotten),
    };
    wake_fd = nki_wake_open();
    if (wake_fd < 0 || mkdtemp(folder) == NULL) {
        return 1;
    }
    peer_make_certificates();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    peer_forget_certificates();
    (void)nki_worker_join(nki_clock_now_ns() + 20000 * NKI_NS_PER_MS);
    close(wake_fd);
    return rmdir(folder) == 0 ? failed : 1;
}
