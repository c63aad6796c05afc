/* Resolving: literals at once, names through the helper with a getaddrinfo of the test's own, which can be
 * held up; order of families; errors; forgetting; joining; a child after fork. */
#include "net/resolve.h"

#include "../base/cmocka_all.h"
#include "../base/refuse.h"
#include "base/clock.h"
#include "base/sync.h"
#include "base/wake.h"
#include "base/worker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                       struct addrinfo **out);
void __wrap_freeaddrinfo(struct addrinfo *list);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);

static sem_t asked;  /* posted when the helper has begun with "slow" */
static sem_t answer; /* waited for by it */
static int create_error;
static _Atomic unsigned lookups;

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    return create_error != 0 ? create_error : __real_pthread_create(thread, attr, run, arg);
}

struct entry {
    struct addrinfo info;
    struct sockaddr_storage addr;
};

static struct addrinfo *entry_of(char family, unsigned number)
{
    struct entry *entry = calloc(1, sizeof *entry);
    if (family == '6') {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&entry->addr;
        v6->sin6_family = AF_INET6;
        v6->sin6_addr.s6_addr[15] = (uint8_t)number;
        entry->info.ai_addrlen = sizeof *v6;
    } else if (family == '4') {
        struct sockaddr_in *v4 = (struct sockaddr_in *)&entry->addr;
        v4->sin_family = AF_INET;
        v4->sin_addr.s_addr = htonl(number);
        entry->info.ai_addrlen = sizeof *v4;
    } else {
        entry->addr.ss_family = AF_UNIX;
        entry->info.ai_addrlen = sizeof entry->addr;
    }
    entry->info.ai_family = entry->addr.ss_family;
    entry->info.ai_addr = (struct sockaddr *)&entry->addr;
    return &entry->info;
}

/* "families:<digits>" has one address per letter, numbered from 1 within the name; '=' repeats the one before
 * it. */
int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                       struct addrinfo **out)
{
    struct addrinfo **tail = out;
    (void)service;
    lookups++;
    *out = NULL;
    if (hints->ai_socktype != SOCK_STREAM || hints->ai_family != AF_UNSPEC || hints->ai_flags != 0) {
        return EAI_BADFLAGS;
    }
    if (strcmp(host, "slow") == 0) {
        sem_post(&asked);
        while (sem_wait(&answer) != 0) {
        }
        host = "families:4";
    }
    if (strcmp(host, "system") == 0) {
        errno = EMFILE;
        return EAI_SYSTEM;
    }
    if (strcmp(host, "memory") == 0) {
        return EAI_MEMORY;
    }
    if (strncmp(host, "families:", 9) != 0) {
        return EAI_NONAME;
    }
    for (unsigned i = 9; host[i] != '\0'; i++) {
        *tail = host[i] == '=' ? entry_of(host[i - 1], i - 9) : entry_of(host[i], i - 8);
        tail = &(*tail)->ai_next;
    }
    return 0;
}

void __wrap_freeaddrinfo(struct addrinfo *list)
{
    while (list != NULL) {
        struct addrinfo *next = list->ai_next;
        free(NKI_CONTAINER_OF(list, struct entry, info));
        list = next;
    }
}

static bool raised(int fd, int timeout_ms)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    return poll(&polled, 1, timeout_ms) == 1;
}

static int64_t soon(void)
{
    return nki_deadline_ns(nki_clock_now_ns(), 10000);
}

static int32_t resolve(const char *host, uint16_t port, struct nki_addrs *addrs, struct nki_error *err)
{
    int32_t status = 1;
    int fd = nki_wake_open();
    struct nki_resolve *question = nki_resolve_start(host, port, fd, err);
    assert_non_null(question);
    assert_true(raised(fd, 10000));
    assert_true(nki_resolve_done(question, &status, addrs, err));
    assert_true(nki_resolve_done(question, &status, addrs, err)); /* the answer stays */
    nki_resolve_free(question);
    close(fd);
    return status;
}

static int idle_before(void **state)
{
    (void)state;
    return nki_worker_join(soon()) && nki_thread_count() == 0 ? 0 : -1;
}

static const char *text_of(const struct nki_addr *addr, char *out, size_t cap)
{
    char host[INET6_ADDRSTRLEN];
    uint16_t port;
    if (addr->addr.ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&addr->addr;
        assert_int_equal(addr->len, sizeof *v6);
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
        port = ntohs(v6->sin6_port);
    } else {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&addr->addr;
        assert_int_equal(addr->len, sizeof *v4);
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
        port = ntohs(v4->sin_port);
    }
    snprintf(out, cap, "%s %u", host, port);
    return out;
}

