/* Documents: life, values, and members by name. Objects with few members are searched one by one, others by a
 * hash table with a seed that peers cannot know, so that nobody can choose names that collide. */
#include "json/doc.h"

#include "base/rand.h"
#include "base/sip.h"

#include <math.h>

#define LINEAR_MAX 32u /* members that are compared one by one */

const char *nki_doc_type_name(enum nki_doc_type type)
{
    static const char *const names[] = {"nothing",  "null",     "a boolean", "an integer", "an integer",
                                        "a number", "a string", "an array",  "an object"};
    return (size_t)type < NKI_ARRAY_LEN(names) ? names[type] : "nothing";
}

int32_t nki_doc_init(struct nki_doc *doc, enum nki_doc_type type)
{
    *doc = (struct nki_doc){.version = 1, .values = 1, .live = sizeof(struct nki_doc_node)};
    const struct nki_doc_item item = {.type = (int32_t)type};
    doc->root = nki_doc_make(doc, &item);
    return doc->root != NULL ? NKI_OK : NKI_NO_MEMORY;
}

void nki_doc_free(struct nki_doc *doc)
{
    nki_arena_free(&doc->arena);
    doc->root = NULL;
}

int32_t nki_doc_check_item(const struct nki_doc_item *item, struct nki_error *err)
{
    if (item->type < NKI_DOC_NULL || item->type > NKI_DOC_END) {
        return nki_error_set(err, NKI_INVALID, "type %d is not a type of JSON", (int)item->type);
    }
    if (item->type == NKI_DOC_DOUBLE && !isfinite(item->real)) {
        return nki_error_set(err, NKI_INVALID, "number %f: JSON has no such number", item->real);
    }
    if (item->type == NKI_DOC_STRING && !nki_str_utf8_valid(item->text)) {
        return nki_error_set(err, NKI_INVALID, "a string of %zu bytes is not valid UTF-8", item->text.len);
    }
    if (!nki_str_utf8_valid(item->key)) {
        return nki_error_set(err, NKI_INVALID, "a name of %zu bytes is not valid UTF-8", item->key.len);
    }
    return NKI_OK;
}

struct nki_doc_node *nki_doc_make(struct nki_doc *doc, const struct nki_doc_item *item)
{
    char digits[NKI_DOC_NUMBER_CAP];
    struct nki_str text = {0};
    struct nki_doc_node *node = nki_arena_take(&doc->arena, sizeof *node);
    if (node == NULL) {
        return NULL;
    }
    *node = (struct nki_doc_node){.type = (enum nki_doc_type)item->type};
    switch (node->type) {
    case NKI_DOC_BOOL:
        node->u.integer = item->boolean != 0;
        break;
    case NKI_DOC_INT:
        node->u.integer = item->integer;
        break;
    case NKI_DOC_UINT:
        node->u.natural = item->natural;
        if (item->natural <= (uint64_t)INT64_MAX) {
            node->type = NKI_DOC_INT;
            node->u.integer = (int64_t)item->natural;
        }
        break;
    case NKI_DOC_DOUBLE:
        text = nki_arena_copy(&doc->arena, nki_str_make(digits, nki_doc_write_double(item->real, digits)));
        nki_doc_set_number(node, text);
        return text.ptr != NULL ? node : NULL;
    case NKI_DOC_STRING:
        node->u.text = nki_arena_copy(&doc->arena, item->text);
        return node->u.text.ptr != NULL ? node : NULL;
    default:
        break;
    }
    return node;
}

void nki_doc_show(const struct nki_doc_node *node, struct nki_doc_item *item)
{
    *item = (struct nki_doc_item){.type = (int32_t)node->type, .key = node->key};
    switch (node->type) {
    case NKI_DOC_BOOL:
        item->boolean = node->u.integer != 0;
        break;
    case NKI_DOC_INT:
        item->integer = node->u.integer;
        item->natural = node->u.integer > 0 ? (uint64_t)node->u.integer : 0;
        item->real = (double)node->u.integer;
        break;
    case NKI_DOC_UINT:
        item->natural = node->u.natural;
        item->real = (double)node->u.natural;
        break;
    case NKI_DOC_DOUBLE:
        item->text = node->u.text;
        item->real = nki_doc_read_double(node->u.text);
        break;
    case NKI_DOC_STRING:
        item->text = node->u.text;
        break;
    case NKI_DOC_ARRAY:
    case NKI_DOC_OBJECT:
        item->size = node->u.list.count;
        break;
    default:
        break;
    }
}

/* -- members by name ------------------------------------------------------------------------------------- */

/* The slot of the table that holds this name, or the free one where it belongs. */
static uint32_t *slot_of(const struct nki_doc *doc, const struct nki_doc_node *object, struct nki_str key)
{
    uint32_t mask = object->u.list.index_cap - 1;
    uint32_t at = (uint32_t)nki_sip_hash(doc->seed, key) & mask;
    while (object->u.list.index[at] != 0 &&
           !nki_str_eq(object->u.list.items[object->u.list.index[at] - 1]->key, key)) {
        at = (at + 1) & mask;
    }
    return &object->u.list.index[at];
}

