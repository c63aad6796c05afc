/* Atomic batches: messages that a stream stores together or not at all, or changes of a bucket (kv_batch.c).
 * Adding sends nothing; the commit blocks or suspends as everywhere. */
#include "kv.h"

/* Slots of adding are those of js:publish; of a commit: */
enum slot { C_BATCH = 1, C_DEADLINE, C_WAIT, C_ROOM, C_TOP = C_ROOM };

/* Slots of adding, which lnk_publish_headers reads. */
enum added { A_SUBJECT = 2, A_DATA, A_OPTIONS };

/* Bytes that the first frame of a commit may need in the outbox. */
#define CALL_SIZE 4096

static lnk_batch *check_batch(lua_State *L)
{
    return lnk_check(L, lnk_state_of(L), 1, LNK_BATCH);
}

int lnk_batch_open(lua_State *L, int js_index, int options_index)
{
    const lnk_js *js = lua_touserdata(L, js_index);
    natskit_error err;
    lnk_options *options = lnk_begin_options(L);
    lnk_options_open(L, options, NATSKIT_OPTIONS_BATCH);
    if (!lua_isnil(L, options_index)) {
        lnk_fill_options(L, options, options_index, NATSKIT_OPTIONS_BATCH, NULL);
    }
    lnk_batch *batch = lnk_new(L, LNK_BATCH, sizeof *batch, LNK_BATCH_VALUES);
    batch->timeout_ms = js->timeout_ms;
    lua_pushvalue(L, js_index);
    lua_setiuservalue(L, -2, LNK_BATCH_JS);
    natskit_status status = natskit_batch_open(js->js, lnk_options_of(options), &batch->batch, &err);
    lnk_options_end(options);
    return status == NATSKIT_OK ? 0 : lnk_fail_or_raise(L, status, &err, "batch");
}

/* js:batch([options of the library]) */
int lnk_js_batch(lua_State *L)
{
    lnk_check(L, lnk_state_of(L), 1, LNK_JS);
    lua_settop(L, 2);
    int failed = lnk_batch_open(L, 1, 2);
    return failed != 0 ? failed : 1;
}

/* batch:add(subject [, data [, options as of js:publish, but timeout]]) -> true */
static int batch_add(lua_State *L)
{
    lnk_state *st = lnk_state_of(L);
    const lnk_batch *batch = check_batch(L);
    natskit_error err;
    size_t subject_len = 0;
    size_t data_len = 0;
    luaL_argcheck(L, !batch->changes, 1, "this batch is of a bucket: put, create, update, delete, purge");
    const char *subject = luaL_checklstring(L, A_SUBJECT, &subject_len);
    const char *data = luaL_optlstring(L, A_DATA, "", &data_len);
    lua_settop(L, A_OPTIONS);
    if (!lua_isnil(L, A_OPTIONS)) {
        luaL_checktype(L, A_OPTIONS, LUA_TTABLE);
        lua_getfield(L, A_OPTIONS, "timeout");
        luaL_argcheck(L, lua_isnil(L, -1), A_OPTIONS, "add sends nothing, and takes no timeout");
        lua_pop(L, 1);
    }
    natskit_headers headers = lnk_publish_headers(L, st);
    natskit_status status =
        natskit_batch_add(batch->batch, subject, subject_len, headers, data, data_len, &err);
    if (status != NATSKIT_OK) {
        return lnk_fail_or_raise(L, status, &err, "add");
    }
    lua_pushboolean(L, 1);
    return 1;
}

/* -- committing --------------------------------------------------------------------------------------------
 */

static natskit_status try_commit(lua_State *L, int64_t left, natskit_error *err)
{
    const natskit_options none = {0};
    const lnk_batch *batch = lua_touserdata(L, C_BATCH);
    lnk_wait *wait = lua_touserdata(L, C_WAIT);
    return natskit_batch_commit_start(batch->batch, none, left, &wait->op, err);
}

static const lnk_conn *conn_of(lua_State *L)
{
    lua_getiuservalue(L, C_BATCH, LNK_BATCH_JS);
    const lnk_conn *conn = lnk_js_conn(L, lua_gettop(L));
    lua_pop(L, 1);
    return conn;
}

