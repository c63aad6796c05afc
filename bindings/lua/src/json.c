/* nats.json: Lua values from JSON text and back, through a document of the library for each call. And
 * arguments and answers of JetStream's calls, where what is known of members decides what they become.
 *
 * While a table is read nothing of Lua is allocated, so that no finalizer runs and no string goes away before
 * the library has copied it. What allocates runs under lua_pcall, because the document has to be closed. */
#include "lnk.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 64
#define STEP 64         /* items that go to or come from the library at once */
#define SMALL_TEXT 2048 /* bytes of a text that is written on the stack */
#define MIXED_KEYS "the keys of a table are neither 1 to n nor all strings"
#define PATH_MAX_SHOWN 100 /* bytes of a path in an error */
#define TIME_ROOM 64       /* bytes of an RFC 3339 time, and to spare */

/* What is known where nothing is. */
static const lnk_field unknown = {NULL, NULL, 0, NULL};

/* What is known of the whole value. */
static lnk_field known_root(const char *shape)
{
    return shape != NULL ? (lnk_field){.type = NATSKIT_FIELD_OBJECT, .values = shape} : unknown;
}

/* What is known of the elements of an array, of which `field` is known. */
static lnk_field known_element(const lnk_field *field)
{
    lnk_field element = unknown;
    if (field->type == NATSKIT_FIELD_OBJECTS) {
        element = (lnk_field){.type = NATSKIT_FIELD_OBJECT, .values = field->values};
    } else if (field->type == NATSKIT_FIELD_DURATIONS) {
        element.type = NATSKIT_FIELD_DURATION;
    } else if (field->type == NATSKIT_FIELD_STRINGS) {
        element.type = NATSKIT_FIELD_STRING;
    }
    return element;
}

/* -- decoding ---------------------------------------------------------------------------------------------
 */

struct level {
    int array;
    lua_Integer next;  /* place of the next element */
    const char *shape; /* of an object */
    lnk_field element; /* what is known of the elements of an array */
};

struct decoder {
    const lnk_state *st;
    natskit_json json;
    const char *shape; /* of the whole */
    struct level levels[DEPTH_MAX];
    int depth;
};

/* Indices on the stack of decode_all. */
enum { D_SELF = 1, D_ARRAY_META };

/* What is known of the item that comes next. */
static lnk_field known_item(const struct decoder *self, const natskit_json_item *item)
{
    if (self->depth == 0) {
        return known_root(self->shape);
    }
    const struct level *level = &self->levels[self->depth - 1];
    if (level->array || level->shape == NULL) {
        return level->array ? level->element : unknown;
    }
    const lnk_field *found = lnk_shape_find(self->st, level->shape, item->key, item->key_len);
    return found != NULL ? *found : unknown;
}

static void push_scalar(lua_State *L, const natskit_json_item *item, const lnk_field *known)
{
    if (known->type == NATSKIT_FIELD_DURATION && item->type == NATSKIT_JSON_INT) {
        lnk_push_seconds(L, item->integer);
        return;
    }
    switch (item->type) {
    case NATSKIT_JSON_BOOL:
        lua_pushboolean(L, item->boolean);
        break;
    case NATSKIT_JSON_INT:
        lua_pushinteger(L, item->integer);
        break;
    case NATSKIT_JSON_UINT: /* as Lua reads such a numeral */
    case NATSKIT_JSON_DOUBLE:
        lua_pushnumber(L, item->real);
        break;
    case NATSKIT_JSON_STRING:
        lua_pushlstring(L, item->text, item->text_len);
        break;
    default:
        lua_pushlightuserdata(L, NULL);
    }
}

/* Puts the value on top, with its key below it in an object, into the innermost open table. */
static void store(lua_State *L, struct decoder *self)
{
    if (self->depth == 0) {
        return; /* the result */
    }
    struct level *level = &self->levels[self->depth - 1];
    if (level->array) {
        lua_rawseti(L, -2, level->next++);
    } else {
        lua_rawset(L, -3);
    }
}