static void test_literals_need_no_thread(void **state)
{
    (void)state;
    static const char *const rows[][2] = {{"127.0.0.1", "127.0.0.1 4222"},
                                          {"::1", "::1 4222"},
                                          {"2001:db8::5", "2001:db8::5 4222"},
                                          {"::ffff:10.0.0.1", "::ffff:10.0.0.1 4222"},
                                          {"255.255.255.255", "255.255.255.255 4222"}};
    unsigned before = lookups;
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_addrs addrs;
        struct nki_error err;
        char text[80];
        int32_t status = 1;
        int fd = nki_wake_open();
        struct nki_resolve *question = nki_resolve_start(rows[i][0], 4222, fd, &err);
        assert_true(nki_resolve_done(question, &status, &addrs, &err));
        assert_false(raised(fd, 0)); /* who asks looks himself */
        assert_int_equal(status, NKI_OK);
        assert_int_equal(addrs.count, 1);
        assert_string_equal(text_of(&addrs.list[0], text, sizeof text), rows[i][1]);
        assert_int_equal(nki_thread_count(), 0);
        nki_resolve_free(question);
        close(fd);
    }
    assert_int_equal(lookups, before);
}

static void test_near_literals_are_names(void **state)
{
    (void)state;
    static const char *const rows[] = {"127.1", "1",          "0x7f.0.0.1", "127.0.0.1 ",
                                       "[::1]", "fe80::1%lo", "256.0.0.1"};
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_addrs addrs;
        struct nki_error err;
        unsigned before = lookups;
        assert_int_equal(resolve(rows[i], 1, &addrs, &err), NKI_RESOLVE);
        assert_int_equal(lookups, before + 1);
    }
}

static void test_families_take_turns(void **state)
{
    (void)state;
    static const struct {
        const char *host, *order; /* a letter for the family and one for the number */
    } rows[] = {
        {"families:4", "4a"},
        {"families:6", "6a"},
        {"families:46", "4a6b"},
        {"families:66644", "6a4d6b4e6c"},
        {"families:44466", "4a6d4b6e4c"},
        {"families:6464", "6a4b6c4d"},
        {"families:444", "4a4b4c"},
        {"families:4==6=", "4a6d"}, /* repeated ones count once */
        {"families:x4x6x", "4b6d"},
        {"families:444444444444444444446", "4a6u4b4c4d4e4f4g4h4i4j4k4l4m4n4o"}, /* at most 16 */
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_addrs addrs;
        struct nki_error err;
        char order[2 * NKI_ADDRS_MAX + 1] = "";
        assert_int_equal(resolve(rows[i].host, 8222, &addrs, &err), NKI_OK);
        for (size_t j = 0; j < addrs.count; j++) {
            const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&addrs.list[j].addr;
            const struct sockaddr_in *v4 = (const struct sockaddr_in *)&addrs.list[j].addr;
            bool six = v6->sin6_family == AF_INET6;
            unsigned number = six ? v6->sin6_addr.s6_addr[15] : ntohl(v4->sin_addr.s_addr);
            assert_int_equal(ntohs(six ? v6->sin6_port : v4->sin_port), 8222);
            order[2 * j] = six ? '6' : '4';
            order[2 * j + 1] = (char)('a' + number - 1);
        }
        assert_string_equal(order, rows[i].order);
    }
}

