/* A descriptor that a thread polls and others raise (eventfd). Close-on-exec, non-blocking. */
#ifndef NKI_BASE_WAKE_H
#define NKI_BASE_WAKE_H

#include "base/defs.h"

/* The descriptor, or -1 with errno. */
int nki_wake_open(void);
/* Makes it readable. Any thread; never blocks. */
void nki_wake_raise(int fd);
/* Makes it unreadable again. */
void nki_wake_clear(int fd);

#endif
