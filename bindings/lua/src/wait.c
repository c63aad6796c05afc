/* Waiting. Without a scheduler, or in a coroutine that is not the scheduler's, a call blocks, in slices. Else
 * it puts the object into the state's one waitset under a number (token), calls the scheduler's suspend, and
 * looks again when that returns: the pump has collected the object and called resume with the token, or the
 * time that suspend was given is over. Nothing here keeps a coroutine: the scheduler knows which token
 * belongs to which, and what waits is on the coroutine's own stack, so that it is collected together with it.
 */
#include "lnk.h"

#include <string.h>

#define PUMP_BATCH 64

static int nothing(lua_State *L)
{
    (void)L;
    return 0;
}

void lnk_breathe(lua_State *L)
{
#ifdef LUA_RIDX_MAINTHREAD
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    lua_State *mother = lua_tothread(L, -1);
    lua_pop(L, 1);
    /* The handler of lua.c sets its hook on the main thread only; a coroutine that blocks it must run it,
     * too. */
    int lent = mother != L && lua_gethook(L) == NULL && lua_gethook(mother) != NULL;
    if (lent) {
        lua_sethook(L, lua_gethook(mother), lua_gethookmask(mother), lua_gethookcount(mother));
    }
    lua_pushcfunction(L, nothing); /* a call is what runs a hook */
    lua_call(L, 0, 0);
    if (lent) {
        lua_sethook(L, NULL, 0, 0);
    }
#else
    lua_pushcfunction(L, nothing);
    lua_call(L, 0, 0);
#endif
    lnk_answer_all(L, lnk_state_of(L));
}

/* -- the waitset ------------------------------------------------------------------------------------------
 */

/* Tells the scheduler which descriptor to watch; -1: none. */
static void call_wait_fd(lua_State *L, int fd)
{
    lnk_push_slot(L, LNK_UV_WAIT_FD);
    if (lua_isnil(L, -1)) { /* the waitset of nats.dispatch, which waits itself */
        lua_pop(L, 1);
        return;
    }
    if (fd < 0) {
        lua_pushnil(L);
    } else {
        lua_pushinteger(L, fd);
    }
    lua_call(L, 1, 0);
}

static natskit_status open_waitset(lua_State *L, lnk_state *st)
{
    int32_t fd = -1;
    natskit_waitset_close(st->waitset);
    natskit_status status = natskit_waitset_open(&st->waitset);
    if (status == NATSKIT_OK) {
        status = natskit_waitset_fd(st->waitset, &fd);
    }
    if (status == NATSKIT_OK) {
        call_wait_fd(L, fd);
        lnk_answer_watch(L, st);
        lnk_handler_watch(L, st);
    }
    return status;
}

natskit_status lnk_need_waitset(lua_State *L, lnk_state *st)
{
    int32_t fd = -1;
    int works = st->waitset.id != 0 && natskit_waitset_fd(st->waitset, &fd) == NATSKIT_OK;
    return works ? NATSKIT_OK : open_waitset(L, st);
}

static void close_waitset(lua_State *L, lnk_state *st)
{
    if (st->waitset.id != 0) {
        call_wait_fd(L, -1);
        natskit_waitset_close(st->waitset);
        st->waitset.id = 0;
    }
}

/* Arms the object if it is in the set already, else adds it. */
static natskit_status arm_or_add(const lnk_state *st, uint64_t object, uint64_t tag, const uint64_t *set)
{
    if (*set == st->waitset.id && natskit_waitset_arm(st->waitset, object) == NATSKIT_OK) {
        return NATSKIT_OK;
    }
    return natskit_waitset_add(st->waitset, object, tag);
}

int lnk_watch(lua_State *L, lnk_state *st, uint64_t object, uint64_t tag, int index, uint64_t *set)
{
    natskit_status status = st->waitset.id != 0 ? arm_or_add(st, object, tag, set) : NATSKIT_CLOSED;
    if (status == NATSKIT_CLOSED || status == NATSKIT_BAD_HANDLE || status == NATSKIT_FORKED) {
        int32_t fd = -1; /* is it the set or the object that is gone? */
        if (natskit_waitset_fd(st->waitset, &fd) == NATSKIT_OK || open_waitset(L, st) != NATSKIT_OK) {
            return 0;
        }
        status = natskit_waitset_add(st->waitset, object, tag);
    }
    if (status != NATSKIT_OK) {
        return 0;
    }
    *set = st->waitset.id;
    lnk_push_slot(L, LNK_UV_WAITS);
    lua_pushvalue(L, index);
    lua_rawseti(L, -2, (lua_Integer)tag);
    lua_pop(L, 1);
    return 1;
}

