/* Small helpers of the language. */
#ifndef NKI_BASE_DEFS_H
#define NKI_BASE_DEFS_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NKI_LIKELY(x) __builtin_expect(!!(x), 1)
#define NKI_UNLIKELY(x) __builtin_expect(!!(x), 0)
/* A local variable that is written before it is read, and too large to be cleared each time for nothing (the
 * release build clears all: -ftrivial-auto-var-init). */
#ifdef __has_attribute
#if __has_attribute(uninitialized)
#define NKI_UNINIT __attribute__((uninitialized))
#endif
#endif
#ifndef NKI_UNINIT
#define NKI_UNINIT
#endif
#define NKI_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define NKI_CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define NKI_KIB 1024u
#define NKI_MIB (1024u * 1024u)
#define NKI_NS_PER_MS INT64_C(1000000)
#define NKI_NEVER INT64_MAX /* a deadline that does not come, in ns */

#endif
