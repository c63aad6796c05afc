/* Clocks and deadlines in nanoseconds. */
#ifndef NKI_BASE_CLOCK_H
#define NKI_BASE_CLOCK_H

#include "base/defs.h"

#include <time.h>

/* Monotonic. */
int64_t nki_clock_now_ns(void);
/* Wall clock, since 1970 UTC. */
int64_t nki_clock_wall_ns(void);
/* For calls of the system; a negative time, which is none for it, as the begin. */
struct timespec nki_clock_timespec(int64_t ns);
/* now + timeout; timeout -1 gives NKI_NEVER, great ones saturate. */
int64_t nki_deadline_ns(int64_t now_ns, int64_t timeout_ms);
/* Time left for poll(): milliseconds rounded up, 0 when past, -1 for NKI_NEVER. */
int nki_deadline_poll_ms(int64_t now_ns, int64_t deadline_ns);

#endif