/* An empty table for `count` members; false if there is no memory. */
static bool index_begin(struct nki_doc *doc, struct nki_doc_node *object, size_t count)
{
    if (doc->seed[0] == 0 && doc->seed[1] == 0) {
        nki_rand_system(doc->seed, sizeof doc->seed);
    }
    uint32_t cap = 64;
    while (cap < 2 * count) {
        cap *= 2;
    }
    object->u.list.index_valid = false;
    if (cap > object->u.list.index_cap) {
        uint32_t *index = nki_arena_take(&doc->arena, cap * sizeof *index);
        if (index == NULL) {
            return false;
        }
        doc->live += (cap - object->u.list.index_cap) * sizeof *index;
        object->u.list.index = index;
        object->u.list.index_cap = cap;
    }
    memset(object->u.list.index, 0, object->u.list.index_cap * sizeof *object->u.list.index);
    return true;
}

static bool index_all(struct nki_doc *doc, struct nki_doc_node *object)
{
    if (!index_begin(doc, object, object->u.list.count + object->u.list.count / 2)) {
        return false;
    }
    for (uint32_t i = 0; i < object->u.list.count; i++) {
        *slot_of(doc, object, object->u.list.items[i]->key) = i + 1;
    }
    object->u.list.index_valid = true;
    return true;
}

struct nki_doc_node *nki_doc_find(struct nki_doc *doc, struct nki_doc_node *object, struct nki_str key,
                                  uint32_t *place)
{
    uint32_t count = object->u.list.count;
    uint32_t at = 0;
    if (count > LINEAR_MAX && (object->u.list.index_valid || index_all(doc, object))) {
        uint32_t found = *slot_of(doc, object, key);
        at = found > 0 ? found - 1 : count;
    } else {
        while (at < count && !nki_str_eq(object->u.list.items[at]->key, key)) {
            at++;
        }
    }
    if (place != NULL) {
        *place = at;
    }
    return at < count ? object->u.list.items[at] : NULL;
}

bool nki_doc_widen(struct nki_doc *doc, struct nki_doc_node *list)
{
    if (list->u.list.count < list->u.list.cap) {
        return true;
    }
    uint32_t cap = list->u.list.cap < 4 ? 4 : list->u.list.cap * 2;
    struct nki_doc_node **items = nki_arena_take(&doc->arena, cap * sizeof(struct nki_doc_node *));
    if (items == NULL) {
        return false;
    }
    if (list->u.list.count > 0) {
        memcpy(items, list->u.list.items, list->u.list.count * sizeof(struct nki_doc_node *));
    }
    doc->live += (cap - list->u.list.cap) * sizeof(struct nki_doc_node *);
    list->u.list.items = items;
    list->u.list.cap = cap;
    return true;
}

void nki_doc_append(const struct nki_doc *doc, struct nki_doc_node *list, struct nki_doc_node *node)
{
    list->u.list.items[list->u.list.count++] = node;
    if (list->u.list.index_valid) {
        if (list->u.list.count > list->u.list.index_cap / 2) {
            list->u.list.index_valid = false; /* the next look-up makes a greater one */
        } else {
            *slot_of(doc, list, node->key) = list->u.list.count;
        }
    }
}

/* Adds a member, or puts it in the place of one with its name. Room for it is there. */
static void fill_member(const struct nki_doc *doc, struct nki_doc_node *node, struct nki_doc_node *member,
                        bool hashed)
{
    uint32_t at = 0;
    if (hashed) {
        uint32_t *slot = slot_of(doc, node, member->key);
        *slot = *slot > 0 ? *slot : node->u.list.count + 1;
        at = *slot - 1;
    } else {
        while (at < node->u.list.count && !nki_str_eq(node->u.list.items[at]->key, member->key)) {
            at++;
        }
    }
    node->u.list.items[at] = member;
    node->u.list.count += at == node->u.list.count;
}

bool nki_doc_fill(struct nki_doc *doc, struct nki_doc_node *node, struct nki_doc_node **members, size_t count)
{
    if (count == 0) {
        return true;
    }
    bool hashed = node->type == NKI_DOC_OBJECT && count > LINEAR_MAX;
    if (hashed && !index_begin(doc, node, count)) {
        return false;
    }
    struct nki_doc_node **items = nki_arena_take(&doc->arena, count * sizeof(struct nki_doc_node *));
    if (items == NULL) {
        return false;
    }
    doc->live += count * sizeof(struct nki_doc_node *);
    node->u.list.items = items;
    node->u.list.cap = (uint32_t)count;
    if (node->type == NKI_DOC_ARRAY) {
        memcpy(items, members, count * sizeof(struct nki_doc_node *));
        node->u.list.count = (uint32_t)count;
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        fill_member(doc, node, members[i], hashed);
    }
    node->u.list.index_valid = hashed;
    return true;
}
