/* Connections: connect, flush, close, and what can be asked of them. life.c has their other ends. */
#include "lnk.h"

#include <string.h>

static const char *const state_names[] = {"unknown", "connecting", "connected", "reconnecting", "closed"};

static const char *const connect_others[] = {"timeout", "auth", "reconnect_delay", "context", NULL};

/* -- connect ----------------------------------------------------------------------------------------------
 */

static int finish_connect(lua_State *L, lnk_state *st, lnk_wait *wait, int index, natskit_status status,
                          const natskit_error *err)
{
    (void)wait;
    lua_getiuservalue(L, index, 1);
    if (status == NATSKIT_OK) {
        return 1;
    }
    lnk_conn *conn = lnk_check(L, st, -1, LNK_CONN);
    lnk_answer_end(L, lua_gettop(L));
    natskit_conn_close(conn->conn, 0);
    conn->conn.id = 0;
    return lnk_fail(L, status, err);
}

/* Brings the three forms of arguments into one: (url, options), of which either may be nil. A table is a list
 * of urls if it has a first entry, else options. */
static void sort_arguments(lua_State *L)
{
    lua_settop(L, 3);
    int type = lua_type(L, 1);
    if (type == LUA_TTABLE && lua_rawlen(L, 1) > 0) {
        for (lua_pushnil(L); lua_next(L, 1) != 0; lua_pop(L, 1)) {
            luaL_argcheck(L, lua_isinteger(L, -2), 1, "a list of urls and options are mixed in one table");
        }
    } else if (type == LUA_TTABLE) {
        luaL_argcheck(L, lua_isnil(L, 2), 2, "options were given as first argument already");
        lua_pushvalue(L, 1);
        lua_replace(L, 2);
        lua_pushnil(L);
        lua_replace(L, 1);
    } else if (type != LUA_TNIL && type != LUA_TTABLE && type != LUA_TSTRING) {
        luaL_typeerror(L, 1, "url, list of urls or table of options");
    }
    if (!lua_isnil(L, 2)) {
        luaL_checktype(L, 2, LUA_TTABLE);
        int twice = lua_getfield(L, 2, "servers") != LUA_TNIL && !lua_isnil(L, 1);
        luaL_argcheck(L, !twice, 2, "servers are given twice, as url and as option");
        lua_pop(L, 1);
    }
}

static int64_t connect_timeout(lua_State *L)
{
    int64_t timeout_ms = LNK_CONNECT_MS;
    if (!lua_isnil(L, 2)) {
        lua_getfield(L, 2, "timeout");
        timeout_ms = lnk_opt_ms(L, -1, "timeout", LNK_CONNECT_MS);
        lua_pop(L, 1);
    }
    return lnk_opt_ms(L, 3, "timeout", timeout_ms);
}

/* Pushes the function that an option holds, or nil. */
static void push_function(lua_State *L, const char *name)
{
    if (!lua_istable(L, 2)) {
        lua_pushnil(L);
        return;
    }
    int type = lua_getfield(L, 2, name);
    if (type != LUA_TNIL && type != LUA_TFUNCTION) {
        luaL_error(L, "option '%s': function expected, got %s", name, luaL_typename(L, -1));
    }
}

/* Whether a publish fails at once when there is no room. */
static int fails_fast(lua_State *L)
{
    int fail_fast = 0;
    if (lua_istable(L, 2)) {
        fail_fast =
            lua_getfield(L, 2, "outbox_full") == LUA_TSTRING && strcmp(lua_tostring(L, -1), "fail") == 0;
        lua_pop(L, 1);
    }
    return fail_fast;
}