/* Each address at each place of its family, and nowhere else. */
static void test_shuffling(void **state)
{
    (void)state;
    enum { ROUNDS = 3000, COUNT = 5 };
    static const int family[COUNT] = {AF_INET6, AF_INET, AF_INET6, AF_INET, AF_INET6};
    int seen[COUNT][COUNT] = {{0}};
    struct nki_rand rand;
    nki_rand_seed(&rand, 11);
    for (int round = 0; round < ROUNDS; round++) {
        struct nki_addrs addrs = {.count = COUNT};
        for (int i = 0; i < COUNT; i++) {
            addrs.list[i].addr.ss_family = (sa_family_t)family[i];
            addrs.list[i].len = (socklen_t)i;
        }
        nki_addrs_shuffle(&addrs, &rand);
        for (int i = 0; i < COUNT; i++) {
            assert_int_equal(addrs.list[i].addr.ss_family, family[i]);
            seen[addrs.list[i].len][i]++;
        }
    }
    for (int i = 0; i < COUNT; i++) {
        for (int at = 0; at < COUNT; at++) {
            int wanted = family[i] != family[at] ? 0 : family[i] == AF_INET ? ROUNDS / 2 : ROUNDS / 3;
            assert_in_range(seen[i][at], wanted - wanted / 8, wanted + wanted / 8);
        }
    }
    struct nki_addrs none = {.count = 0};
    nki_addrs_shuffle(&none, &rand);
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        int32_t status;
        int sys_errno;
    } rows[] = {{"nowhere.invalid", NKI_RESOLVE, 0},
                {"system", NKI_RESOLVE, EMFILE},
                {"memory", NKI_NO_MEMORY, 0},
                {"families:", NKI_RESOLVE, 0},
                {"families:x", NKI_RESOLVE, 0}};
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_addrs addrs;
        struct nki_error err = {0};
        assert_int_equal(resolve(rows[i].host, 1, &addrs, &err), rows[i].status);
        assert_int_equal(err.status, rows[i].status);
        assert_int_equal(err.sys_errno, rows[i].sys_errno);
        assert_int_equal(resolve(rows[i].host, 1, &addrs, NULL), rows[i].status);
        if (rows[i].status == NKI_RESOLVE) {
            assert_non_null(strstr(err.text, rows[i].host));
        }
    }
    char host[5001];
    struct nki_addrs addrs;
    struct nki_error err;
    memset(host, 'h', 5000);
    host[5000] = '\0';
    assert_int_equal(resolve(host, 1, &addrs, &err), NKI_RESOLVE);
    assert_non_null(strstr(err.text, "hhh\": ")); /* the cause is not pushed out by the name */
}

static void test_questions_wait_their_turn(void **state)
{
    (void)state;
    struct nki_addrs addrs;
    struct nki_error err;
    int32_t status = 1;
    int fds[3];
    struct nki_resolve *questions[3];
    static const char *const hosts[] = {"slow", "families:6", "nowhere"};
    for (size_t i = 0; i < 3; i++) {
        fds[i] = nki_wake_open();
        questions[i] = nki_resolve_start(hosts[i], 1, fds[i], &err);
        assert_non_null(questions[i]);
    }
    sem_wait(&asked);
    assert_int_equal(nki_thread_count(), 1);
    for (size_t i = 0; i < 3; i++) {
        assert_false(nki_resolve_done(questions[i], &status, &addrs, &err));
        assert_false(raised(fds[i], 0));
    }
    assert_int_equal(status, 1);
    assert_false(nki_worker_join(0));
    sem_post(&answer);
    for (size_t i = 0; i < 3; i++) {
        assert_true(raised(fds[i], 10000));
        assert_true(nki_resolve_done(questions[i], &status, &addrs, &err));
        assert_int_equal(status, i == 2 ? NKI_RESOLVE : NKI_OK);
        nki_resolve_free(questions[i]);
        close(fds[i]);
    }
    assert_true(nki_worker_join(soon()));
    assert_int_equal(nki_thread_count(), 0);
    assert_true(nki_worker_join(0)); /* nothing there to wait for */
}

static void test_forgotten_questions(void **state)
{
    (void)state;
    struct nki_error err;
    uint64_t before = nki_alloc_bytes();
    int slow_fd = nki_wake_open();
    int queued_fd = nki_wake_open();
    struct nki_resolve *slow = nki_resolve_start("slow", 1, slow_fd, &err);
    unsigned asked_before = 0;
    sem_wait(&asked);
    asked_before = lookups;
    struct nki_resolve *queued = nki_resolve_start("families:4", 1, queued_fd, &err);
    nki_resolve_free(slow);   /* is being answered */
    nki_resolve_free(queued); /* waits */
    nki_resolve_free(NULL);
    sem_post(&answer);
    assert_true(nki_worker_join(soon()));
    assert_false(raised(slow_fd, 0));
    assert_false(raised(queued_fd, 0));
    assert_int_equal(lookups, asked_before);
    assert_int_equal(nki_alloc_bytes(), before);
    close(slow_fd);
    close(queued_fd);
}

