/* Messages: one userdata holds one reference, and makes a Lua value of a field when that is read. */
#include "lnk.h"

/* Fields, as values of the dispatch table; methods stand in the same table as functions. */
enum field {
    F_DATA = 1,
    F_SUBJECT,
    F_REPLY,
    F_HEADERS,
    F_HEADER_LIST,
    F_SID,
    F_SIZE,
    F_STATUS,
    F_DESCRIPTION,
    F_KIND,
    F_TYPE,
    F_SERVER,
    F_TEXT,
    F_EPOCH,
    F_COUNT,
    F_CODE,
    F_TIME,
    F_REQUEST,
    F_DELAY,
    F_PENDING,
    F_NONCE,
    F_ENDPOINT,
    F_GROUP,
    F_ENDPOINT_NUMBER
};

static const struct {
    const char *name;
    enum field field;
} fields[] = {{"data", F_DATA},       {"subject", F_SUBJECT},
              {"reply", F_REPLY},     {"headers", F_HEADERS},
              {"sid", F_SID},         {"status", F_STATUS},
              {"kind", F_KIND},       {"description", F_DESCRIPTION},
              {"type", F_TYPE},       {"header_list", F_HEADER_LIST},
              {"server", F_SERVER},   {"text", F_TEXT},
              {"epoch", F_EPOCH},     {"count", F_COUNT},
              {"code", F_CODE},       {"time", F_TIME},
              {"delay", F_DELAY},     {"request", F_REQUEST},
              {"pending", F_PENDING}, {"size", F_SIZE},
              {"nonce", F_NONCE},     {"endpoint", F_ENDPOINT},
              {"group", F_GROUP},     {"endpoint_number", F_ENDPOINT_NUMBER}};

static const char *const event_names[] = {"unknown",          "connected",    "disconnected", "reconnecting",
                                          "reconnected",      "servers",      "lame_duck",    "slow_consumer",
                                          "async_error",      "stale",        "closed",       "ping",
                                          "forced_reconnect", "delay_needed", "auth_needed"};

static const char *const status_names[] = {
    "unknown",    "heartbeats_missed", "consumer_not_found", "stream_not_found", "consumer_deleted",
    "leadership", "no_responders",     "exceeded",           "pinned",           "unpinned",
    "unknown",    "resumed",           "initial_done",       "recreated"};

#define CLOSED_TEXT "the message was closed"

lnk_msg *lnk_push_msg(lua_State *L)
{
    lnk_msg *msg = lua_newuserdatauv(L, sizeof *msg, 0);
    *msg = (lnk_msg){0};
    lnk_set_meta(L, LNK_MSG);
    return msg;
}

/* The collector sees a userdata of a few bytes and would let megabytes wait for it. So large messages are
 * counted, and when what came since the last time exceeds both what was held then and Lua's own heap, all is
 * collected: the cost for each byte stays the same, as with Lua's own pause of 200 %. Smaller steps would not
 * do: in generational mode, which lua.c sets, a message that is alive in two of them is old, and stays. */
void lnk_account(lua_State *L, lnk_state *st, lnk_msg *msg)
{
    const size_t small = 1024;
    const size_t least = 16777216;
    natskit_message_view view;
    natskit_kv_view entry;
    natskit_msg_view(msg->msg, &view, sizeof view);
    if (view.kind == NATSKIT_MSG_MESSAGE || view.kind == NATSKIT_MSG_SERVICE) {
        msg->data = view.data;
        msg->data_len = view.data_len;
    } else if (view.kind == NATSKIT_MSG_KV && natskit_msg_kv(msg->msg, &entry, sizeof entry) == NATSKIT_OK) {
        msg->data_len = entry.value_len;
    }
    if (msg->data_len < small) {
        return;
    }
    msg->bytes = msg->data_len;
    st->live_bytes += msg->bytes;
    if (st->live_bytes <= st->live_limit || !lnk_gc_runs(L)) {
        return;
    }
    if (st->live_limit != 0) {
        lua_gc(L, LUA_GCCOLLECT, 0);
    }
    size_t heap = (size_t)lua_gc(L, LUA_GCCOUNT, 0) * 1024;
    size_t more = heap > st->live_bytes ? heap : st->live_bytes;
    st->live_limit = st->live_bytes + (more > least ? more : least);
}