/* Begins to connect, and to ask the functions at `delay` and at the slot after it. */
static natskit_status begin_connect(lua_State *L, lnk_wait *wait, lnk_options *options, int delay,
                                    int64_t timeout_ms, natskit_error *err)
{
    lnk_conn *conn = lua_touserdata(L, delay + 2);
    size_t url_len = 0;
    const char *url = lua_isstring(L, 1) ? lua_tolstring(L, 1, &url_len) : NULL;
    int asks = !lua_isnil(L, delay) || !lua_isnil(L, delay + 1);
    natskit_status status = NATSKIT_OK;
    if (!lua_isnil(L, delay + 1)) {
        wait->asks = 1;
        status = natskit_options_set_int(options->options, "ask_auth", NATSKIT_ZLEN, 1, err);
    }
    if (status == NATSKIT_OK) {
        status =
            natskit_connect_start(url, url_len, options->options, timeout_ms, &conn->conn, &wait->op, err);
    }
    lnk_options_end(options);
    if (status == NATSKIT_OK && asks) {
        status = lnk_answer_begin(L, delay + 2, delay, delay + 1, err);
        if (status != NATSKIT_OK) {
            natskit_conn_close(conn->conn, 0);
            conn->conn.id = 0;
        }
    }
    return status;
}

/* nats.connect([url or list of urls [, options [, timeout]]]) or nats.connect{options} */
int lnk_connect(lua_State *L)
{
    sort_arguments(L);
    int64_t timeout_ms = connect_timeout(L);
    if (lua_isnil(L, 2) && lua_istable(L, 1)) {
        lua_newtable(L);
        lua_replace(L, 2);
    }
    natskit_error err;
    lnk_options *options = lnk_begin_options(L);
    natskit_status status = lnk_options_context(L, options, 2, &err);
    if (status != NATSKIT_OK) {
        return lnk_fail_or_raise(L, status, &err, "connect");
    }
    lnk_fill_options(L, options, 2, NATSKIT_OPTIONS_CONNECT, connect_others);
    if (lua_istable(L, 1)) {
        lnk_options_add_list(L, options, "servers", 1);
    }
    push_function(L, "reconnect_delay");
    int delay = lua_gettop(L);
    push_function(L, "auth");
    lnk_conn *conn = lnk_new(L, LNK_CONN, sizeof *conn, LNK_CONN_VALUES);
    conn->fail_fast = fails_fast(L);
    int index = lua_gettop(L);
    lnk_wait *wait = lnk_push_wait(L, index);
    wait->finish = finish_connect;
    status = begin_connect(L, wait, options, delay, timeout_ms, &err);
    if (status != NATSKIT_OK) {
        return lnk_fail_or_raise(L, status, &err, "connect");
    }
    return lnk_await(L, index + 1);
}

/* -- flush, close -----------------------------------------------------------------------------------------
 */

/* nc:flush([timeout]) */
static int conn_flush(lua_State *L)
{
    lnk_state *st = lnk_state_of(L);
    lnk_conn *conn = lnk_check(L, st, 1, LNK_CONN);
    int64_t timeout_ms = lnk_opt_ms(L, 2, "timeout", LNK_FLUSH_MS);
    natskit_options none = {0};
    natskit_error err;
    lua_settop(L, 1);
    lnk_wait *wait = lnk_push_wait(L, 1);
    wait->finish = lnk_finish_plain;
    natskit_status status = natskit_flush_start(conn->conn, none, timeout_ms, &wait->op, &err);
    return status == NATSKIT_OK ? lnk_await(L, 2) : lnk_fail(L, status, &err);
}

/* Ends the connection in `linger_ms`. Closing twice is no mistake. */
static int close_conn(lua_State *L, lnk_conn *conn, int64_t linger_ms)
{
    natskit_conn handle = conn->conn;
    natskit_error err;
    lua_settop(L, 1);
    if (handle.id == 0) {
        return lnk_result(L, NATSKIT_OK, NULL);
    }
    lnk_wait *wait = lnk_push_wait(L, 1); /* first: without memory for it nothing has happened */
    wait->finish = lnk_finish_plain;
    lnk_answer_end(L, 1);
    conn->conn.id = 0;
    natskit_status status = natskit_conn_close_start(handle, linger_ms, &wait->op, &err);
    if (status == NATSKIT_OK) {
        return lnk_await(L, 2);
    }
    natskit_conn_close(handle, 0);
    int gone = status == NATSKIT_CLOSED || status == NATSKIT_BAD_HANDLE;
    return gone ? lnk_result(L, NATSKIT_OK, NULL) : lnk_fail(L, status, &err);
}