void lnk_forget(lua_State *L, uint64_t tag)
{
    lnk_push_slot(L, LNK_UV_WAITS);
    lua_pushnil(L);
    lua_rawseti(L, -2, (lua_Integer)tag);
    lua_pop(L, 1);
}

/* -- suspending and resuming ------------------------------------------------------------------------------
 */

void lnk_push_suspend(lua_State *L, uint64_t token, int64_t left_ms)
{
    lnk_push_slot(L, LNK_UV_SUSPEND);
    lua_pushinteger(L, (lua_Integer)token);
    if (left_ms < 0) {
        lua_pushnil(L);
    } else {
        lua_pushnumber(L, (lua_Number)left_ms / 1000);
    }
}

int lnk_suspended(lua_State *L, lnk_state *st)
{
    int owned = lua_toboolean(L, -1);
    lua_pop(L, 1);
    st->streak = 0;
    return owned && st->scheduled;
}

/* One coroutine's error must not keep the others waiting, so the first is kept in slot `error_index` and
 * thrown when all were resumed. */
void lnk_call_kept(lua_State *L, int arguments, int error_index)
{
    if (lua_pcall(L, arguments, 0, 0) != LUA_OK) {
        if (lua_isnil(L, error_index)) {
            lua_replace(L, error_index);
        } else {
            lua_pop(L, 1);
        }
    }
}

/* Calls the scheduler's resume. */
static void resume_token(lua_State *L, lua_Integer token, int error_index)
{
    lnk_push_slot(L, LNK_UV_RESUME);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        return;
    }
    lua_pushinteger(L, token);
    lnk_call_kept(L, 1, error_index);
}

void lnk_throw(lua_State *L, int error_index)
{
    if (!lua_isnil(L, error_index)) {
        lua_settop(L, error_index);
        lua_error(L);
    }
}

/* All that wait for a subscription are woken: who finds nothing left suspends again. Waking only one would
 * lose the wake-up if that coroutine is gone meanwhile. */
static void wake_waiters(lua_State *L, int index, int error_index)
{
    if (lnk_push_of(L, LNK_UV_WAITERS, index) == LUA_TTABLE) {
        lua_pushnil(L);
        lnk_set_of(L, LNK_UV_WAITERS, index);
        lua_pop(L, 1);
        lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
        for (lua_Integer i = 1; i <= count; i++) {
            lua_rawgeti(L, -1, i);
            lua_Integer token = lua_tointeger(L, -1);
            lua_pop(L, 1);
            resume_token(L, token, error_index);
        }
    }
    lua_pop(L, 1);
}

void lnk_wake_sub(lua_State *L, int index)
{
    lua_pushnil(L);
    int error_index = lua_gettop(L);
    wake_waiters(L, index, error_index);
    lnk_throw(L, error_index);
    lua_pop(L, 1);
}

/* Wakes what waits under a tag; a tag that nobody waits under any more is ignored. */
static void wake_tag(lua_State *L, lnk_state *st, lua_Integer tag, int error_index)
{
    lnk_push_slot(L, LNK_UV_WAITS);
    lua_rawgeti(L, -1, tag);
    int index = lua_gettop(L);
    const lnk_sub *sub = lnk_test(L, st, index, LNK_SUB);
    if (sub != NULL && sub->answers) {
        lua_pushvalue(L, lua_upvalueindex(1));
        lua_pushcclosure(L, lnk_answer_sub, 1);
        lua_pushvalue(L, index);
        lnk_call_kept(L, 1, error_index);
        natskit_waitset_arm(st->waitset, sub->sub.id); /* an error may have left something */
    } else if (sub != NULL && sub->handled) {
        lnk_handler_wake(L, st, index, error_index);
    } else if (sub != NULL) {
        wake_waiters(L, index, error_index);
    } else if (!lua_isnil(L, index)) {
        resume_token(L, tag, error_index);
    }
    lua_settop(L, index - 2);
}

/* Wakes everything, after all handles were closed at once. */
static void wake_all(lua_State *L, lnk_state *st, int error_index)
{
    lua_newtable(L);
    int tags = lua_gettop(L);
    lua_Integer count = 0;
    lnk_push_slot(L, LNK_UV_WAITS);
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
        lua_pushvalue(L, -2);
        lua_rawseti(L, tags, ++count);
    }
    lua_pop(L, 1);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, tags, i);
        lua_Integer tag = lua_tointeger(L, -1);
        lua_pop(L, 1);
        wake_tag(L, st, tag, error_index);
    }
    lua_pop(L, 1);
}

