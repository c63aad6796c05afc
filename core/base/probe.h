/* Static probes (USDT) for tracers of a running process: a no-op instruction at each place and a note that
 * tells where it is and where its arguments are. Any thread. Without <sys/sdt.h> there is nothing: the
 * arguments are not evaluated then, so they may have no effects, and are to be at hand.
 *
 * NKI_PROBE(name, ...) with up to eight integers and pointers; __ in a name is - for tracers.
 * docs/observability.md lists them with their arguments, which a test compares with the notes of the library.
 */
#ifndef NKI_BASE_PROBE_H
#define NKI_BASE_PROBE_H

#if defined(NKI_USDT)
#define SDT_USE_VARIADIC 1
#include <sys/sdt.h>
#define NKI_PROBE(...) STAP_PROBEV(natskit, __VA_ARGS__)
#else
#define NKI_PROBE(name, ...) ((void)sizeof(nki_probe_unused(0, __VA_ARGS__)))
int nki_probe_unused(int none, ...); /* never defined: what is said is checked, and counts as used */
#endif

#endif