static void take_item(lua_State *L, struct decoder *self, const natskit_json_item *item)
{
    if (item->type == NATSKIT_JSON_END) {
        self->depth--;
        store(L, self);
        return;
    }
    int member = self->depth > 0 && !self->levels[self->depth - 1].array;
    if (member && item->type == NATSKIT_JSON_NULL && self->shape != NULL) {
        return; /* null says that there is nothing, but is true in Lua */
    }
    lnk_field known = self->shape != NULL ? known_item(self, item) : unknown;
    if (member) {
        lua_pushlstring(L, item->key, item->key_len);
    }
    if (item->type != NATSKIT_JSON_ARRAY && item->type != NATSKIT_JSON_OBJECT) {
        push_scalar(L, item, &known);
        store(L, self);
        return;
    }
    int array = item->type == NATSKIT_JSON_ARRAY;
    lua_createtable(L, array ? (int)item->size : 0, array ? 0 : (int)item->size);
    if (array) {
        lua_pushvalue(L, D_ARRAY_META);
        lua_setmetatable(L, -2);
    }
    self->levels[self->depth++] = (struct level){
        array, 1, known.type == NATSKIT_FIELD_OBJECT ? known.values : NULL, known_element(&known)};
}

/* (decoder, metatable of arrays) -> value */
static int decode_all(lua_State *L)
{
    struct decoder *self = lua_touserdata(L, D_SELF);
    natskit_json_cursor cursor = {.version = 0};
    natskit_json_item items[STEP];
    size_t count = 0;
    natskit_status status;
    luaL_checkstack(L, 2 * DEPTH_MAX + 8, NULL);
    while ((status = natskit_json_walk(self->json, &cursor, items, sizeof items[0], STEP, &count)) ==
           NATSKIT_OK) {
        for (size_t i = 0; i < count; i++) {
            take_item(L, self, &items[i]);
        }
    }
    /* Another thread may have shut the library down meanwhile. */
    return status == NATSKIT_END ? 1 : luaL_error(L, "the document was closed");
}

void lnk_json_push_value(lua_State *L, natskit_json json, const char *shape)
{
    struct decoder self = {.st = lnk_state_of(L), .json = json, .shape = shape, .depth = 0};
    lua_pushcfunction(L, decode_all);
    lua_pushlightuserdata(L, &self);
    lnk_push_slot(L, LNK_UV_JSON_ARRAY);
    int failed = lua_pcall(L, 2, 1, 0);
    natskit_json_close(json);
    if (failed != LUA_OK) {
        lua_error(L);
    }
}

int lnk_json_decode_text(lua_State *L, const char *text, size_t len)
{
    natskit_json json;
    natskit_error err;
    natskit_status status = natskit_json_parse(text, len, &json, &err);
    if (status != NATSKIT_OK) {
        return lnk_fail(L, status, &err);
    }
    lnk_json_push_value(L, json, NULL);
    return 1;
}

/* nats.json.decode(text) -> value, or nil, message, code */
static int json_decode(lua_State *L)
{
    size_t len = 0;
    const char *text = luaL_checklstring(L, 1, &len);
    return lnk_json_decode_text(L, text, len);
}

/* -- encoding ---------------------------------------------------------------------------------------------
 */

struct trail {
    const void *table; /* that is open */
    const char *key;   /* of the member in work; NULL: a place */
    size_t key_len;
    lua_Integer place;
    const char *shape; /* of an object */
    lnk_field element; /* what is known of the elements of an array */
};

struct encoder {
    const lnk_state *st;
    natskit_json json;
    const char *shape; /* of the whole */
    natskit_json_item items[STEP];
    size_t count;
    size_t estimate; /* bytes of the text, roughly */
    struct trail trail[DEPTH_MAX];
    int depth;
    natskit_status status; /* of the library */
    natskit_error err;
    char fault[256]; /* what is wrong with the value */
};

