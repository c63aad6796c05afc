/* Services: their making, groups and endpoints, what they tell, and discovery. Requests come through a
 * subscription (sub.c); with handlers it has one of its own, which calls that of the endpoint and answers for
 * it what it raises. Endpoints and groups are numbers from 1 on; group 0 is the service itself. */
#include "lnk.h"

#include <string.h>

typedef struct lnk_service {
    natskit_service service; /* 0: closed */
    int handled;             /* its endpoints have handlers */
    lua_Integer endpoints;   /* so many */
} lnk_service;

/* User values of a service. */
#define V_CONN 1
#define V_REQUESTS 2
#define V_HANDLERS 3 /* list of functions, by endpoints */
#define V_ON_ERROR 4
#define VALUES 4

static const char *const service_names[] = {"name",        "version",  "description", "metadata",
                                            "queue_group", "on_error", NULL};
static const char *const group_names[] = {"prefix", "queue_group", "parent", NULL};
static const char *const endpoint_names[] = {"name",  "subject", "queue_group", "metadata",
                                             "group", "handler", NULL};
static const char *const discover_names[] = {"name", "id", "prefix", NULL};

static lnk_service *check_service(lua_State *L)
{
    lnk_service *service = lnk_check(L, lnk_state_of(L), 1, LNK_SERVICE);
    if (service->service.id == 0) {
        luaL_error(L, "the service was closed");
    }
    return service;
}

/* -- configurations ---------------------------------------------------------------------------------------
 */

static int is_in(const char *const *names, const char *name)
{
    while (*names != NULL && strcmp(*names, name) != 0) {
        names++;
    }
    return *names != NULL;
}

/* Raises for a key of the table at `index` that is not in `names`. */
static void check_keys(lua_State *L, int index, const char *const *names, const char *what)
{
    for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING || !is_in(names, lua_tostring(L, -2))) {
            luaL_error(L, "%s: unknown option '%s'", what, luaL_tolstring(L, -2, NULL));
        }
    }
}

static int is_empty_table(lua_State *L)
{
    if (!lua_istable(L, -1)) {
        return 0;
    }
    lua_pushnil(L);
    if (lua_next(L, -2) == 0) {
        return 1;
    }
    lua_pop(L, 2);
    return 0;
}

/* Pushes the document of those members of the table at `index` that are in `names` and of a configuration. A
 * queue group that is false is none. */
static natskit_status push_config(lua_State *L, int index, const char *const *names, const char *what,
                                  natskit_error *err)
{
    static const char *const own[] = {"on_error", "group", "parent", "handler", NULL};
    lua_newtable(L);
    int config = lua_gettop(L);
    for (; *names != NULL; names++) {
        int type = is_in(own, *names) ? LUA_TNIL : lua_getfield(L, index, *names);
        if (type == LUA_TBOOLEAN && !lua_toboolean(L, -1) && strcmp(*names, "queue_group") == 0) {
            lua_pushlightuserdata(L, NULL);
            lua_setfield(L, config, *names);
        } else if (type != LUA_TNIL && !is_empty_table(L)) {
            lua_setfield(L, config, *names);
        }
        lua_settop(L, config);
    }
    return lnk_json_push_doc(L, what, config, NULL, err);
}

/* The document on top of the stack. */
static natskit_json doc_of(lua_State *L)
{
    return ((const lnk_doc *)lua_touserdata(L, -1))->json;
}

/* Frees it at once. */
static void drop_doc(lua_State *L)
{
    lnk_doc *doc = lua_touserdata(L, -1);
    natskit_json_close(doc->json);
    doc->json.id = 0;
}

/* -- making -----------------------------------------------------------------------------------------------
 */

static void keep_function(lua_State *L, int index, const char *name, int service, int value)
{
    int type = lua_getfield(L, index, name);
    if (type != LUA_TNIL && type != LUA_TFUNCTION) {
        luaL_error(L, "option '%s': function expected, got %s", name, luaL_typename(L, -1));
    }
    lua_setiuservalue(L, service, value);
}

