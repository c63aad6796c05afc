/* Which client of a pinned group the fetches of a context are: the ids that the server gave them, by consumer
 * and group. A fetch is over when the next one begins, so the context remembers; a consume remembers for
 * itself. Any thread, also under the engine lock; its mutex is taken last. Reference counted. */
#ifndef NKI_JETSTREAM_PINS_H
#define NKI_JETSTREAM_PINS_H

#include "base/str.h"

#define NKI_PINS_MAX                                                                                         \
    32 /* beyond that the one that was used longest ago is forgotten: it is no client any more */
#define NKI_PIN_MAX 64 /* bytes of an id */

struct nki_pins;

/* One reference; NULL if there is no memory. */
struct nki_pins *nki_pins_new(void);
void nki_pins_retain(struct nki_pins *pins);
void nki_pins_release(struct nki_pins *pins); /* NULL is allowed */

uint64_t nki_pins_key(struct nki_str stream, struct nki_str consumer, struct nki_str group);
/* Copies the id to `out`: its length; 0: there is none. */
size_t nki_pins_get(struct nki_pins *pins, uint64_t key, char out[NKI_PIN_MAX]);
/* `pin` is not longer than NKI_PIN_MAX. */
void nki_pins_keep(struct nki_pins *pins, uint64_t key, struct nki_str pin);
/* The id is not this one any more; another one stays. */
void nki_pins_forget(struct nki_pins *pins, uint64_t key, struct nki_str pin);

#endif
