/* Map from a 64-bit number (not 0) to a pointer: open addressing, backward-shift delete. The caller locks. */
#ifndef NKI_BASE_MAP_H
#define NKI_BASE_MAP_H

#include "base/defs.h"

struct nki_map_slot {
    uint64_t key;
    void *value;
};

struct nki_map {
    struct nki_map_slot *slots;
    size_t cap; /* power of two, or 0 */
    size_t len;
};

void nki_map_free(struct nki_map *map);
void *nki_map_get(const struct nki_map *map, uint64_t key);
/* Inserts or replaces; false if there is no memory. */
bool nki_map_put(struct nki_map *map, uint64_t key, void *value) __attribute__((warn_unused_result));
/* Removes and returns the value, or NULL. */
void *nki_map_remove(struct nki_map *map, uint64_t key);
/* Iterates in no order: start with *at = 0; returns NULL at the end. The map must not change meanwhile. */
void *nki_map_next(const struct nki_map *map, size_t *at);

#endif