/* nc:service{name =, version =, description =, metadata =, queue_group =, on_error =, and options} */
int lnk_conn_service(lua_State *L)
{
    const lnk_conn *conn = lnk_check(L, lnk_state_of(L), 1, LNK_CONN);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    lnk_options *options = lnk_push_options(L, 2, NATSKIT_OPTIONS_SERVICE, service_names);
    lnk_service *service = lnk_new(L, LNK_SERVICE, sizeof *service, VALUES);
    int place = lua_gettop(L);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, place, V_CONN);
    lua_newtable(L);
    lua_setiuservalue(L, place, V_HANDLERS);
    keep_function(L, 2, "on_error", place, V_ON_ERROR);
    lnk_sub *requests = lnk_push_sub(L, 1, LNK_SUB_HANDLED_VALUES);
    requests->requests = 1;
    lua_setiuservalue(L, place, V_REQUESTS);
    natskit_error err;
    natskit_status status = push_config(L, 2, service_names, "service", &err);
    if (status == NATSKIT_OK) {
        status = natskit_service_open(conn->conn, doc_of(L), lnk_options_of(options), &service->service,
                                      &requests->sub, &err);
        drop_doc(L);
    }
    lnk_options_end(options);
    if (status != NATSKIT_OK) {
        return lnk_fail_or_raise(L, status, &err, "service");
    }
    lua_pushvalue(L, place);
    return 1;
}

/* A number of a group, from 0 on, that is member `name` of the table at 2. */
static uint32_t read_group(lua_State *L, const char *name)
{
    lua_getfield(L, 2, name);
    int integer = 1;
    lua_Integer group = lua_isnil(L, -1) ? 0 : lua_tointegerx(L, -1, &integer);
    if (!integer || group < 0 || group > 1000000) {
        luaL_error(L, "option '%s': a group is a number, as service:group gives it", name);
    }
    return (uint32_t)group;
}

/* Puts {first = value, second = value} in place of a name and what follows it. */
static void make_table(lua_State *L, const char *first, const char *second)
{
    lua_settop(L, 3);
    if (lua_istable(L, 2)) {
        return;
    }
    luaL_checkstring(L, 2);
    lua_newtable(L);
    lua_pushvalue(L, 2);
    lua_setfield(L, -2, first);
    if (second != NULL) {
        lua_pushvalue(L, 3);
        lua_setfield(L, -2, second);
    }
    lua_replace(L, 2);
}

/* service:group(prefix) or service:group{prefix =, queue_group =, parent =} -> number */
static int service_group(lua_State *L)
{
    const lnk_service *service = check_service(L);
    make_table(L, "prefix", NULL);
    check_keys(L, 2, group_names, "group");
    uint32_t parent = read_group(L, "parent");
    uint32_t number;
    natskit_error err;
    natskit_status status = push_config(L, 2, group_names, "group", &err);
    if (status == NATSKIT_OK) {
        status = natskit_service_group_add(service->service, parent, doc_of(L), &number, &err);
        drop_doc(L);
    }
    if (status != NATSKIT_OK) {
        return lnk_fail_or_raise(L, status, &err, "group");
    }
    lua_pushinteger(L, number);
    return 1;
}

/* -- handling ---------------------------------------------------------------------------------------------
 */

/* Slots of a handler's call; upvalue 2 is the list of handlers, 3 the service, which lives as long. */
enum slot { S_MSG = 1, S_SUB, S_TRACEBACK, S_ERROR };

/* Pushes code and description of the error at S_ERROR. True if it is {code =, description =}: an answer that
 * the handler chose, and no fault of it. */
static int push_failure(lua_State *L)
{
    static const char trace[] = "\nstack traceback:";
    if (lua_istable(L, S_ERROR)) {
        lua_getfield(L, S_ERROR, "code");
        lua_Integer code = lua_type(L, -1) == LUA_TNUMBER ? lua_tointeger(L, -1) : 0; /* 0: not a whole one */
        if (code > 0 && code <= INT32_MAX && lua_getfield(L, S_ERROR, "description") == LUA_TSTRING &&
            lua_rawlen(L, -1) > 0) {
            return 1;
        }
    }
    lua_settop(L, S_ERROR);
    lua_pushinteger(L, 500);
    const char *text = luaL_tolstring(L, S_ERROR, NULL);
    const char *end = strstr(text, trace); /* where it happened is nobody else's business */
    if (end != NULL) {
        lua_pushlstring(L, text, (size_t)(end - text));
    }
    if (lua_rawlen(L, -1) == 0) {
        lua_pushliteral(L, "error");
    }
    return 0;
}

