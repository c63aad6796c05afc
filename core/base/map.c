/* Map from numbers to pointers with linear probing. Deleting shifts the followers back, so there are no
 * tombstones and lookups stay short for ever. Whoever owns the map locks. */
#include "base/map.h"

#include "base/alloc.h"

#define CAP_MIN 16

/* Where a key would like to stand. Numbers are often consecutive; the mixing spreads them. */
static size_t home(const struct nki_map *map, uint64_t key)
{
    key ^= key >> 32;
    key *= UINT64_C(0x9E3779B97F4A7C15);
    key ^= key >> 29;
    return (size_t)key & (map->cap - 1);
}

/* The key's slot, or the empty one where it belongs. The map has an empty slot. */
static struct nki_map_slot *find(const struct nki_map *map, uint64_t key)
{
    size_t at = home(map, key);
    while (map->slots[at].key != 0 && map->slots[at].key != key) {
        at = (at + 1) & (map->cap - 1);
    }
    return &map->slots[at];
}

static bool grow(struct nki_map *map)
{
    struct nki_map bigger = {.cap = map->cap > 0 ? map->cap * 2 : CAP_MIN, .len = map->len};
    if (bigger.cap < map->cap) {
        return false;
    }
    bigger.slots = nki_calloc(bigger.cap, sizeof *bigger.slots);
    if (bigger.slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < map->cap; i++) {
        if (map->slots[i].key != 0) {
            *find(&bigger, map->slots[i].key) = map->slots[i];
        }
    }
    nki_free(map->slots);
    *map = bigger;
    return true;
}

void nki_map_free(struct nki_map *map)
{
    nki_free(map->slots);
    *map = (struct nki_map){0};
}

void *nki_map_get(const struct nki_map *map, uint64_t key)
{
    assert(key != 0);
    return map->len > 0 ? find(map, key)->value : NULL;
}

bool nki_map_put(struct nki_map *map, uint64_t key, void *value)
{
    assert(key != 0 && value != NULL);
    if (map->cap > 0) {
        struct nki_map_slot *slot = find(map, key);
        if (slot->key == key) {
            slot->value = value;
            return true;
        }
    }
    /* At most three quarters full: probes stay short, and an empty slot always exists. */
    if (map->len >= map->cap / 4 * 3 && !grow(map)) {
        return false;
    }
    *find(map, key) = (struct nki_map_slot){key, value};
    map->len++;
    return true;
}

void *nki_map_remove(struct nki_map *map, uint64_t key)
{
    assert(key != 0);
    struct nki_map_slot *slot = map->len > 0 ? find(map, key) : NULL;
    if (slot == NULL || slot->key == 0) {
        return NULL;
    }
    void *value = slot->value;
    size_t mask = map->cap - 1;
    size_t hole = (size_t)(slot - map->slots);
    for (size_t at = (hole + 1) & mask; map->slots[at].key != 0; at = (at + 1) & mask) {
        /* Who is at least as far from home as from the hole may move into it; others would get lost. */
        if (((at - home(map, map->slots[at].key)) & mask) >= ((at - hole) & mask)) {
            map->slots[hole] = map->slots[at];
            hole = at;
        }
    }
    map->slots[hole] = (struct nki_map_slot){0};
    map->len--;
    return value;
}

void *nki_map_next(const struct nki_map *map, size_t *at)
{
    while (*at < map->cap) {
        struct nki_map_slot *slot = &map->slots[(*at)++];
        if (slot->key != 0) {
            return slot->value;
        }
    }
    return NULL;
}