/* Where in the value the fault is: "/a/b/3". */
static int fail(struct encoder *self, const char *what)
{
    char path[PATH_MAX_SHOWN + 1] = "";
    size_t used = 0;
    for (int i = 0; i < self->depth && used < PATH_MAX_SHOWN; i++) {
        const struct trail *step = &self->trail[i];
        int len = step->key != NULL
                      ? snprintf(path + used, sizeof path - used, "/%.*s", (int)step->key_len, step->key)
                      : snprintf(path + used, sizeof path - used, "/%lld", (long long)step->place);
        used += len > 0 ? (size_t)len : 0;
    }
    (void)snprintf(self->fault, sizeof self->fault, used > 0 ? "%s at %s" : "%s", what, path);
    return 0;
}

static int flush(struct encoder *self)
{
    if (self->count > 0) {
        self->status =
            natskit_json_feed(self->json, self->items, sizeof self->items[0], self->count, &self->err);
        self->count = 0;
    }
    return self->status == NATSKIT_OK;
}

/* Room for the next item, with the key that it has. */
static natskit_json_item *next_item(struct encoder *self, int32_t type)
{
    if (self->count == STEP && !flush(self)) {
        return NULL;
    }
    natskit_json_item *item = &self->items[self->count++];
    *item = (natskit_json_item){.type = type};
    if (self->depth > 0 && type != NATSKIT_JSON_END) {
        item->key = self->trail[self->depth - 1].key;
        item->key_len = item->key != NULL ? self->trail[self->depth - 1].key_len : 0;
    }
    self->estimate += item->key_len + 28;
    return item;
}

static int put_value(lua_State *L, struct encoder *self, const lnk_field *known);

/* The members of the table on top, which are string keys alone. */
static int put_members(lua_State *L, struct encoder *self)
{
    struct trail *trail = &self->trail[self->depth - 1];
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        if (lua_type(L, -2) != LUA_TSTRING) {
            self->depth--;
            return fail(self, MIXED_KEYS);
        }
        trail->key = lua_tolstring(L, -2, &trail->key_len);
        const lnk_field *known =
            trail->shape != NULL ? lnk_shape_find(self->st, trail->shape, trail->key, trail->key_len) : NULL;
        if (!put_value(L, self, known != NULL ? known : &unknown)) {
            return 0;
        }
        lua_pop(L, 1);
    }
    return 1;
}

/* The elements 1 to n of the table on top, which has no others. */
static int put_elements(lua_State *L, struct encoder *self)
{
    struct trail *trail = &self->trail[self->depth - 1];
    lua_Integer count = 0;
    lua_Integer last = 0;
    trail->key = NULL;
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        lua_Integer place = lua_isinteger(L, -2) ? lua_tointeger(L, -2) : 0;
        if (place < 1) {
            self->depth--;
            return fail(self, MIXED_KEYS);
        }
        last = place > last ? place : last;
        count++;
        lua_pop(L, 1);
    }
    if (last != count) {
        self->depth--;
        return fail(self, "an array has holes (nats.json.null stands for null)");
    }
    for (lua_Integer place = 1; place <= count; place++) {
        trail->place = place;
        lua_rawgeti(L, -1, place);
        if (!put_value(L, self, &trail->element)) {
            return 0;
        }
        lua_pop(L, 1);
    }
    return 1;
}

/* Whether the table on top is an array: as it is marked, else by its first key; an empty one if it is known
 * to be. */
static int is_array(lua_State *L, const lnk_state *st, const lnk_field *known)
{
    if (lua_getmetatable(L, -1)) {
        const void *meta = lua_topointer(L, -1);
        lua_pop(L, 1);
        if (meta == st->json_array || meta == st->json_object) {
            return meta == st->json_array;
        }
    }
    lua_pushnil(L);
    if (!lua_next(L, -2)) {
        return known->type == NATSKIT_FIELD_STRINGS || known->type == NATSKIT_FIELD_OBJECTS ||
               known->type == NATSKIT_FIELD_DURATIONS;
    }
    int array = lua_type(L, -2) != LUA_TSTRING;
    lua_pop(L, 2);
    return array;
}