static int commit_k(lua_State *L, int resumed, lua_KContext context)
{
    lnk_state *st = lnk_state_of(L);
    int64_t deadline = (int64_t)lua_tointeger(L, C_DEADLINE);
    int suspend = resumed == LUA_YIELD ? lnk_suspended(L, st) : lnk_may_suspend(L, st);
    int waited = resumed == LUA_YIELD;
    natskit_error err;
    err.status = NATSKIT_OK;
    for (;; waited = 1) {
        int64_t left = lnk_left(deadline);
        natskit_status status = try_commit(L, left, &err);
        const lnk_conn *conn = conn_of(L);
        if (status == NATSKIT_OK) {
            return lnk_await(L, C_WAIT);
        }
        if (status != NATSKIT_WOULD_BLOCK || left == 0 || conn->fail_fast) {
            status = status == NATSKIT_WOULD_BLOCK && waited ? NATSKIT_TIMEOUT : status;
            return lnk_fail_or_raise(L, status, &err, "commit");
        }
        const lnk_wait *room = lnk_room_start(L, conn->conn, C_ROOM, CALL_SIZE, left);
        if (suspend) {
            lnk_room_push(L, st, room, C_ROOM, left);
            lua_callk(L, 2, 1, context, commit_k);
            suspend = lnk_suspended(L, st);
        } else {
            lnk_room_block(L, room, left);
        }
    }
}

/* batch:commit([timeout]) -> ack, or nil, text, code, ..., outcome as of js:publish */
static int batch_commit(lua_State *L)
{
    const lnk_batch *batch = check_batch(L);
    int64_t timeout_ms = lnk_opt_ms(L, 2, "timeout", batch->timeout_ms);
    lua_settop(L, 1);
    lua_pushinteger(L, (lua_Integer)lnk_deadline(timeout_ms));
    lnk_push_wait(L, C_BATCH)->finish = batch->changes ? lnk_finish_changes : lnk_finish_publish;
    lua_settop(L, C_TOP);
    return commit_k(L, LUA_OK, 0);
}

/* -- the rest ----------------------------------------------------------------------------------------------
 */

/* batch:info() -> {msgs =, bytes =, committed =} */
static int batch_info(lua_State *L)
{
    const lnk_batch *batch = check_batch(L);
    natskit_batch_info info;
    natskit_status status = natskit_batch_info_get(batch->batch, &info, sizeof info);
    if (status != NATSKIT_OK) {
        return lnk_fail(L, status, NULL);
    }
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, (lua_Integer)info.msgs);
    lua_setfield(L, -2, "msgs");
    lua_pushinteger(L, (lua_Integer)info.bytes);
    lua_setfield(L, -2, "bytes");
    lua_pushboolean(L, info.committed != 0);
    lua_setfield(L, -2, "committed");
    return 1;
}

/* batch:discard(), which the end of a <close> variable is, too */
static int batch_discard(lua_State *L)
{
    lnk_batch *batch = check_batch(L);
    if (batch->batch.id != 0) {
        natskit_batch_close(batch->batch);
    }
    batch->batch.id = 0;
    return 0;
}

static int batch_tostring(lua_State *L)
{
    const lnk_batch *batch = check_batch(L);
    lua_pushfstring(L, batch->batch.id == 0 ? "natskit.batch (closed): %p" : "natskit.batch: %p",
                    (const void *)batch);
    return 1;
}

static const luaL_Reg batch_methods[] = {{"add", batch_add},           {"put", lnk_batch_put},
                                         {"create", lnk_batch_create}, {"update", lnk_batch_update},
                                         {"delete", lnk_batch_delete}, {"purge", lnk_batch_purge},
                                         {"commit", batch_commit},     {"info", batch_info},
                                         {"discard", batch_discard},   {NULL, NULL}};

static const luaL_Reg batch_meta[] = {
    {"__gc", batch_discard}, {"__close", batch_discard}, {"__tostring", batch_tostring}, {NULL, NULL}};

void lnk_batch_register(lua_State *L, int state_index)
{
    luaL_newmetatable(L, lnk_names[LNK_BATCH]);
    lnk_set_funcs(L, state_index, batch_meta);
    lua_newtable(L);
    lnk_set_funcs(L, state_index, batch_methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
