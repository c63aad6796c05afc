/* Fast ingest: many messages to one stream, which it acks by and by. Publishing is in js_publish.c. */
#include "lnk.h"

#include <string.h>

static lnk_ingest *check_ingest(lua_State *L)
{
    return lnk_check(L, lnk_state_of(L), 1, LNK_INGEST);
}

/* js:ingest([options of the library]) */
int lnk_js_ingest(lua_State *L)
{
    const lnk_js *js = lnk_check(L, lnk_state_of(L), 1, LNK_JS);
    natskit_error err;
    lua_settop(L, 2);
    lnk_options *options = lnk_begin_options(L);
    lnk_options_open(L, options, NATSKIT_OPTIONS_INGEST);
    if (!lua_isnil(L, 2)) {
        lnk_fill_options(L, options, 2, NATSKIT_OPTIONS_INGEST, NULL);
    }
    lnk_ingest *ingest = lnk_new(L, LNK_INGEST, sizeof *ingest, LNK_INGEST_VALUES);
    ingest->timeout_ms = js->timeout_ms;
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, LNK_INGEST_JS);
    lua_getiuservalue(L, 1, LNK_JS_CONN);
    lnk_sub *failures = lnk_push_sub(L, lua_gettop(L), LNK_SUB_VALUES);
    natskit_status status =
        natskit_ingest_open(js->js, lnk_options_of(options), &ingest->ingest, &failures->sub, &err);
    lnk_options_end(options);
    if (status != NATSKIT_OK) {
        return lnk_fail_or_raise(L, status, &err, "ingest");
    }
    lua_setiuservalue(L, -3, LNK_INGEST_FAILURES);
    lua_pop(L, 1);
    return 1;
}

/* What the ingest at 1 tells of itself. */
static natskit_status read_info(lua_State *L, natskit_ingest_info *info)
{
    const lnk_ingest *ingest = lua_touserdata(L, 1);
    memset(info, 0, sizeof *info);
    if (ingest->ingest.id == 0) {
        *info = ingest->last;
        return NATSKIT_OK;
    }
    natskit_status status = natskit_ingest_info_get(ingest->ingest, info, sizeof *info);
    lua_getiuservalue(L, 1, LNK_INGEST_FAILURES);
    const lnk_sub *failures = lua_touserdata(L, -1);
    info->untaken += failures->count - failures->head;
    lua_pop(L, 1);
    return status;
}

/* Ends it; its numbers stay. */
static int ingest_gc(lua_State *L)
{
    lnk_ingest *ingest = lua_touserdata(L, 1);
    if (ingest->ingest.id != 0 && read_info(L, &ingest->last) != NATSKIT_OK) {
        ingest->last.reason = NATSKIT_CLOSED;
    }
    natskit_ingest_close(ingest->ingest);
    ingest->ingest.id = 0;
    return 0;
}

/* fast:close(): without a commit what is under way may be stored or not */
static int ingest_close(lua_State *L)
{
    check_ingest(L);
    ingest_gc(L);
    lua_pushboolean(L, 1);
    return 1;
}

/* Begins to wait until all is stored. */
static natskit_status start_commit(lua_State *L, int64_t timeout_ms, lnk_wait **out, natskit_error *err)
{
    const natskit_options none = {0};
    const lnk_ingest *ingest = check_ingest(L);
    lua_settop(L, 1);
    *out = lnk_push_wait(L, 1);
    return natskit_ingest_commit_start(ingest->ingest, none, timeout_ms, &(*out)->op, err);
}

/* fast:commit([timeout]) -> ack, or nil, text, code, ..., outcome as of js:publish */
static int ingest_commit(lua_State *L)
{
    natskit_error err;
    lnk_wait *wait;
    const lnk_ingest *ingest = check_ingest(L);
    natskit_status status = start_commit(L, lnk_opt_ms(L, 2, "timeout", ingest->timeout_ms), &wait, &err);
    wait->finish = lnk_finish_publish;
    return status == NATSKIT_OK ? lnk_await(L, 2) : lnk_fail_or_raise(L, status, &err, "commit");
}