static int put_table(lua_State *L, struct encoder *self, const lnk_field *known)
{
    const void *table = lua_topointer(L, -1);
    for (int i = 0; i < self->depth; i++) {
        if (self->trail[i].table == table) {
            return fail(self, "a table contains itself");
        }
    }
    if (self->depth == DEPTH_MAX) {
        return fail(self, "tables are nested more than 64 levels deep");
    }
    int array = is_array(L, self->st, known);
    if (next_item(self, array ? NATSKIT_JSON_ARRAY : NATSKIT_JSON_OBJECT) == NULL) {
        return 0;
    }
    self->trail[self->depth++] =
        (struct trail){.table = table,
                       .shape = known->type == NATSKIT_FIELD_OBJECT ? known->values : NULL,
                       .element = known_element(known)};
    if (!(array ? put_elements(L, self) : put_members(L, self))) {
        return 0;
    }
    self->depth--;
    return next_item(self, NATSKIT_JSON_END) != NULL;
}

static int put_number(lua_State *L, struct encoder *self)
{
    natskit_json_item *item;
    if (lua_isinteger(L, -1)) {
        item = next_item(self, NATSKIT_JSON_INT);
        if (item != NULL) {
            item->integer = lua_tointeger(L, -1);
        }
        return item != NULL;
    }
    lua_Number number = lua_tonumber(L, -1);
    if (!isfinite(number)) {
        return fail(self, isnan(number) ? "JSON has no NaN, but there is one"
                                        : "JSON has no infinity, but there is one");
    }
    item = next_item(self, NATSKIT_JSON_DOUBLE);
    if (item != NULL) {
        item->real = number;
    }
    return item != NULL;
}

/* A duration in nanoseconds, from seconds. */
static int put_duration(lua_State *L, struct encoder *self)
{
    int64_t ns = 0;
    const char *fault = lnk_read_seconds(L, -1, &ns);
    if (fault != NULL) {
        return fail(self, fault);
    }
    natskit_json_item *item = next_item(self, NATSKIT_JSON_INT);
    if (item != NULL) {
        item->integer = ns;
    }
    return item != NULL;
}

/* A time as text, from seconds since 1970. */
static int put_time(lua_State *L, struct encoder *self)
{
    char text[TIME_ROOM];
    const char *fault = lnk_read_time(L, -1, text, sizeof text);
    if (fault != NULL) {
        return fail(self, fault);
    }
    natskit_json_item *item = next_item(self, NATSKIT_JSON_STRING);
    if (item == NULL) {
        return 0;
    }
    item->text = text;
    item->text_len = strlen(text);
    return flush(self); /* while the text is there */
}

/* What a value of a known type has to be in Lua, or NULL if the one on top is that. */
static const char *misfit(lua_State *L, const lnk_field *known)
{
    int type = lua_type(L, -1);
    if (type == LUA_TLIGHTUSERDATA) {
        return NULL; /* null, or no JSON at all */
    }
    switch (known->type) {
    case NATSKIT_FIELD_STRING:
    case NATSKIT_FIELD_CHOICE:
        return type == LUA_TSTRING ? NULL : "string expected";
    case NATSKIT_FIELD_INTEGER:
        return type == LUA_TNUMBER && floor(lua_tonumber(L, -1)) == lua_tonumber(L, -1) ? NULL
                                                                                        : "integer expected";
    case NATSKIT_FIELD_BOOLEAN:
        return type == LUA_TBOOLEAN ? NULL : "boolean expected";
    case NATSKIT_FIELD_TIME:
        return type == LUA_TSTRING || type == LUA_TNUMBER ? NULL : "time expected";
    case NATSKIT_FIELD_STRINGS:
    case NATSKIT_FIELD_DURATIONS:
    case NATSKIT_FIELD_OBJECTS:
        return type == LUA_TTABLE ? NULL : "list expected";
    case NATSKIT_FIELD_OBJECT:
    case NATSKIT_FIELD_MAP:
        return type == LUA_TTABLE ? NULL : "table expected";
    default:
        return NULL;
    }
}