natskit_status lnk_collect(lua_State *L, lnk_state *st, int64_t timeout_ms, int error_index, size_t *count)
{
    natskit_ready records[PUMP_BATCH];
    *count = 0;
    natskit_status status =
        natskit_waitset_wait(st->waitset, records, sizeof records[0], PUMP_BATCH, timeout_ms, count);
    if (status == NATSKIT_CLOSED || status == NATSKIT_BAD_HANDLE || status == NATSKIT_FORKED) {
        close_waitset(L, st); /* else its descriptor would be readable for ever */
        wake_all(L, st, error_index);
        *count = 0;
    }
    for (size_t i = 0; i < *count; i++) {
        wake_tag(L, st, (lua_Integer)records[i].tag, error_index);
    }
    return status;
}

/* nats.pump() -> number of objects that became ready. For adapters: to be called when the descriptor is
 * readable.
 */
int lnk_pump(lua_State *L)
{
    lnk_state *st = lnk_state_of(L);
    size_t count = 0;
    lua_settop(L, 0);
    lua_pushnil(L);
    if (st->waitset.id != 0) {
        lnk_handler_leftovers(L, st, 1);
        lnk_collect(L, st, 0, 1, &count);
        lnk_throw(L, 1);
    }
    lua_pushinteger(L, (lua_Integer)count);
    return 1;
}

/* -- operations -------------------------------------------------------------------------------------------
 */

static int wait_gc(lua_State *L)
{
    lnk_wait *wait = lua_touserdata(L, 1);
    natskit_op_close(wait->op);
    wait->op.id = 0;
    return 0;
}

static const luaL_Reg wait_funcs[] = {{"__gc", wait_gc}, {NULL, NULL}};

void lnk_wait_register(lua_State *L, int state_index)
{
    luaL_newmetatable(L, lnk_names[LNK_WAIT]);
    lnk_set_funcs(L, state_index, wait_funcs);
    lua_pop(L, 1);
}

lnk_wait *lnk_push_wait(lua_State *L, int conn_index)
{
    lnk_wait *wait = lnk_new(L, LNK_WAIT, sizeof *wait, 1);
    lua_pushvalue(L, conn_index);
    lua_setiuservalue(L, -2, 1);
    return wait;
}

static int finish(lua_State *L, lnk_state *st, lnk_wait *wait, int index, natskit_status status,
                  const natskit_error *err)
{
    int results = wait->finish(L, st, wait, index, status, err);
    if (results == LNK_AWAITS) {
        return results;
    }
    natskit_op_close(wait->op);
    wait->op.id = 0;
    return results;
}

/* Gives the operation a new token in the waitset. */
static int watch_op(lua_State *L, lnk_state *st, lnk_wait *wait, int index)
{
    uint64_t none = 0; /* always add, which replaces the tag */
    wait->token = ++st->token;
    return lnk_watch(L, st, wait->op.id, wait->token, index, &none);
}

/* After suspend returned: whether the coroutine may be suspended again. */
static int op_suspended(lua_State *L, lnk_state *st, const lnk_wait *wait)
{
    lnk_forget(L, wait->token);
    if (lnk_suspended(L, st)) {
        return 1;
    }
    natskit_waitset_remove(st->waitset, wait->op.id);
    return 0;
}

/* Blocks for one slice, in which handlers run. */
static void block_handling(lua_State *L, lnk_state *st, lnk_wait *wait, int index)
{
    size_t count = 0;
    lua_pushnil(L);
    int error_index = lua_gettop(L);
    lnk_handler_leftovers(L, st, error_index);
    if (lnk_need_waitset(L, st) == NATSKIT_OK && watch_op(L, st, wait, index)) {
        lnk_collect(L, st, LNK_SLICE_MS, error_index, &count);
        lnk_forget(L, wait->token);
    } else {
        natskit_op_wait(wait->op, LNK_SLICE_MS);
    }
    lnk_handler_close_unused(st);
    lnk_throw(L, error_index);
    lua_settop(L, error_index - 1);
    if (count == 0) {
        lnk_breathe(L);
    }
}

/* Blocks for one slice. Anything but NATSKIT_PENDING ends the wait. */
static natskit_status block_op(lua_State *L, lnk_state *st, lnk_wait *wait, int index)
{
    if (wait->dispatches && st->handled > 0 && !st->scheduled && !st->dispatching && !st->answering) {
        block_handling(L, st, wait, index);
        return NATSKIT_PENDING;
    }
    natskit_status waited = natskit_op_wait(wait->op, wait->asks ? LNK_ASK_MS : LNK_SLICE_MS);
    if (waited == NATSKIT_TIMEOUT) {
        lnk_breathe(L);
    }
    return waited == NATSKIT_OK || waited == NATSKIT_TIMEOUT ? NATSKIT_PENDING : waited;
}

