/* The shared library in a host that loads and unloads it: opened, used and closed twice, and closed while its
 * threads run. Sees the library through dlsym alone. One thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four headers above it */
#include <cmocka.h>

#include <natskit.h>

#include "support/nats_server.h"

#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

struct api {
    void *lib;
    natskit_status (*version)(uint32_t *, uint32_t *, const char **);
    natskit_status (*connect)(const char *, size_t, natskit_options, int64_t, natskit_conn *,
                              natskit_error *);
    natskit_status (*subscribe)(natskit_conn, const char *, size_t, const char *, size_t, natskit_options,
                                natskit_sub *, natskit_error *);
    natskit_status (*publish)(natskit_conn, const char *, size_t, const char *, size_t, natskit_headers,
                              const void *, size_t, int64_t);
    natskit_status (*next)(natskit_sub, int64_t, natskit_msg **);
    natskit_status (*release)(natskit_msg *);
    natskit_status (*counters)(natskit_counters *, size_t);
    natskit_status (*shutdown)(int64_t);
};

static struct ts_server *server;

/* dlsym's result goes into a function pointer by way of its bytes, as POSIX has it. */
static void find(void *lib, const char *name, void *function)
{
    void *symbol = dlsym(lib, name);
    assert_non_null(symbol);
    memcpy(function, &symbol, sizeof symbol);
}

static struct api load(void)
{
    struct api api;
    api.lib = dlopen(NATSKIT_SHARED, RTLD_NOW | RTLD_LOCAL);
    if (api.lib == NULL) {
        print_error("%s\n", dlerror());
    }
    assert_non_null(api.lib);
    find(api.lib, "natskit_version", &api.version);
    find(api.lib, "natskit_connect", &api.connect);
    find(api.lib, "natskit_subscribe", &api.subscribe);
    find(api.lib, "natskit_publish", &api.publish);
    find(api.lib, "natskit_sub_next", &api.next);
    find(api.lib, "natskit_msg_release", &api.release);
    find(api.lib, "natskit_counters_get", &api.counters);
    find(api.lib, "natskit_shutdown", &api.shutdown);
    return api;
}

static int threads(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/task");
    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        count += entry->d_name[0] != '.';
    }
    closedir(dir);
    return count;
}

static void use(const struct api *api)
{
    natskit_conn conn;
    natskit_sub sub;
    natskit_msg *msg;
    const natskit_options no_options = {0};
    const natskit_headers no_headers = {0};
    assert_int_equal(api->connect(ts_server_url(server), NATSKIT_ZLEN, no_options, 10000, &conn, NULL),
                     NATSKIT_OK);
    assert_int_equal(api->subscribe(conn, "l", 1, NULL, 0, no_options, &sub, NULL), NATSKIT_OK);
    assert_int_equal(api->publish(conn, "l", 1, NULL, 0, no_headers, "x", 1, 0), NATSKIT_OK);
    assert_int_equal(api->next(sub, 10000, &msg), NATSKIT_OK);
    assert_int_equal(api->release(msg), NATSKIT_OK);
    assert_true(threads() > 1);
}

#if defined(__SANITIZE_THREAD__)
static void *nothing(void *arg)
{
    return arg;
}
#endif

static int start_server(void **state)
{
    (void)state;
#if defined(__SANITIZE_THREAD__)
    /* Its own thread comes with the first one of the program. */
    pthread_t thread;
    (void)pthread_create(&thread, NULL, nothing, NULL);
    pthread_join(thread, NULL);
#endif
    if (ts_server_program() == NULL) {
        return 0;
    }
    server = ts_server_start(NULL);
    return server != NULL ? 0 : -1;
}

static void need_server(void)
{
    if (server == NULL) {
        skip();
    }
}

static void test_load_use_unload_twice(void **state)
{
    (void)state;
    need_server();
    int before = threads();
    for (int turn = 0; turn < 2; turn++) {
        struct api api = load();
        natskit_counters counters;
        for (int again = 0; again < 2; again++) {
            use(&api);
            assert_int_equal(api.shutdown(10000), NATSKIT_OK);
            assert_int_equal(api.counters(&counters, sizeof counters), NATSKIT_OK);
            assert_int_equal(counters.conns + counters.subs + counters.msgs + counters.threads, 0);
        }
        assert_int_equal(dlclose(api.lib), 0);
    }
    for (int i = 0; i < 100000 && threads() != before; i++) {
        (void)sched_yield(); /* a joined thread leaves the kernel's list a moment later */
    }
    assert_int_equal(threads(), before);
}

/* Nothing of the host's is changed: signals, also in its mask. */
static void test_host_is_left_alone(void **state)
{
    (void)state;
    need_server();
    sigset_t mask_before;
    sigset_t mask_after;
    struct sigaction pipe_before;
    struct sigaction pipe_after;
    assert_int_equal(sigprocmask(SIG_BLOCK, NULL, &mask_before), 0);
    assert_int_equal(sigaction(SIGPIPE, NULL, &pipe_before), 0);
    struct api api = load();
    use(&api);
    assert_int_equal(sigprocmask(SIG_BLOCK, NULL, &mask_after), 0);
    assert_int_equal(sigaction(SIGPIPE, NULL, &pipe_after), 0);
    for (int number = 1; number < 32; number++) {
        assert_int_equal(sigismember(&mask_before, number), sigismember(&mask_after, number));
    }
    assert_ptr_equal(pipe_before.sa_handler, pipe_after.sa_handler);
    assert_int_equal(api.shutdown(10000), NATSKIT_OK);
    assert_int_equal(dlclose(api.lib), 0);
}

/* dlclose while a connection is open: the code stays, its threads run on, and a new dlopen finds them. */
static void test_unload_while_running(void **state)
{
    (void)state;
    need_server();
    struct api api = load();
    use(&api);
    assert_int_equal(dlclose(api.lib), 0);
    struct api again = load();
    natskit_counters counters;
    assert_int_equal(again.counters(&counters, sizeof counters), NATSKIT_OK);
    assert_int_equal(counters.conns, 1);
    assert_int_equal(again.shutdown(10000), NATSKIT_OK);
    assert_int_equal(dlclose(again.lib), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load_use_unload_twice),
        cmocka_unit_test(test_host_is_left_alone),
        cmocka_unit_test(test_unload_while_running),
    };
    int failed = cmocka_run_group_tests(tests, start_server, NULL);
    ts_server_free(server);
    return failed;
}
