/* OpenSSL does not free what it holds at exit(), where threads of ours may still use it: a handler of its
 * clean-up ends the process with a number of its own, or is never called. */
#include "base/openssl.h"

#include "cmocka_all.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void on_cleanup(void)
{
    _exit(7);
}

/* The status of a process that used OpenSSL and called exit(0). */
static int status_of_child(bool ours)
{
    int status = -1;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (ours) {
            nki_openssl_begin();
        }
        EVP_MD_free(EVP_MD_fetch(NULL, "SHA256", NULL));
        OPENSSL_atexit(on_cleanup);
        exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_no_clean_up_at_exit(void **state)
{
    (void)state;
    assert_int_equal(status_of_child(false), 7); /* what it does by itself */
    assert_int_equal(status_of_child(true), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_clean_up_at_exit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