/* Adds the value on top of the stack, which stays there. False: `fault` or `status` tells. */
static int put_value(lua_State *L, struct encoder *self, const lnk_field *known)
{
    char what[64];
    natskit_json_item *item;
    const char *fault = misfit(L, known);
    if (fault != NULL) {
        return fail(self, fault);
    }
    if (known->type == NATSKIT_FIELD_DURATION && lua_type(L, -1) != LUA_TLIGHTUSERDATA) {
        return put_duration(L, self);
    }
    switch (lua_type(L, -1)) {
    case LUA_TTABLE:
        return put_table(L, self, known);
    case LUA_TNUMBER:
        return known->type == NATSKIT_FIELD_TIME ? put_time(L, self) : put_number(L, self);
    case LUA_TBOOLEAN:
        item = next_item(self, NATSKIT_JSON_BOOL);
        if (item != NULL) {
            item->boolean = lua_toboolean(L, -1);
        }
        return item != NULL;
    case LUA_TSTRING:
        item = next_item(self, NATSKIT_JSON_STRING);
        if (item != NULL) {
            item->text = lua_tolstring(L, -1, &item->text_len);
            self->estimate += item->text_len;
        }
        return item != NULL;
    case LUA_TLIGHTUSERDATA:
        if (lua_touserdata(L, -1) == NULL) {
            return next_item(self, NATSKIT_JSON_NULL) != NULL;
        }
        break;
    default:
        break;
    }
    (void)snprintf(what, sizeof what, "JSON has no %s, but there is one", luaL_typename(L, -1));
    return fail(self, what);
}

static int put_all(lua_State *L, struct encoder *self)
{
    lnk_field known = known_root(self->shape);
    luaL_checkstack(L, 4 * DEPTH_MAX + 8, NULL);
    return put_value(L, self, &known) && flush(self);
}

/* (encoder, value): fills the document; `fault` or `status` tells what is wrong */
static int build_all(lua_State *L)
{
    put_all(L, lua_touserdata(L, 1));
    return 0;
}

/* (encoder, value) -> text, or nothing if `fault` or `status` tells what is wrong */
static int encode_all(lua_State *L)
{
    struct encoder *self = lua_touserdata(L, 1);
    char small[SMALL_TEXT];
    size_t len = 0;
    if (!put_all(L, self)) {
        return 0;
    }
    if (self->estimate <= sizeof small) {
        self->status = natskit_json_text(self->json, NULL, 0, small, sizeof small, &len, &self->err);
        if (self->status == NATSKIT_OK) {
            lua_pushlstring(L, small, len);
            return 1;
        }
    } else {
        len = self->estimate;
        self->status = NATSKIT_LIMIT;
    }
    while (self->status == NATSKIT_LIMIT) {
        luaL_Buffer out;
        size_t room = len;
        char *at = luaL_buffinitsize(L, &out, room);
        self->status = natskit_json_text(self->json, NULL, 0, at, room, &len, &self->err);
        if (self->status == NATSKIT_OK) {
            luaL_pushresultsize(&out, len);
            return 1;
        }
        luaL_pushresultsize(&out, 0);
        lua_pop(L, 1);
    }
    return 0;
}

/* Opens the encoder's document. */
static natskit_status begin_encoder(lua_State *L, struct encoder *self, const char *shape)
{
    self->st = lnk_state_of(L);
    self->shape = shape;
    self->count = 0;
    self->estimate = 0;
    self->depth = 0;
    self->fault[0] = '\0';
    self->err.status = NATSKIT_OK;
    self->status = natskit_json_open(NATSKIT_JSON_ARRAY, &self->json);
    return self->status;
}

/* Raises for a value that is wrong. */
static void raise_encoder(lua_State *L, const struct encoder *self, const char *what)
{
    if (self->fault[0] != '\0') {
        luaL_error(L, "%s: %s", what, self->fault);
    }
    if (self->status == NATSKIT_INVALID || self->status == NATSKIT_LIMIT) {
        luaL_error(L, "%s: %s", what, self->err.text);
    }
}

