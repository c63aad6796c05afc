/* The life of connections and subscriptions after their begin: draining, waiting for the end, connecting
 * anew, round trips. What waits is an operation of the library and the wait for it. */
#include "lnk.h"

typedef natskit_status start_fn(natskit_conn conn, natskit_options options, int64_t timeout_ms,
                                natskit_op *op, natskit_error *err);

typedef int finish_fn(lua_State *L, lnk_state *st, lnk_wait *wait, int index, natskit_status status,
                      const natskit_error *err);

/* Begins an operation of the connection at 1 and pushes the wait for it. */
static natskit_status begin(lua_State *L, start_fn *start, int64_t timeout_ms, lnk_wait **out,
                            natskit_error *err)
{
    const lnk_conn *conn = lnk_check(L, lnk_state_of(L), 1, LNK_CONN);
    natskit_options none = {0};
    lua_settop(L, 1);
    lnk_wait *wait = lnk_push_wait(L, 1);
    *out = wait;
    return start(conn->conn, none, timeout_ms, &wait->op, err);
}

/* With `handling` handlers run while it blocks. */
static int run(lua_State *L, start_fn *start, int64_t timeout_ms, finish_fn *finish, int handling)
{
    natskit_error err;
    lnk_wait *wait;
    natskit_status status = begin(L, start, timeout_ms, &wait, &err);
    wait->finish = finish;
    wait->dispatches = handling;
    return status == NATSKIT_OK ? lnk_await(L, 2) : lnk_fail(L, status, &err);
}

/* -- draining -------------------------------------------------------------------------------------------- */

/* nc:drain([timeout]) */
int lnk_conn_drain(lua_State *L)
{
    return run(L, natskit_conn_drain_start, lnk_opt_ms(L, 2, "timeout", LNK_DRAIN_MS), lnk_finish_plain, 1);
}

/* The drain goes on without somebody who waits for it. */
static int leave(lua_State *L, lnk_wait *wait, natskit_status status, const natskit_error *err)
{
    natskit_op_close(wait->op);
    wait->op.id = 0;
    return lnk_result(L, status, err);
}

/* nc:start_drain([timeout]) */
int lnk_conn_start_drain(lua_State *L)
{
    natskit_error err;
    lnk_wait *wait;
    int64_t timeout_ms = lnk_opt_ms(L, 2, "timeout", LNK_DRAIN_MS);
    natskit_status status = begin(L, natskit_conn_drain_start, timeout_ms, &wait, &err);
    return leave(L, wait, status, &err);
}

static natskit_status begin_sub(lua_State *L, lnk_wait **out, natskit_error *err)
{
    const lnk_sub *sub = lnk_check(L, lnk_state_of(L), 1, LNK_SUB);
    int64_t timeout_ms = lnk_opt_ms(L, 2, "timeout", LNK_DRAIN_MS);
    natskit_options none = {0};
    lua_settop(L, 1);
    lnk_wait *wait = lnk_push_wait(L, 1); /* which keeps the subscription */
    wait->finish = lnk_finish_plain;
    wait->dispatches = 1;
    *out = wait;
    return natskit_sub_drain_start(sub->sub, none, timeout_ms, &wait->op, err);
}

/* sub:drain([timeout]) */
int lnk_sub_drain(lua_State *L)
{
    natskit_error err;
    lnk_wait *wait;
    natskit_status status = begin_sub(L, &wait, &err);
    return status == NATSKIT_OK ? lnk_await(L, 2) : lnk_fail(L, status, &err);
}

/* sub:start_drain() */
int lnk_sub_start_drain(lua_State *L)
{
    natskit_error err;
    lnk_wait *wait;
    natskit_status status = begin_sub(L, &wait, &err);
    return leave(L, wait, status, &err);
}

/* -- waiting --------------------------------------------------------------------------------------------- */

/* The operation's deadline and a connection that ended by one look alike, so the connection is asked. */
static int finish_closed(lua_State *L, lnk_state *st, lnk_wait *wait, int index, natskit_status status,
                         const natskit_error *err)
{
    (void)wait;
    lua_getiuservalue(L, index, 1);
    const lnk_conn *conn = lnk_check(L, st, -1, LNK_CONN);
    natskit_error now;
    if (status == NATSKIT_TIMEOUT && conn->conn.id != 0) {
        status = natskit_conn_closed(conn->conn, 0, &now);
        err = &now;
    }
    return lnk_result(L, status, err);
}

/* nc:closed([timeout]) -> true, or why it has ended. nc:close() releases the handle: who called that has
 * closed it. */
int lnk_conn_closed(lua_State *L)
{
    const lnk_conn *conn = lnk_check(L, lnk_state_of(L), 1, LNK_CONN);
    int64_t timeout_ms = lnk_opt_ms(L, 2, "timeout", -1);
    if (conn->conn.id == 0) {
        return lnk_result(L, NATSKIT_OK, NULL);
    }
    return run(L, natskit_conn_closed_start, timeout_ms, finish_closed, 1);
}

/* nc:written([timeout]) */
int lnk_conn_written(lua_State *L)
{
    return run(L, natskit_written_start, lnk_opt_ms(L, 2, "timeout", LNK_WRITTEN_MS), lnk_finish_plain, 0);
}

static int finish_rtt(lua_State *L, lnk_state *st, lnk_wait *wait, int index, natskit_status status,
                      const natskit_error *err)
{
    (void)st;
    (void)index;
    int64_t ns = 0;
    if (status == NATSKIT_OK) {
        status = natskit_op_duration(wait->op, &ns);
    }
    if (status != NATSKIT_OK) {
        return lnk_fail(L, status, err);
    }
    lua_pushnumber(L, (lua_Number)ns / 1e9);
    return 1;
}

/* nc:rtt([timeout]) -> seconds */
int lnk_conn_rtt(lua_State *L)
{
    return run(L, natskit_flush_start, lnk_opt_ms(L, 2, "timeout", LNK_FLUSH_MS), finish_rtt, 0);
}

/* nc:reconnect() */
int lnk_conn_reconnect(lua_State *L)
{
    natskit_error err;
    const lnk_conn *conn = lnk_check(L, lnk_state_of(L), 1, LNK_CONN);
    return lnk_result(L, natskit_conn_reconnect(conn->conn, &err), &err);
}