static natskit_msg *check_open(lua_State *L)
{
    lnk_msg *msg = lnk_check(L, lnk_state_of(L), 1, LNK_MSG);
    if (msg->msg == NULL) {
        luaL_error(L, CLOSED_TEXT);
    }
    return msg->msg;
}

/* -- headers ----------------------------------------------------------------------------------------------
 */

/* name -> list of values, in wire order */
static int push_headers(lua_State *L, const natskit_msg *msg)
{
    const char *name, *value;
    size_t name_len, value_len;
    lua_newtable(L);
    for (size_t i = 0; natskit_msg_header_at(msg, i, &name, &name_len, &value, &value_len) == NATSKIT_OK;
         i++) {
        lua_pushlstring(L, name, name_len);
        lua_pushvalue(L, -1);
        if (lua_rawget(L, -3) == LUA_TNIL) {
            lua_pop(L, 1);
            lua_createtable(L, 1, 0);
            lua_pushvalue(L, -2);
            lua_pushvalue(L, -2);
            lua_rawset(L, -5);
        }
        lua_pushlstring(L, value, value_len);
        lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
        lua_pop(L, 2);
    }
    return 1;
}

/* list of {name, value}, in wire order */
static int push_header_list(lua_State *L, const natskit_msg *msg)
{
    const char *name, *value;
    size_t name_len, value_len;
    lua_newtable(L);
    for (size_t i = 0; natskit_msg_header_at(msg, i, &name, &name_len, &value, &value_len) == NATSKIT_OK;
         i++) {
        lua_createtable(L, 2, 0);
        lua_pushlstring(L, name, name_len);
        lua_rawseti(L, -2, 1);
        lua_pushlstring(L, value, value_len);
        lua_rawseti(L, -2, 2);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* Pushes the index-th value, counting from 0; nil if there are fewer. */
static int push_value(lua_State *L, const natskit_msg *msg, int32_t match, size_t index)
{
    size_t len = 0;
    const char *name = luaL_checklstring(L, 2, &len);
    const char *value;
    size_t value_len;
    if (natskit_msg_header(msg, name, len, match, index, &value, &value_len) != NATSKIT_OK) {
        lua_pushnil(L);
        return 0;
    }
    lua_pushlstring(L, value, value_len);
    return 1;
}

/* The index of the value at slot `arg`, counting from 1. */
static size_t check_index(lua_State *L, int arg)
{
    lua_Integer index = luaL_optinteger(L, arg, 1);
    luaL_argcheck(L, index >= 1, arg, "values are counted from 1");
    return (size_t)index - 1;
}

/* msg:header(name [, match] [, index]) */
static int msg_header(lua_State *L)
{
    const natskit_msg *msg = check_open(L);
    if (lua_gettop(L) == 2) { /* the usual case, and the fast one */
        push_value(L, msg, NATSKIT_MATCH_EXACT, 0);
        return 1;
    }
    luaL_checkstring(L, 2);
    int numbered = lua_type(L, 3) == LUA_TNUMBER;
    int32_t match = numbered ? NATSKIT_MATCH_EXACT : lnk_match(L, 3);
    push_value(L, msg, match, check_index(L, numbered ? 3 : 4));
    return 1;
}

/* msg:header_ignore_case(name [, index]) */
static int msg_header_ignore_case(lua_State *L)
{
    const natskit_msg *msg = check_open(L);
    luaL_checkstring(L, 2);
    push_value(L, msg, NATSKIT_MATCH_IGNORE_CASE, check_index(L, 3));
    return 1;
}

/* msg:header_values(name [, match]) -> list */
static int msg_header_values(lua_State *L)
{
    const natskit_msg *msg = check_open(L);
    luaL_checkstring(L, 2);
    int32_t match = lnk_match(L, 3);
    lua_settop(L, 2);
    lua_newtable(L);
    for (size_t i = 0; push_value(L, msg, match, i); i++) {
        lua_rawseti(L, 3, (lua_Integer)i + 1);
    }
    lua_settop(L, 3);
    return 1;
}

/* msg:header_last(name [, match]) */
static int msg_header_last(lua_State *L)
{
    const natskit_msg *msg = check_open(L);
    luaL_checkstring(L, 2);
    int32_t match = lnk_match(L, 3);
    lua_settop(L, 2);
    lua_pushnil(L);
    for (size_t i = 0; push_value(L, msg, match, i); i++) {
        lua_replace(L, 3);
    }
    lua_settop(L, 3);
    return 1;
}

/* msg:header_keys() -> list of the names, each once, in wire order */
static int msg_header_keys(lua_State *L)
{
    const natskit_msg *msg = check_open(L);
    const char *name, *value;
    size_t name_len, value_len;
    lua_Integer count = 0;
    lua_newtable(L);
    lua_newtable(L);
    for (size_t i = 0; natskit_msg_header_at(msg, i, &name, &name_len, &value, &value_len) == NATSKIT_OK;
         i++) {
        lua_pushlstring(L, name, name_len);
        lnk_add_key(L, &count);
    }
    lua_pop(L, 1);
    return 1;
}

/* The iterator; upvalue 2 is the message, 3 the index of the next header. */
static int next_header(lua_State *L)
{
    const lnk_msg *msg = lua_touserdata(L, lua_upvalueindex(2));
    lua_Integer index = lua_tointeger(L, lua_upvalueindex(3));
    const char *name, *value;
    size_t name_len, value_len;
    if (msg->msg == NULL) {
        return luaL_error(L, CLOSED_TEXT);
    }
    if (natskit_msg_header_at(msg->msg, (size_t)index, &name, &name_len, &value, &value_len) != NATSKIT_OK) {
        return 0;
    }
    lua_pushinteger(L, index + 1);
    lua_replace(L, lua_upvalueindex(3));
    lua_pushlstring(L, name, name_len);
    lua_pushlstring(L, value, value_len);
    return 2;
}

/* for name, value in msg:header_pairs() do */
static int msg_header_pairs(lua_State *L)
{
    check_open(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, 1);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, next_header, 3);
    return 1;
}

/* -- fields ------------------------------------------------------------------------------------------------
 */

/* Text that may be absent. */
static int push_text(lua_State *L, const char *text, size_t len)
{
    if (len == 0) {
        lua_pushnil(L);
    } else {
        lua_pushlstring(L, text, len);
    }
    return 1;
}

/* A number that only some have. */
static int push_if(lua_State *L, int has, lua_Integer value)
{
    if (has) {
        lua_pushinteger(L, value);
    } else {
        lua_pushnil(L);
    }
    return 1;
}

static int push_event_field(lua_State *L, const natskit_msg *msg, enum field field)
{
    natskit_event_view view;
    if (natskit_msg_event(msg, &view, sizeof view) != NATSKIT_OK) {
        lua_pushnil(L);
        return 1;
    }
    size_t names = sizeof event_names / sizeof event_names[0];
    switch (field) {
    case F_KIND:
        lua_pushliteral(L, "event");
        break;
    case F_TYPE:
        lua_pushstring(L, event_names[(size_t)view.type < names ? view.type : 0]);
        break;
    case F_SERVER:
        return push_text(L, view.server, view.server_len);
    case F_SUBJECT:
        return push_text(L, view.subject, view.subject_len);
    case F_TEXT:
        return push_text(L, view.text, view.text_len);
    case F_EPOCH:
        lua_pushinteger(L, (lua_Integer)view.epoch);
        break;
    case F_COUNT:
        lua_pushinteger(L, (lua_Integer)view.count);
        break;
    case F_SID:
        lua_pushinteger(L, (lua_Integer)view.sid);
        break;
    case F_TIME:
        lua_pushnumber(L, (lua_Number)view.time_ns / 1e9);
        break;
    case F_REQUEST:
        return push_if(L, view.request != 0, (lua_Integer)view.request);
    case F_PENDING:
        return push_if(L, view.type == NATSKIT_EVENT_SLOW_CONSUMER, (lua_Integer)view.pending);
    case F_NONCE:
        return push_text(L, view.text, view.type == NATSKIT_EVENT_AUTH_NEEDED ? view.text_len : 0);
    case F_DELAY:
        if (view.type == NATSKIT_EVENT_DELAY_NEEDED) {
            lua_pushnumber(L, (lua_Number)view.delay_ms / 1000);
        } else {
            lua_pushnil(L);
        }
        break;
    case F_CODE:
        if (view.status != NATSKIT_OK) {
            lnk_push_code(L, view.status);
            break;
        }
        __attribute__((fallthrough));
    default:
        lua_pushnil(L);
    }
    return 1;
}

/* What happens to a subscription that consumes. */
static int push_status_field(lua_State *L, const natskit_msg *msg, enum field field)
{
    natskit_status_view view;
    size_t names = sizeof status_names / sizeof status_names[0];
    if (natskit_msg_status(msg, &view, sizeof view) != NATSKIT_OK) {
        lua_pushnil(L);
        return 1;
    }
    switch (field) {
    case F_KIND:
        lua_pushliteral(L, "status");
        break;
    case F_TYPE:
        lua_pushstring(L, status_names[(size_t)view.type < names ? view.type : 0]);
        break;
    case F_TEXT:
        return push_text(L, view.text, view.text_len);
    case F_STATUS:
        return push_if(L, view.code != 0, view.code);
    case F_COUNT:
        return push_if(L, view.count != 0, (lua_Integer)view.count);
    default:
        lua_pushnil(L);
    }
    return 1;
}

static int push_request_field(lua_State *L, const natskit_msg *msg, enum field field)
{
    natskit_service_view view;
    if (natskit_msg_service(msg, &view, sizeof view) != NATSKIT_OK) {
        lua_pushnil(L);
        return 1;
    }
    if (field == F_ENDPOINT_NUMBER) {
        lua_pushinteger(L, (lua_Integer)view.index + 1);
        return 1;
    }
    return field == F_GROUP ? push_text(L, view.group, view.group_len)
                            : push_text(L, view.endpoint, view.endpoint_len);
}

static int push_message_field(lua_State *L, const natskit_msg *msg, const natskit_message_view *view,
                              enum field field)
{
    size_t size;
    switch (field) {
    case F_DATA:
        lua_pushlstring(L, view->data, view->data_len);
        break;
    case F_SUBJECT:
        lua_pushlstring(L, view->subject, view->subject_len);
        break;
    case F_REPLY:
        return push_text(L, view->reply, view->reply_len);
    case F_DESCRIPTION:
        return push_text(L, view->description, view->description_len);
    case F_SID:
        lua_pushinteger(L, (lua_Integer)view->sid);
        break;
    case F_KIND:
        lua_pushstring(L, view->kind == NATSKIT_MSG_SERVICE ? "request" : "message");
        break;
    case F_ENDPOINT:
    case F_GROUP:
    case F_ENDPOINT_NUMBER:
        return push_request_field(L, msg, field);
    case F_SIZE:
        size = view->subject_len + view->reply_len + view->header_block_len + view->data_len;
        lua_pushinteger(L, (lua_Integer)size);
        break;
    case F_STATUS:
        return push_if(L, view->status_code != 0, view->status_code);
    case F_HEADERS:
    case F_HEADER_LIST:
        if (view->header_block != NULL) {
            return field == F_HEADERS ? push_headers(L, msg) : push_header_list(L, msg);
        }
        __attribute__((fallthrough));
    default:
        lua_pushnil(L);
    }
    return 1;
}

/* msg.field or msg:method; upvalue 2 is the dispatch table */
static int msg_index(lua_State *L)
{
    lua_settop(L, 2);
    if (lua_rawget(L, lua_upvalueindex(2)) != LUA_TNUMBER) {
        return 1; /* a method, or nil */
    }
    const lnk_msg *msg = lnk_check(L, lnk_state_of(L), 1, LNK_MSG);
    enum field field = (enum field)lua_tointeger(L, -1);
    natskit_message_view view;
    if (msg->msg == NULL) {
        return luaL_error(L, CLOSED_TEXT);
    }
    if (field == F_DATA && msg->data != NULL) {
        lua_pushlstring(L, msg->data, msg->data_len);
        return 1;
    }
    natskit_msg_view(msg->msg, &view, sizeof view);
    if (view.kind == NATSKIT_MSG_EVENT) {
        return push_event_field(L, msg->msg, field);
    }
    if (view.kind == NATSKIT_MSG_STATUS) {
        return push_status_field(L, msg->msg, field);
    }
    return push_message_field(L, msg->msg, &view, field);
}

/* msg:json() -> what the payload stands for, or nil, message, code */
static int msg_json(lua_State *L)
{
    natskit_msg *msg = check_open(L);
    natskit_message_view view;
    natskit_msg_view(msg, &view, sizeof view);
    if (view.kind == NATSKIT_MSG_EVENT || view.kind == NATSKIT_MSG_STATUS) {
        return luaL_error(L, "an event has no payload");
    }
    return lnk_json_decode_text(L, view.data, view.data_len);
}

/* -- life ------------------------------------------------------------------------------------------------ */

int lnk_msg_gc(lua_State *L)
{
    lnk_msg *msg = lua_touserdata(L, 1);
    natskit_msg_release(msg->msg);
    if (msg->bytes > 0) {
        lnk_state_of(L)->live_bytes -= msg->bytes;
        msg->bytes = 0;
    }
    msg->msg = NULL;
    return 0;
}

/* msg:handled(): of a request of a service, for its statistics */
static int msg_handled(lua_State *L)
{
    natskit_msg *msg = check_open(L);
    luaL_argcheck(L, natskit_msg_handled(msg) == NATSKIT_OK, 1, "it is no request of a service");
    lua_pushboolean(L, 1);
    return 1;
}

/* msg:service_error() -> description, code; or nil: it is none */
static int msg_service_error(lua_State *L)
{
    natskit_error err = {0};
    if (natskit_msg_service_error(check_open(L), &err) == NATSKIT_OK) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushstring(L, err.text);
    lua_pushinteger(L, err.server_code);
    return 2;
}

/* msg:close() and the end of a <close> variable: gives the memory back at once */
static int msg_close(lua_State *L)
{
    lnk_check(L, lnk_state_of(L), 1, LNK_MSG);
    lnk_msg_gc(L);
    lua_pushboolean(L, 1);
    return 1;
}

static int msg_tostring(lua_State *L)
{
    const lnk_msg *msg = lnk_check(L, lnk_state_of(L), 1, LNK_MSG);
    natskit_message_view view;
    if (msg->msg == NULL) {
        lua_pushfstring(L, "natskit.msg (closed): %p", (const void *)msg);
        return 1;
    }
    natskit_msg_view(msg->msg, &view, sizeof view);
    if (view.kind == NATSKIT_MSG_EVENT) {
        push_event_field(L, msg->msg, F_TYPE);
        lua_pushfstring(L, "natskit.msg (event %s): %p", lua_tostring(L, -1), (const void *)msg);
        return 1;
    }
    if (view.kind == NATSKIT_MSG_STATUS) {
        push_status_field(L, msg->msg, F_TYPE);
        lua_pushfstring(L, "natskit.msg (status %s): %p", lua_tostring(L, -1), (const void *)msg);
        return 1;
    }
    lua_pushlstring(L, view.subject, view.subject_len);
    lua_pushfstring(L, "natskit.msg (%s, %I bytes): %p", lua_tostring(L, -1), (lua_Integer)view.data_len,
                    (const void *)msg);
    return 1;
}

static const luaL_Reg msg_methods[] = {{"header", msg_header},
                                       {"header_ignore_case", msg_header_ignore_case},
                                       {"header_values", msg_header_values},
                                       {"header_last", msg_header_last},
                                       {"header_keys", msg_header_keys},
                                       {"header_pairs", msg_header_pairs},
                                       {"json", msg_json},
                                       {"respond", lnk_respond},
                                       {"respond_error", lnk_respond_error},
                                       {"handled", msg_handled},
                                       {"service_error", msg_service_error},
                                       {"republish", lnk_msg_republish},
                                       {"ack", lnk_msg_ack},
                                       {"nak", lnk_msg_nak},
                                       {"in_progress", lnk_msg_in_progress},
                                       {"term", lnk_msg_term},
                                       {"ack_sync", lnk_msg_ack_sync},
                                       {"delivery", lnk_msg_delivery},
                                       {"origin", lnk_msg_origin},
                                       {"counter", lnk_msg_counter},
                                       {"close", msg_close},
                                       {NULL, NULL}};

static const luaL_Reg msg_meta[] = {
    {"__gc", lnk_msg_gc}, {"__close", msg_close}, {"__tostring", msg_tostring}, {NULL, NULL}};

void lnk_msg_register(lua_State *L, int state_index)
{
    luaL_newmetatable(L, lnk_names[LNK_MSG]);
    lnk_set_funcs(L, state_index, msg_meta);
    lua_newtable(L);
    lnk_set_funcs(L, state_index, msg_methods);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        lua_pushinteger(L, fields[i].field);
        lua_setfield(L, -2, fields[i].name);
    }
    /* Under a name of its own as well, for the test that compares it with the documents. */
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "fields");
    lua_pushvalue(L, state_index);
    lua_insert(L, -2);
    lua_pushcclosure(L, msg_index, 2);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
