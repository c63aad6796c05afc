/* A descriptor that a thread polls and others raise (eventfd), and one that stands for several (epoll).
 * Close-on-exec, non-blocking. */
#ifndef NKI_BASE_WAKE_H
#define NKI_BASE_WAKE_H

#include "base/defs.h"

/* The descriptor, or -1 with errno. */
int nki_wake_open(void);
/* Makes it readable. Any thread; never blocks. */
void nki_wake_raise(int fd);
/* Makes it unreadable again. */
void nki_wake_clear(int fd);

/* A descriptor that is readable when one of those in it is; -1 with errno. Whoever closes one of these takes
 * it out before. */
int nki_wake_any_open(void);
/* False with errno if there is no memory for it, or it is in already. */
bool nki_wake_any_add(int any, int fd);
void nki_wake_any_remove(int any, int fd);

#endif