static int await_k(lua_State *L, int status, lua_KContext index)
{
    lnk_state *st = lnk_state_of(L);
    lnk_wait *wait = lua_touserdata(L, (int)index);
    int suspend = status == LUA_YIELD ? op_suspended(L, st, wait) : lnk_may_suspend(L, st);
    natskit_error err;
    err.status = NATSKIT_OK;
    for (;;) {
        natskit_status result = natskit_op_result(wait->op, NULL, &err);
        if (result == NATSKIT_PENDING && suspend) {
            suspend = watch_op(L, st, wait, (int)index);
        }
        if (result == NATSKIT_PENDING && suspend) {
            lnk_push_suspend(L, wait->token, -1); /* the operation has a deadline of its own */
            lua_callk(L, 2, 1, index, await_k);
            suspend = op_suspended(L, st, wait);
            continue;
        }
        if (result == NATSKIT_PENDING) {
            result = block_op(L, st, wait, (int)index);
        }
        if (result != NATSKIT_PENDING) {
            int results = finish(L, st, wait, (int)index, result, &err);
            if (results != LNK_AWAITS) {
                return results;
            }
            suspend = lnk_may_suspend(L, st);
            err.status = NATSKIT_OK;
        }
    }
}

int lnk_await(lua_State *L, int index)
{
    return await_k(L, LUA_OK, index);
}

int lnk_finish_plain(lua_State *L, lnk_state *st, lnk_wait *wait, int index, natskit_status status,
                     const natskit_error *err)
{
    (void)st;
    (void)wait;
    (void)index;
    return lnk_result(L, status, err);
}

/* -- nats.set_scheduler, nats.shutdown ----------------------------------------------------------------------
 */

static const struct {
    const char *name;
    enum lnk_slot slot;
} scheduler_funcs[] = {{"wait_fd", LNK_UV_WAIT_FD}, {"suspend", LNK_UV_SUSPEND}, {"resume", LNK_UV_RESUME}};

#define SCHEDULER_FUNCS (sizeof scheduler_funcs / sizeof scheduler_funcs[0])

/* nats.set_scheduler{wait_fd =, suspend =, resume = [, spawn =]}, or nil to block again */
int lnk_set_scheduler(lua_State *L)
{
    lnk_state *st = lnk_state_of(L);
    lua_settop(L, 1);
    for (size_t i = 0; i < SCHEDULER_FUNCS && !lua_isnil(L, 1); i++) {
        luaL_checktype(L, 1, LUA_TTABLE);
        if (lua_getfield(L, 1, scheduler_funcs[i].name) != LUA_TFUNCTION) {
            luaL_error(L, "set_scheduler: %s: function expected, got %s", scheduler_funcs[i].name,
                       luaL_typename(L, -1));
        }
    }
    int none = lua_isnil(L, 1);
    if (!none && !LNK_CAN_SUSPEND) {
        luaL_error(L, "set_scheduler: %s cannot suspend calls of C functions; Lua 5.3 and later can",
                   LUA_VERSION);
    }
    if (!none && lua_getfield(L, 1, "spawn") != LUA_TNIL && !lua_isfunction(L, -1)) {
        luaL_error(L, "set_scheduler: spawn: function expected, got %s", luaL_typename(L, -1));
    }
    st->scheduled = 0;
    close_waitset(L, st);
    for (size_t i = 0; i < SCHEDULER_FUNCS; i++) {
        lua_pushvalue(L, none ? 1 : 2 + (int)i);
        lua_setiuservalue(L, lua_upvalueindex(1), scheduler_funcs[i].slot);
    }
    lua_pushvalue(L, none ? 1 : 2 + (int)SCHEDULER_FUNCS);
    lua_setiuservalue(L, lua_upvalueindex(1), LNK_UV_SPAWN);
    if (none) {
        lua_pushboolean(L, 1);
        return 1;
    }
    natskit_status status = open_waitset(L, st);
    st->scheduled = status == NATSKIT_OK;
    lua_settop(L, 0);
    lua_pushnil(L);
    if (st->scheduled) { /* what was taken ahead makes no descriptor readable */
        lnk_handler_leftovers(L, st, 1);
        lnk_throw(L, 1);
    }
    return lnk_result(L, status, NULL);
}

/* nats.shutdown([timeout]): ends everything of this process, in every Lua state */
int lnk_shutdown(lua_State *L)
{
    lnk_state *st = lnk_state_of(L);
    int64_t deadline = lnk_deadline(lnk_opt_ms(L, 1, "timeout", LNK_SHUTDOWN_MS));
    lua_settop(L, 0);
    lua_pushnil(L);
    close_waitset(L, st);
    natskit_status status;
    for (;;) {
        int64_t left = lnk_left(deadline);
        status = natskit_shutdown(left < 0 || left > LNK_SLICE_MS ? LNK_SLICE_MS : left);
        if (status != NATSKIT_TIMEOUT || lnk_left(deadline) == 0) {
            break;
        }
        lnk_breathe(L);
    }
    wake_all(L, st, 1);
    lnk_throw(L, 1);
    return lnk_result(L, status, NULL);
}