/* nats.json.encode(value) -> text; raises for what JSON cannot hold */
static int json_encode(lua_State *L)
{
    struct encoder self;
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    if (begin_encoder(L, &self, NULL) != NATSKIT_OK) {
        return lnk_fail(L, self.status, NULL);
    }
    lua_pushcfunction(L, encode_all);
    lua_pushlightuserdata(L, &self);
    lua_pushvalue(L, 1);
    int failed = lua_pcall(L, 2, 1, 0);
    natskit_json_close(self.json);
    if (failed != LUA_OK) {
        return lua_error(L);
    }
    raise_encoder(L, &self, "nats.json.encode");
    return self.status == NATSKIT_OK ? 1 : lnk_fail(L, self.status, &self.err);
}

/* -- documents --------------------------------------------------------------------------------------------
 */

static int doc_gc(lua_State *L)
{
    lnk_doc *doc = lua_touserdata(L, 1);
    natskit_json_close(doc->json);
    doc->json.id = 0;
    return 0;
}

static const luaL_Reg doc_funcs[] = {{"__gc", doc_gc}, {NULL, NULL}};

natskit_status lnk_json_push_doc(lua_State *L, const char *what, int index, const char *shape,
                                 natskit_error *err)
{
    struct encoder self;
    index = lua_absindex(L, index);
    lnk_doc *doc = lnk_new(L, LNK_DOC, sizeof *doc, 0); /* before there is something to own */
    if (begin_encoder(L, &self, shape) == NATSKIT_OK) {
        doc->json = self.json;
        lua_pushcfunction(L, build_all);
        lua_pushlightuserdata(L, &self);
        lua_pushvalue(L, index);
        lua_call(L, 2, 0);
        raise_encoder(L, &self, what);
    }
    *err = self.err;
    return self.status;
}

/* -- marks ------------------------------------------------------------------------------------------------
 */

static int mark(lua_State *L, enum lnk_slot slot)
{
    const lnk_state *st = lnk_state_of(L);
    if (lua_isnone(L, 1)) {
        lua_newtable(L);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    if (lua_getmetatable(L, 1)) {
        const void *meta = lua_topointer(L, -1);
        luaL_argcheck(L, meta == st->json_array || meta == st->json_object, 1,
                      "the table has a metatable of its own");
        lua_pop(L, 1);
    }
    lnk_push_slot(L, slot);
    lua_setmetatable(L, 1);
    return 1;
}

/* nats.json.array([table]) -> table, which is encoded as an array also when it is empty */
static int json_array(lua_State *L)
{
    return mark(L, LNK_UV_JSON_ARRAY);
}

/* nats.json.object([table]) -> table, which is encoded as an object */
static int json_object(lua_State *L)
{
    return mark(L, LNK_UV_JSON_OBJECT);
}

static const luaL_Reg json_funcs[] = {{"decode", json_decode},
                                      {"encode", json_encode},
                                      {"array", json_array},
                                      {"object", json_object},
                                      {NULL, NULL}};

static const void *make_mark(lua_State *L, int state_index, enum lnk_slot slot, const char *name)
{
    lua_createtable(L, 0, 1);
    lua_pushstring(L, name);
    lua_setfield(L, -2, "__name");
    const void *meta = lua_topointer(L, -1);
    lua_setiuservalue(L, state_index, slot);
    return meta;
}

void lnk_json_register(lua_State *L, int state_index)
{
    lnk_state *st = lua_touserdata(L, state_index);
    st->json_array = make_mark(L, state_index, LNK_UV_JSON_ARRAY, "natskit.json.array");
    st->json_object = make_mark(L, state_index, LNK_UV_JSON_OBJECT, "natskit.json.object");
    luaL_newmetatable(L, lnk_names[LNK_DOC]);
    lnk_set_funcs(L, state_index, doc_funcs);
    lua_pop(L, 1);
}

void lnk_json_push_module(lua_State *L, int state_index)
{
    lua_newtable(L);
    lnk_set_funcs(L, state_index, json_funcs);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
}
