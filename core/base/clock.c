/* Clocks of the system and arithmetic on deadlines that cannot overflow. Any thread. */
#include "base/clock.h"

#include <limits.h>

#define NS_PER_SECOND INT64_C(1000000000)

static int64_t read_clock(clockid_t clock)
{
    struct timespec now;
    int failed = clock_gettime(clock, &now);
    assert(failed == 0); /* both clocks exist everywhere, and the address is ours */
    (void)failed;
    return (int64_t)now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

int64_t nki_clock_now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t nki_clock_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

struct timespec nki_clock_timespec(int64_t ns)
{
    ns = ns < 0 ? 0 : ns;
    return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_SECOND), .tv_nsec = (long)(ns % NS_PER_SECOND)};
}

int64_t nki_deadline_ns(int64_t now_ns, int64_t timeout_ms)
{
    int64_t wait_ns;
    int64_t deadline_ns;
    assert(timeout_ms >= -1);
    if (timeout_ms < 0 || __builtin_mul_overflow(timeout_ms, NKI_NS_PER_MS, &wait_ns) ||
        __builtin_add_overflow(now_ns, wait_ns, &deadline_ns)) {
        return NKI_NEVER;
    }
    return deadline_ns;
}

int nki_deadline_poll_ms(int64_t now_ns, int64_t deadline_ns)
{
    int64_t left_ns;
    if (deadline_ns == NKI_NEVER) {
        return -1;
    }
    if (deadline_ns <= now_ns) {
        return 0;
    }
    if (__builtin_sub_overflow(deadline_ns, now_ns, &left_ns)) {
        return INT_MAX;
    }
    /* Rounded up: a poll that returns before the deadline would only be called again, in a tight loop. */
    int64_t left_ms = left_ns / NKI_NS_PER_MS + (left_ns % NKI_NS_PER_MS != 0);
    return left_ms < INT_MAX ? (int)left_ms : INT_MAX;
}