static void test_without_memory_or_thread(void **state)
{
    (void)state;
    uint64_t before = nki_alloc_bytes();
    int fd = nki_wake_open();
    struct nki_error err;
    create_error = EAGAIN;
    assert_null(nki_resolve_start("families:4", 1, fd, &err));
    create_error = 0;
    assert_int_equal(err.status, NKI_SYSTEM);
    assert_int_equal(err.sys_errno, EAGAIN);
    for (long nth = 1; refuse_begin(nth); nth++) {
        err = (struct nki_error){0};
        struct nki_resolve *question = nki_resolve_start("families:4", 1, fd, &err);
        assert_int_equal(question == NULL, refuse_happened());
        refuse_end();
        if (question == NULL) {
            assert_int_equal(err.status, NKI_NO_MEMORY);
            assert_false(raised(fd, 0));
        } else {
            assert_true(raised(fd, 10000));
            nki_resolve_free(question);
        }
        assert_true(nki_worker_join(soon()));
        assert_int_equal(nki_alloc_bytes(), before);
    }
    close(fd);
}

static void *ask_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < 200; i++) {
        struct nki_addrs addrs;
        int32_t status = 1;
        int fd = nki_wake_open();
        struct nki_resolve *question = nki_resolve_start(i % 3 == 0 ? "::1" : "families:46", 1, fd, NULL);
        bool there = question != NULL && nki_resolve_done(question, &status, &addrs, NULL);
        if (question == NULL ||
            (i % 5 != 0 && ((!there && !raised(fd, 10000)) ||
                            !nki_resolve_done(question, &status, &addrs, NULL) || status != NKI_OK))) {
            return arg;
        }
        nki_resolve_free(question);
        close(fd); /* safe now, answered or not */
        if (i % 50 == 0) {
            (void)nki_worker_join(soon());
        }
    }
    return NULL;
}

static void test_many_threads_ask(void **state)
{
    (void)state;
    uint64_t before = nki_alloc_bytes();
    pthread_t threads[4];
    int token;
    for (size_t i = 0; i < NKI_ARRAY_LEN(threads); i++) {
        assert_int_equal(__real_pthread_create(&threads[i], NULL, ask_often, &token), 0);
    }
    for (size_t i = 0; i < NKI_ARRAY_LEN(threads); i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_true(nki_worker_join(soon()));
    assert_int_equal(nki_thread_count(), 0);
    assert_int_equal(nki_alloc_bytes(), before);
}

#if defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#endif

/* What the child does; its exit code tells the step that failed. */
static int live_as_child(struct nki_resolve *inherited)
{
    struct nki_addrs addrs;
    int32_t status = 1;
    nki_thread_forget();
    nki_worker_forget();
    if (!nki_worker_join(0)) {
        return 1;
    }
    nki_resolve_free(inherited);
    int fd = nki_wake_open();
    struct nki_resolve *question = nki_resolve_start("families:64", 1, fd, NULL);
    if (question == NULL || !raised(fd, 10000)) {
        return 2;
    }
    if (!nki_resolve_done(question, &status, &addrs, NULL) || status != NKI_OK || addrs.count != 2) {
        return 3;
    }
    nki_resolve_free(question);
    return nki_worker_join(soon()) && nki_thread_count() == 0 ? 0 : 4;
}

static void test_child_begins_anew(void **state)
{
    (void)state;
#ifdef UNDER_TSAN
    skip(); /* it forbids threads in a child of a program that has some */
#endif
    struct nki_error err;
    int exit_status = -1;
    int fd = nki_wake_open();
    struct nki_resolve *slow = nki_resolve_start("slow", 1, fd, &err);
    sem_wait(&asked); /* the parent's helper is amid an answer at the fork */
    pid_t child = fork();
    if (child == 0) {
        alarm(30); /* a deadlock shall not outlive the test */
        _exit(live_as_child(slow));
    }
    assert_int_equal(waitpid(child, &exit_status, 0), child);
    assert_int_equal(exit_status, 0);
    sem_post(&answer);
    assert_true(raised(fd, 10000));
    nki_resolve_free(slow);
    assert_true(nki_worker_join(soon()));
    close(fd);
}

int main(void)
{
    sem_init(&asked, 0, 0);
    sem_init(&answer, 0, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_literals_need_no_thread, idle_before),
        cmocka_unit_test_setup(test_near_literals_are_names, idle_before),
        cmocka_unit_test_setup(test_families_take_turns, idle_before),
        cmocka_unit_test_setup(test_shuffling, idle_before),
        cmocka_unit_test_setup(test_errors, idle_before),
        cmocka_unit_test_setup(test_questions_wait_their_turn, idle_before),
        cmocka_unit_test_setup(test_forgotten_questions, idle_before),
        cmocka_unit_test_setup(test_without_memory_or_thread, idle_before),
        cmocka_unit_test_setup(test_many_threads_ask, idle_before),
        cmocka_unit_test_setup(test_child_begins_anew, idle_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