/* nc:close([linger]) */
static int conn_close(lua_State *L)
{
    lnk_conn *conn = lnk_check(L, lnk_state_of(L), 1, LNK_CONN);
    return close_conn(L, conn, lnk_opt_ms(L, 2, "linger", LNK_LINGER_MS));
}

static int conn_gc(lua_State *L)
{
    lnk_conn *conn = lua_touserdata(L, 1);
    if (conn->conn.id != 0) {
        natskit_conn_close(conn->conn, 0);
        conn->conn.id = 0;
    }
    return 0;
}

/* End of the scope of a <close> variable; a second argument would be the error that ended it. */
static int conn_to_be_closed(lua_State *L)
{
    lnk_conn *conn = lnk_check(L, lnk_state_of(L), 1, LNK_CONN);
    return close_conn(L, conn, LNK_LINGER_MS);
}

/* -- questions ---------------------------------------------------------------------------------------------
 */

static void set_text(lua_State *L, const char *name, const char *text)
{
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

static void set_integer(lua_State *L, const char *name, int64_t value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

static void set_boolean(lua_State *L, const char *name, int value)
{
    lua_pushboolean(L, value);
    lua_setfield(L, -2, name);
}

/* nc:info() -> table */
static int conn_info(lua_State *L)
{
    lnk_conn *conn = lnk_check(L, lnk_state_of(L), 1, LNK_CONN);
    natskit_conn_info info;
    memset(&info, 0, sizeof info);
    natskit_status status = natskit_conn_info_get(conn->conn, &info, sizeof info);
    if (status != NATSKIT_OK) {
        return lnk_fail(L, status, NULL);
    }
    size_t states = sizeof state_names / sizeof state_names[0];
    lua_createtable(L, 0, 20);
    set_text(L, "state", state_names[(size_t)info.state < states ? info.state : 0]);
    if (info.reason != NATSKIT_OK) {
        lnk_push_code(L, info.reason);
        lua_setfield(L, -2, "reason");
        set_text(L, "reason_text", info.reason_text);
    }
    set_integer(L, "epoch", (int64_t)info.epoch);
    set_integer(L, "client_id", (int64_t)info.client_id);
    set_integer(L, "max_payload", info.max_payload);
    set_boolean(L, "headers", info.headers);
    set_boolean(L, "lame_duck", info.lame_duck);
    set_boolean(L, "draining", info.draining);
    set_text(L, "url", info.url);
    set_text(L, "server_name", info.server_name);
    set_text(L, "server_id", info.server_id);
    set_text(L, "version", info.version);
    set_text(L, "client_ip", info.client_ip);
    set_boolean(L, "tls", info.tls);
    set_boolean(L, "tls_insecure", info.tls_insecure);
    set_boolean(L, "tls_resumed", info.tls_resumed);
    if (info.tls) {
        set_text(L, "tls_version", info.tls_version);
        set_text(L, "tls_cipher", info.tls_cipher);
    }
    return 1;
}

/* nc:server_at_least(major, minor [, patch]) -> boolean */
static int conn_server_at_least(lua_State *L)
{
    const lnk_conn *conn = lnk_check(L, lnk_state_of(L), 1, LNK_CONN);
    int32_t numbers[3];
    for (int i = 0; i < 3; i++) {
        lua_Integer number = i == 2 ? luaL_optinteger(L, 4, 0) : luaL_checkinteger(L, i + 2);
        luaL_argcheck(L, number >= 0 && number <= INT32_MAX, i + 2, "no number of a version");
        numbers[i] = (int32_t)number;
    }
    int32_t yes = 0;
    natskit_status status =
        natskit_conn_server_at_least(conn->conn, numbers[0], numbers[1], numbers[2], &yes);
    if (status != NATSKIT_OK) {
        return lnk_fail(L, status, NULL);
    }
    lua_pushboolean(L, yes);
    return 1;
}

/* nc:stats() -> table */
static int conn_stats(lua_State *L)
{
    lnk_conn *conn = lnk_check(L, lnk_state_of(L), 1, LNK_CONN);
    natskit_conn_stats stats;
    memset(&stats, 0, sizeof stats);
    natskit_status status = natskit_conn_stats_get(conn->conn, &stats, sizeof stats);
    if (status != NATSKIT_OK) {
        return lnk_fail(L, status, NULL);
    }
    lua_createtable(L, 0, 14);
    set_integer(L, "in_msgs", (int64_t)stats.in_msgs);
    set_integer(L, "in_bytes", (int64_t)stats.in_bytes);
    set_integer(L, "out_msgs", (int64_t)stats.out_msgs);
    set_integer(L, "out_bytes", (int64_t)stats.out_bytes);
    set_integer(L, "pending_out_bytes", (int64_t)stats.pending_out_bytes);
    set_integer(L, "dropped_msgs", (int64_t)stats.dropped_msgs);
    set_integer(L, "orphan_msgs", (int64_t)stats.orphan_msgs);
    set_integer(L, "late_replies", (int64_t)stats.late_replies);
    set_integer(L, "unconfirmed", (int64_t)stats.unconfirmed);
    set_integer(L, "unsent", (int64_t)stats.unsent);
    set_integer(L, "reconnects", (int64_t)stats.reconnects);
    set_integer(L, "subs", (int64_t)stats.subs);
    set_integer(L, "requests", (int64_t)stats.requests);
    set_integer(L, "abandoned_msgs", (int64_t)stats.abandoned_msgs);
    return 1;
}

/* Calls `get` with a buffer that is made larger until the text fits (it may change between two calls). */
static int push_grown(lua_State *L, natskit_status (*get)(natskit_conn, char *, size_t, size_t *))
{
    lnk_conn *conn = lnk_check(L, lnk_state_of(L), 1, LNK_CONN);
    size_t cap = 1024;
    for (;;) {
        luaL_Buffer out;
        size_t len = 0;
        char *text = luaL_buffinitsize(L, &out, cap);
        natskit_status status = get(conn->conn, text, cap, &len);
        if (status == NATSKIT_OK) {
            luaL_pushresultsize(&out, len);
            return 1;
        }
        luaL_pushresultsize(&out, 0);
        lua_pop(L, 1);
        if (status != NATSKIT_LIMIT || len <= cap) {
            return lnk_fail(L, status, NULL);
        }
        cap = len;
    }
}

/* nc:server_info() -> JSON text of the server's last INFO */
static int conn_server_info(lua_State *L)
{
    return push_grown(L, natskit_conn_server_info);
}

/* nc:trace() -> list of { time_ns, out, cut, line } */
static int conn_trace(lua_State *L)
{
    int pushed = push_grown(L, natskit_conn_trace);
    if (pushed != 1) {
        return pushed;
    }
    size_t len;
    const char *json = lua_tolstring(L, -1, &len);
    return lnk_json_decode_text(L, json, len);
}

/* nc:servers() -> list of { url, discovered, failures, current } */
static int conn_servers(lua_State *L)
{
    int pushed = push_grown(L, natskit_conn_servers);
    if (pushed != 1) {
        return pushed;
    }
    size_t len;
    const char *text = lua_tolstring(L, -1, &len);
    return lnk_json_decode_text(L, text, len);
}

/* Replaces the list of urls at `index` by one string. */
static void join_urls(lua_State *L, int index)
{
    luaL_Buffer out;
    lua_Integer count = (lua_Integer)lua_rawlen(L, index);
    luaL_buffinit(L, &out);
    for (lua_Integer i = 1; i <= count; i++) {
        if (i > 1) {
            luaL_addchar(&out, ',');
        }
        if (lua_rawgeti(L, index, i) != LUA_TSTRING) {
            luaL_argerror(L, index, "url or list of urls expected");
        }
        luaL_addvalue(&out);
    }
    luaL_pushresult(&out);
    lua_replace(L, index);
}

/* nc:set_servers(url or list of urls) */
static int conn_set_servers(lua_State *L)
{
    const lnk_conn *conn = lnk_check(L, lnk_state_of(L), 1, LNK_CONN);
    natskit_error err;
    size_t len;
    lua_settop(L, 2);
    if (lua_istable(L, 2)) {
        join_urls(L, 2);
    }
    const char *urls = luaL_checklstring(L, 2, &len);
    natskit_status status = natskit_conn_servers_set(conn->conn, urls, len, &err);
    return status == NATSKIT_OK ? lnk_result(L, status, NULL)
                                : lnk_fail_or_raise(L, status, &err, "set_servers");
}

/* nc:new_inbox() -> subject */
static int conn_new_inbox(lua_State *L)
{
    return push_grown(L, natskit_conn_new_inbox);
}

static int conn_tostring(lua_State *L)
{
    lnk_conn *conn = lnk_check(L, lnk_state_of(L), 1, LNK_CONN);
    natskit_conn_info info;
    memset(&info, 0, sizeof info);
    if (natskit_conn_info_get(conn->conn, &info, sizeof info) != NATSKIT_OK) {
        lua_pushfstring(L, "natskit.conn (closed): %p", (void *)conn);
        return 1;
    }
    size_t states = sizeof state_names / sizeof state_names[0];
    const char *state = state_names[(size_t)info.state < states ? info.state : 0];
    lua_pushfstring(L, "natskit.conn (%s, %s): %p", state, info.url, (void *)conn);
    return 1;
}

static const luaL_Reg conn_methods[] = {
    {"publish", lnk_publish},
    {"publish_batch", lnk_publish_batch},
    {"ack_batch", lnk_ack_batch},
    {"subscribe", lnk_subscribe},
    {"request", lnk_request},
    {"request_many", lnk_request_many},
    {"context", lnk_context},
    {"flush", conn_flush},
    {"events", lnk_events},
    {"close", conn_close},
    {"info", conn_info},
    {"stats", conn_stats},
    {"health", lnk_conn_health},
    {"server_info", conn_server_info},
    {"trace", conn_trace},
    {"server_at_least", conn_server_at_least},
    {"servers", conn_servers},
    {"set_servers", conn_set_servers},
    {"new_inbox", conn_new_inbox},
    {"drain", lnk_conn_drain},
    {"start_drain", lnk_conn_start_drain},
    {"closed", lnk_conn_closed},
    {"written", lnk_conn_written},
    {"rtt", lnk_conn_rtt},
    {"reconnect", lnk_conn_reconnect},
    {"answer_delay", lnk_conn_answer_delay},
    {"answer_auth", lnk_conn_answer_auth},
    {"jetstream", lnk_jetstream},
    {"service", lnk_conn_service},
    {"discover", lnk_conn_discover},
    {NULL, NULL},
};

static const luaL_Reg conn_meta[] = {
    {"__gc", conn_gc}, {"__close", conn_to_be_closed}, {"__tostring", conn_tostring}, {NULL, NULL}};

void lnk_conn_register(lua_State *L, int state_index)
{
    luaL_newmetatable(L, lnk_names[LNK_CONN]);
    lnk_set_funcs(L, state_index, conn_meta);
    lua_newtable(L);
    lnk_set_funcs(L, state_index, conn_methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