static int answered(lua_State *L, int resumed, lua_KContext context)
{
    (void)L;
    (void)resumed;
    (void)context;
    return 0;
}

/* After the endpoint's handler. */
static int serve_k(lua_State *L, int status, lua_KContext context)
{
    const lnk_state *st = lnk_state_of(L);
    const lnk_msg *msg = lua_touserdata(L, S_MSG);
    lnk_sub *sub = lua_touserdata(L, S_SUB);
    (void)context;
    if (status == LUA_OK || status == LUA_YIELD) {
        natskit_msg_handled(msg->msg);
        return 0;
    }
    if (st->interrupted) {
        return lua_error(L);
    }
    lua_settop(L, S_ERROR);
    int chosen = push_failure(L);
    int text = lua_gettop(L);
    int code = chosen ? text - 1 : S_ERROR + 1;
    if (!chosen) {
        sub->errors++;
        lua_pushvalue(L, S_ERROR);
        lnk_report(L, S_SUB);
    }
    if (msg->msg == NULL) {
        return 0; /* it was closed */
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushcclosure(L, lnk_respond_error, 1);
    lua_pushvalue(L, S_MSG);
    lua_pushvalue(L, code);
    lua_pushvalue(L, text);
    lua_callk(L, 3, 0, 0, answered);
    return 0;
}

/* (request, subscription): the handler of the subscription. */
static int serve(lua_State *L)
{
    natskit_service_view view;
    const lnk_msg *msg = lnk_check(L, lnk_state_of(L), S_MSG, LNK_MSG);
    lua_settop(L, S_SUB);
    if (natskit_msg_service(msg->msg, &view, sizeof view) != NATSKIT_OK) {
        return 0;
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushcclosure(L, lnk_traceback, 1);
    lua_rawgeti(L, lua_upvalueindex(2), (lua_Integer)view.index + 1);
    lua_pushvalue(L, S_MSG);
    return serve_k(L, lua_pcallk(L, 1, 0, S_TRACEBACK, 0, serve_k), 0);
}

static void begin_handling(lua_State *L, lnk_service *service)
{
    lua_getiuservalue(L, 1, V_REQUESTS);
    int requests = lua_gettop(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_getiuservalue(L, 1, V_HANDLERS);
    lua_pushvalue(L, 1);
    lua_pushcclosure(L, serve, 3);
    lua_getiuservalue(L, 1, V_ON_ERROR);
    lnk_handler_begin(L, lnk_state_of(L), requests, requests + 1, requests + 2);
    service->handled = 1;
}

/* service:endpoint(name [, handler]) or service:endpoint{name =, subject =, queue_group =, metadata =, group
 * =, handler =} -> number */
static int service_endpoint(lua_State *L)
{
    lnk_service *service = check_service(L);
    make_table(L, "name", "handler");
    check_keys(L, 2, endpoint_names, "endpoint");
    uint32_t group = read_group(L, "group");
    int type = lua_getfield(L, 2, "handler");
    int handler = lua_gettop(L);
    if (type != LUA_TNIL && type != LUA_TFUNCTION) {
        return luaL_error(L, "option 'handler': function expected, got %s", luaL_typename(L, handler));
    }
    if (service->endpoints > 0 && service->handled != (type == LUA_TFUNCTION)) {
        return luaL_error(L, "endpoint: all endpoints of a service have handlers, or none");
    }
    natskit_error err;
    uint32_t number;
    natskit_status status = push_config(L, 2, endpoint_names, "endpoint", &err);
    if (status == NATSKIT_OK) {
        status = natskit_service_endpoint_add(service->service, group, doc_of(L), &number, &err);
        drop_doc(L);
    }
    if (status != NATSKIT_OK) {
        return lnk_fail_or_raise(L, status, &err, "endpoint");
    }
    service->endpoints++;
    if (type == LUA_TFUNCTION) {
        lua_getiuservalue(L, 1, V_HANDLERS);
        lua_pushvalue(L, handler);
        lua_rawseti(L, -2, (lua_Integer)number + 1);
        if (!service->handled) {
            begin_handling(L, service);
        }
    }
    lua_pushinteger(L, (lua_Integer)number + 1);
    return 1;
}

/* -- what it tells ----------------------------------------------------------------------------------------
 */

static int report(lua_State *L, int32_t verb)
{
    const lnk_service *service = check_service(L);
    natskit_json json;
    natskit_error err;
    natskit_status status = natskit_service_report(service->service, verb, &json, &err);
    if (status != NATSKIT_OK) {
        return lnk_fail(L, status, &err);
    }
    lnk_json_push_value(L, json, NULL);
    return 1;
}

static int service_ping(lua_State *L)
{
    return report(L, NATSKIT_SERVICE_PING);
}

static int service_info(lua_State *L)
{
    return report(L, NATSKIT_SERVICE_INFO);
}

static int service_stats(lua_State *L)
{
    return report(L, NATSKIT_SERVICE_STATS);
}

/* service:data(endpoint, value): nil takes it away */
static int service_data(lua_State *L)
{
    const lnk_service *service = check_service(L);
    lua_Integer endpoint = luaL_checkinteger(L, 2);
    luaL_argcheck(L, endpoint >= 1 && endpoint <= 1000000, 2, "endpoints are counted from 1");
    lua_settop(L, 3);
    natskit_error err;
    natskit_json data = {0};
    natskit_status status = NATSKIT_OK;
    if (!lua_isnil(L, 3)) {
        status = lnk_json_push_doc(L, "data", 3, NULL, &err);
        data = doc_of(L);
    }
    if (status == NATSKIT_OK) {
        status = natskit_service_endpoint_data(service->service, (uint32_t)endpoint - 1, data, &err);
        if (data.id != 0) {
            drop_doc(L);
        }
    }
    return lnk_result(L, status, &err);
}

/* service:reset() */
static int service_reset(lua_State *L)
{
    return lnk_result(L, natskit_service_reset(check_service(L)->service), NULL);
}

/* -- the end ----------------------------------------------------------------------------------------------
 */

/* service:stop(): begins to drain it, without waiting */
static int service_stop(lua_State *L)
{
    natskit_error err;
    return lnk_result(L, natskit_service_stop(check_service(L)->service, &err), &err);
}

/* service:drain([timeout]): as of its subscription */
static int service_drain(lua_State *L)
{
    check_service(L);
    lua_settop(L, 2);
    lua_getiuservalue(L, 1, V_REQUESTS);
    lua_replace(L, 1);
    return lnk_sub_drain(L);
}

static int service_gc(lua_State *L)
{
    lnk_service *service = lua_touserdata(L, 1);
    if (service->service.id != 0) {
        natskit_service_close(service->service);
        service->service.id = 0;
    }
    return 0;
}

/* service:close(): ends it at once, with its subscription */
static int service_close(lua_State *L)
{
    lnk_check(L, lnk_state_of(L), 1, LNK_SERVICE);
    service_gc(L);
    lua_settop(L, 1);
    lua_getiuservalue(L, 1, V_REQUESTS);
    lua_getfield(L, -1, "close");
    lua_insert(L, -2);
    lua_call(L, 1, 1);
    return 1;
}

static int service_tostring(lua_State *L)
{
    const lnk_service *service = lnk_check(L, lnk_state_of(L), 1, LNK_SERVICE);
    lua_pushfstring(L, service->service.id == 0 ? "natskit.service (closed): %p" : "natskit.service: %p",
                    (const void *)service);
    return 1;
}

/* -- discovery --------------------------------------------------------------------------------------------
 */

/* Whether the value on top is what services answer: whoever may publish can answer, and some are wrong. */
static int is_answer(lua_State *L)
{
    static const char *const texts[] = {"id", "name", "version"};
    int good = lua_istable(L, -1);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0] && good; i++) {
        good = lua_getfield(L, -1, texts[i]) == LUA_TSTRING;
        lua_pop(L, 1);
    }
    return good;
}

/* What a call of the subscription gave: a message becomes what it holds; one that is no answer is counted,
 * and the next one is asked for. */
static int discovered_k(lua_State *L, int resumed, lua_KContext context)
{
    (void)resumed;
    (void)context;
    for (;;) {
        const lnk_msg *msg = lua_gettop(L) > 0 ? lnk_test(L, lnk_state_of(L), 1, LNK_MSG) : NULL;
        natskit_message_view view;
        if (msg == NULL || natskit_msg_view(msg->msg, &view, sizeof view) != NATSKIT_OK) {
            return lua_gettop(L);
        }
        if (lnk_json_decode_text(L, view.data, view.data_len) == 1 && is_answer(L)) {
            return 1;
        }
        lnk_sub *sub = lua_touserdata(L, lua_upvalueindex(2));
        sub->errors++;
        lua_settop(L, 0);
        lua_pushvalue(L, lua_upvalueindex(2));
        lua_callk(L, 0, LUA_MULTRET, 0, discovered_k);
    }
}

/* The iterator; upvalue 2 is the subscription of the answers. */
static int discovered(lua_State *L)
{
    lua_settop(L, 0);
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_callk(L, 0, LUA_MULTRET, 0, discovered_k);
    return discovered_k(L, LUA_OK, 0);
}

/* Member `name` of the table at 3, which may be nil, as a text; it stays on the stack. */
static const char *text_of(lua_State *L, const char *name, size_t *len)
{
    *len = 0;
    int type = lua_istable(L, 3) ? lua_getfield(L, 3, name) : LUA_TNIL;
    if (type == LUA_TNIL) {
        return NULL;
    }
    if (type != LUA_TSTRING) {
        luaL_error(L, "option '%s': string expected, got %s", name, luaL_typename(L, -1));
    }
    return lua_tolstring(L, -1, len);
}

/* for service in nc:discover("ping" [, {name =, id =, prefix =, and those of request_many}]) do */
int lnk_conn_discover(lua_State *L)
{
    static const char *const verbs[] = {"ping", "info", "stats", NULL};
    const lnk_conn *conn = lnk_check(L, lnk_state_of(L), 1, LNK_CONN);
    int32_t verb = NATSKIT_SERVICE_PING + luaL_checkoption(L, 2, NULL, verbs);
    lua_settop(L, 3);
    lnk_options *options = lnk_push_options(L, 3, NATSKIT_OPTIONS_REQUEST_MANY, discover_names);
    size_t prefix_len, name_len, id_len;
    const char *prefix = text_of(L, "prefix", &prefix_len);
    const char *name = text_of(L, "name", &name_len);
    const char *id = text_of(L, "id", &id_len);
    lnk_sub *sub = lnk_push_sub(L, 1, LNK_SUB_VALUES);
    int place = lua_gettop(L);
    sub->many = 1;
    natskit_error err;
    natskit_status status = natskit_service_discover(conn->conn, verb, prefix, prefix_len, name, name_len, id,
                                                     id_len, lnk_options_of(options), &sub->sub, &err);
    lnk_options_end(options);
    if (status != NATSKIT_OK) {
        return lnk_fail_or_raise(L, status, &err, "discover");
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, place);
    lua_pushcclosure(L, discovered, 2);
    lua_pushnil(L);
    lua_pushnil(L);
    lua_pushvalue(L, place);
    return 4;
}

/* -- registration -----------------------------------------------------------------------------------------
 */

/* service.requests, or a method; upvalue 2 is the table of methods */
static int service_index(lua_State *L)
{
    lua_settop(L, 2);
    if (lua_rawget(L, lua_upvalueindex(2)) != LUA_TBOOLEAN) {
        return 1;
    }
    lnk_check(L, lnk_state_of(L), 1, LNK_SERVICE);
    lua_getiuservalue(L, 1, V_REQUESTS);
    return 1;
}

static const luaL_Reg service_methods[] = {{"group", service_group},
                                           {"endpoint", service_endpoint},
                                           {"ping", service_ping},
                                           {"info", service_info},
                                           {"stats", service_stats},
                                           {"data", service_data},
                                           {"reset", service_reset},
                                           {"stop", service_stop},
                                           {"drain", service_drain},
                                           {"close", service_close},
                                           {NULL, NULL}};

static const luaL_Reg service_meta[] = {
    {"__gc", service_gc}, {"__close", service_close}, {"__tostring", service_tostring}, {NULL, NULL}};

void lnk_service_register(lua_State *L, int state_index)
{
    luaL_newmetatable(L, lnk_names[LNK_SERVICE]);
    lnk_set_funcs(L, state_index, service_meta);
    lua_newtable(L);
    lnk_set_funcs(L, state_index, service_methods);
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, "requests"); /* the one field */
    /* Under a name of its own as well, for the test that compares it with the documents. */
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "fields");
    lua_pushvalue(L, state_index);
    lua_insert(L, -2);
    lua_pushcclosure(L, service_index, 2);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