static int finish_close(lua_State *L, lnk_state *st, lnk_wait *wait, int index, natskit_status status,
                        const natskit_error *err)
{
    int results = lnk_finish_publish(L, st, wait, index, status, err);
    ingest_gc(L); /* it is at 1 */
    if (lua_toboolean(L, -results)) {
        return results;
    }
    return luaL_error(L, "ingest: %s (%s)", lua_tostring(L, 1 - results), lua_tostring(L, 2 - results));
}

/* End of the scope of a <close> variable: commits, unless that was done, nothing was published, or an error
 * has ended the scope; raises if a message is not stored. */
static int ingest_to_be_closed(lua_State *L)
{
    natskit_error err;
    natskit_ingest_info info;
    lnk_wait *wait;
    const lnk_ingest *ingest = check_ingest(L);
    int failed = !lua_isnoneornil(L, 2);
    int open = ingest->ingest.id != 0 && read_info(L, &info) == NATSKIT_OK;
    if (failed || !open || info.published == 0 || info.committed != 0) {
        return ingest_gc(L);
    }
    natskit_status status = start_commit(L, ingest->timeout_ms, &wait, &err);
    wait->finish = finish_close;
    return status == NATSKIT_OK ? lnk_await(L, 2) : ingest_gc(L);
}

/* for number, seq, code, text in fast:failures([timeout]) do (seq is nil) */
static int ingest_failures(lua_State *L)
{
    check_ingest(L);
    int64_t timeout_ms = lnk_opt_ms(L, 2, "timeout", -1);
    lua_getiuservalue(L, 1, LNK_INGEST_FAILURES);
    return lnk_sub_outcomes(L, timeout_ms);
}

/* fast:next_failure([timeout]) -> table */
static int ingest_next_failure(lua_State *L)
{
    check_ingest(L);
    int64_t timeout_ms = lnk_opt_ms(L, 2, "timeout", -1);
    lua_getiuservalue(L, 1, LNK_INGEST_FAILURES);
    return lnk_sub_outcome(L, timeout_ms);
}

static void set_integer(lua_State *L, const char *name, uint64_t value)
{
    lua_pushinteger(L, (lua_Integer)value);
    lua_setfield(L, -2, name);
}

/* fast:info() -> table */
static int ingest_info(lua_State *L)
{
    natskit_ingest_info info;
    check_ingest(L);
    natskit_status status = read_info(L, &info);
    if (status != NATSKIT_OK) {
        return lnk_fail(L, status, NULL);
    }
    lua_createtable(L, 0, 9);
    set_integer(L, "published", info.published);
    set_integer(L, "acked", info.acked);
    set_integer(L, "refused", info.refused);
    set_integer(L, "lost", info.lost);
    set_integer(L, "window", info.window);
    set_integer(L, "pings", info.pings);
    set_integer(L, "untaken", info.untaken);
    lua_pushboolean(L, info.committed != 0);
    lua_setfield(L, -2, "committed");
    if (info.reason != NATSKIT_OK) {
        lnk_push_code(L, info.reason);
        lua_setfield(L, -2, "reason");
    }
    return 1;
}

static int ingest_tostring(lua_State *L)
{
    const lnk_ingest *ingest = check_ingest(L);
    lua_pushfstring(L, ingest->ingest.id == 0 ? "natskit.ingest (closed): %p" : "natskit.ingest: %p",
                    (const void *)ingest);
    return 1;
}

static const luaL_Reg ingest_methods[] = {{"publish", lnk_ingest_publish},
                                          {"commit", ingest_commit},
                                          {"failures", ingest_failures},
                                          {"next_failure", ingest_next_failure},
                                          {"info", ingest_info},
                                          {"close", ingest_close},
                                          {NULL, NULL}};

static const luaL_Reg ingest_meta[] = {
    {"__gc", ingest_gc}, {"__close", ingest_to_be_closed}, {"__tostring", ingest_tostring}, {NULL, NULL}};

void lnk_ingest_register(lua_State *L, int state_index)
{
    luaL_newmetatable(L, lnk_names[LNK_INGEST]);
    lnk_set_funcs(L, state_index, ingest_meta);
    lua_newtable(L);
    lnk_set_funcs(L, state_index, ingest_methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
