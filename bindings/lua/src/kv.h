/* Between kv.c, kv_many.c and kv_batch.c: how the methods of buckets read their options, and wait. */
#ifndef LNK_KV_H
#define LNK_KV_H

#include "lnk.h"

/* Slots of a look-up or a change. */
enum lnk_kv_slot {
    S_KV = 1,
    S_KEY,
    S_VALUE,
    S_ACTION, /* NATSKIT_KV_*, or below */
    S_REVISION,
    S_TTL,
    S_DEADLINE,
    S_WAIT,
    S_ROOM, /* the wait for room, or nil */
    S_TOP = S_ROOM
};

/* Beside the actions of a write. */
#define LNK_KV_GET 0
#define LNK_KV_STATUS 7
#define LNK_KV_OPEN 8 /* the same, and gives the bucket */

/* Options that a method may have beside timeout. */
#define MAY_REVISION 1
#define MAY_TTL 2
#define MAY_OLDER 4
#define MAY_KEYS 8
#define MAY_TRIES 16
#define MAY_SWEEP 64 /* in_flight and older_than_ms, which are read elsewhere */
#define MAY_OPEN 32  /* those of js:kv, which are read elsewhere */

/* What the options of a call ask for. */
struct lnk_kv_wishes {
    uint64_t revision;
    int64_t ttl_ms;
    int64_t older_ms;
    int64_t timeout_ms;
    lua_Integer tries;
};

/* Reads the table of options at `index`, which may be nil. */
struct lnk_kv_wishes lnk_kv_read_wishes(lua_State *L, int index, unsigned may, const char *what,
                                        int64_t timeout_ms);
/* The bucket at 1. */
const lnk_kv *lnk_kv_check(lua_State *L);
/* Adds the pattern, or the list of them, at `index`, which may be nil, to option keys of a scope. */
void lnk_kv_add_keys(lua_State *L, lnk_options *options, int32_t scope, int index);
/* Sets a flag of a watch. */
void lnk_kv_set_flag(lua_State *L, lnk_options *options, const char *name, int value);
/* The revision at `index`, 0 for nil. */
uint64_t lnk_kv_read_revision(lua_State *L, int index);
typedef natskit_status (*lnk_kv_begin)(natskit_kv kv, natskit_options options, natskit_sub *out,
                                       natskit_error *err);
/* Begins what yields entries, and pushes it. Returns 0, or the number of results of a failure. */
int lnk_kv_begin_watch(lua_State *L, lnk_options *options, lnk_kv_begin begin, const char *what);
/* Begins what is done with the bucket at S_KV, or its key at S_KEY; a value stands at S_VALUE, or nil does.
 */
int lnk_kv_use(lua_State *L, int32_t action, const struct lnk_kv_wishes *wishes);

/* kv_many.c */
int lnk_kv_delete_all(lua_State *L);
int lnk_kv_purge_all(lua_State *L);
int lnk_kv_purge_deletes(lua_State *L);
int lnk_kv_cache(lua_State *L);
int lnk_kv_cached(lua_State *L);
int lnk_kv_cached_all(lua_State *L);
int lnk_kv_cache_info(lua_State *L);
int lnk_kv_modify(lua_State *L);

/* kv_batch.c */
int lnk_kv_get_many(lua_State *L);
int lnk_kv_batch(lua_State *L);
int lnk_batch_put(lua_State *L);
int lnk_batch_create(lua_State *L);
int lnk_batch_update(lua_State *L);
int lnk_batch_delete(lua_State *L);
int lnk_batch_purge(lua_State *L);
/* As lnk_finish_publish, of changes: gives their revisions. */
int lnk_finish_changes(lua_State *L, lnk_state *st, lnk_wait *wait, int index, natskit_status status,
                       const natskit_error *err);

#endif
