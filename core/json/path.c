/* Reading and changing a document by path. A change is made apart and linked in by its last step, so that a
 * failure leaves the document as it was. */
#include "json/doc.h"

#define SHOWN_MAX 80 /* bytes of a path that an error text shows */
#define GARBAGE_MIN ((size_t)32 * NKI_KIB)

struct path {
    struct nki_str whole;
    struct nki_str tokens[NKI_DOC_DEPTH_MAX];
    unsigned count;
    char room[NKI_DOC_PATH_MAX]; /* tokens whose escapes are resolved */
};

/* What a subtree takes. */
struct measure {
    size_t values;
    size_t text;
    size_t live;
    unsigned height; /* levels of arrays and objects */
};

static int32_t refuse(struct nki_error *err, int32_t status, struct nki_str path, const char *what)
{
    bool cut = path.len > SHOWN_MAX;
    return nki_error_set(err, status, "path \"%.*s%s\" %s", (int)(cut ? SHOWN_MAX : path.len), path.ptr,
                         cut ? "..." : "", what);
}

static int32_t no_memory(struct nki_error *err)
{
    return nki_error_set(err, NKI_NO_MEMORY, NULL);
}

static bool is_list(const struct nki_doc_node *node)
{
    return node->type == NKI_DOC_ARRAY || node->type == NKI_DOC_OBJECT;
}

/* ~1 is a slash, ~0 a tilde. */
static bool resolve_token(struct nki_str *token, char *room, size_t *used)
{
    if (token->len == 0 || memchr(token->ptr, '~', token->len) == NULL) {
        return true;
    }
    char *begin = room + *used;
    char *out = begin;
    for (size_t i = 0; i < token->len; i++) {
        char c = token->ptr[i];
        if (c == '~') {
            i++;
            if (i == token->len || (token->ptr[i] != '0' && token->ptr[i] != '1')) {
                return false;
            }
            c = token->ptr[i] == '0' ? '~' : '/';
        }
        *out++ = c;
    }
    *token = nki_str_make(begin, (size_t)(out - begin));
    *used += token->len;
    return true;
}

static int32_t read_path(struct path *path, struct nki_str text, struct nki_error *err)
{
    size_t used = 0;
    path->whole = text;
    path->count = 0;
    if (text.len > NKI_DOC_PATH_MAX) {
        return refuse(err, NKI_LIMIT, text, "is longer than 4096 bytes");
    }
    if (!nki_str_utf8_valid(text)) {
        return nki_error_set(err, NKI_INVALID, "a path of %zu bytes is not valid UTF-8", text.len);
    }
    if (text.len == 0) {
        return NKI_OK;
    }
    if (text.ptr[0] != '/') {
        return refuse(err, NKI_INVALID, text, "does not begin with a slash");
    }
    struct nki_str rest = nki_str_make(text.ptr + 1, text.len - 1);
    while (rest.ptr != NULL) {
        struct nki_str token = nki_str_cut(&rest, '/');
        if (path->count == NKI_DOC_DEPTH_MAX) {
            return refuse(err, NKI_LIMIT, text, "has more than 64 parts");
        }
        if (!resolve_token(&token, path->room, &used)) {
            return refuse(err, NKI_INVALID, text, "has a tilde without 0 or 1 behind it");
        }
        path->tokens[path->count++] = token;
    }
    return NKI_OK;
}

/* The path's text up to and with its first `count` parts. */
static struct nki_str path_head(const struct path *path, unsigned count)
{
    size_t len = 0;
    for (unsigned part = 0; part < count; part++) {
        len++;
        while (len < path->whole.len && path->whole.ptr[len] != '/') {
            len++;
        }
    }
    return nki_str_make(path->whole.ptr, len);
}

static int32_t not_a_list(struct nki_error *err, const struct path *path, unsigned part,
                          const struct nki_doc_node *node)
{
    char what[64] = "";
    nki_str_copy(what, sizeof what, nki_str_z(nki_doc_type_name(node->type)));
    struct nki_str head = path_head(path, part);
    bool cut = head.len > SHOWN_MAX;
    return nki_error_set(err, NKI_INVALID, "path \"%.*s%s\" is %s, which has no members",
                         (int)(cut ? SHOWN_MAX : head.len), head.ptr, cut ? "..." : "", what);
}

/* The member of `list` that a part names, and its place. NKI_NOT_FOUND: a name that an object does not have,
 * or (with *place = count) "-" of an array. NKI_INVALID: no place in an array. */
static int32_t step(struct nki_doc *doc, struct nki_doc_node *list, struct nki_str token, uint32_t *place,
                    struct nki_doc_node **out)
{
    uint64_t number = 0;
    *out = NULL;
    *place = list->u.list.count;
    if (list->type == NKI_DOC_OBJECT) {
        *out = nki_doc_find(doc, list, token, place);
        return *out != NULL ? NKI_OK : NKI_NOT_FOUND;
    }
    if (nki_str_eq(token, NKI_STR("-"))) {
        return NKI_NOT_FOUND;
    }
    if (!nki_str_u64(token, &number)) {
        return NKI_INVALID;
    }
    if (number >= list->u.list.count) {
        return NKI_END; /* beyond the array */
    }
    *place = (uint32_t)number;
    *out = list->u.list.items[number];
    return NKI_OK;
}

/* How far a path leads. */
struct found {
    struct nki_doc_node *parent; /* of `node`, or what it would be added to; NULL for the root */
    struct nki_doc_node *node;   /* NULL if it is not there */
    uint32_t place;              /* of `node` in its parent */
    unsigned parts;              /* that led to `parent` */
};

/* NKI_OK also if an end of the path is missing and could be added (`node` is NULL then). */
static int32_t follow(struct nki_doc *doc, const struct path *path, struct found *found,
                      struct nki_error *err)
{
    *found = (struct found){.node = doc->root};
    for (unsigned part = 0; part < path->count; part++) {
        if (!is_list(found->node)) {
            return not_a_list(err, path, part, found->node);
        }
        found->parent = found->node;
        found->parts = part;
        int32_t status = step(doc, found->parent, path->tokens[part], &found->place, &found->node);
        if (status == NKI_NOT_FOUND) {
            return NKI_OK;
        }
        if (status != NKI_OK) {
            return refuse(err, status == NKI_END ? NKI_NOT_FOUND : status, path_head(path, part + 1),
                          status == NKI_END ? "is beyond the end of the array"
                                            : "is not a place in an array");
        }
    }
    return NKI_OK;
}

int32_t nki_doc_at(struct nki_doc *doc, struct nki_str text, struct nki_doc_node **out, struct nki_error *err)
{
    struct path path;
    struct found found;
    int32_t status = read_path(&path, text, err);
    if (status == NKI_OK) {
        status = follow(doc, &path, &found, err);
    }
    if (status != NKI_OK) {
        return status;
    }
    if (found.node == NULL) {
        return refuse(err, NKI_NOT_FOUND, path_head(&path, found.parts + 1), "does not exist");
    }
    *out = found.node;
    return NKI_OK;
}

/* -- changing -------------------------------------------------------------------------------------------- */

static void measure(const struct nki_doc_node *node, unsigned level, struct measure *sum)
{
    sum->values++;
    sum->text += node->key.len;
    sum->live += sizeof *node + node->key.len;
    if (node->type == NKI_DOC_STRING) {
        sum->text += node->u.text.len;
    }
    if (node->type == NKI_DOC_STRING || node->type == NKI_DOC_DOUBLE) {
        sum->live += node->u.text.len;
    }
    if (!is_list(node)) {
        return;
    }
    sum->height = sum->height > level + 1 ? sum->height : level + 1;
    sum->live += node->u.list.cap * sizeof(struct nki_doc_node *) + node->u.list.index_cap * sizeof(uint32_t);
    for (uint32_t i = 0; i < node->u.list.count; i++) {
        measure(node->u.list.items[i], level + 1, sum);
    }
}

/* A copy in the arena of another or the same document; its depth is bounded as the original's. */
static struct nki_doc_node *copy_node(struct nki_doc *doc, const struct nki_doc_node *from)
{
    struct nki_doc_node *node = nki_arena_take(&doc->arena, sizeof *node);
    if (node == NULL) {
        return NULL;
    }
    *node = (struct nki_doc_node){.type = from->type, .u = from->u};
    if (from->key.ptr != NULL) {
        node->key = nki_arena_copy(&doc->arena, from->key);
        if (node->key.ptr == NULL) {
            return NULL;
        }
    }
    if (from->type == NKI_DOC_STRING || from->type == NKI_DOC_DOUBLE) {
        node->u.text = nki_arena_copy(&doc->arena, from->u.text);
        return node->u.text.ptr != NULL ? node : NULL;
    }
    if (!is_list(from)) {
        return node;
    }
    memset(&node->u.list, 0, sizeof node->u.list);
    uint32_t count = from->u.list.count;
    if (count == 0) {
        return node;
    }
    struct nki_doc_node **items = nki_arena_take(&doc->arena, count * sizeof(struct nki_doc_node *));
    if (items == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++) {
        items[i] = copy_node(doc, from->u.list.items[i]);
        if (items[i] == NULL) {
            return NULL;
        }
    }
    node->u.list.items = items;
    node->u.list.cap = count;
    node->u.list.count = count;
    return node;
}

static void count_in(struct nki_doc *doc, const struct measure *sum)
{
    doc->values += sum->values;
    doc->text += sum->text;
    doc->live += sum->live;
}

static void count_out(struct nki_doc *doc, const struct nki_doc_node *node)
{
    struct measure sum = {0};
    measure(node, 0, &sum);
    doc->values -= sum.values;
    doc->text -= sum.text;
    doc->live -= sum.live;
}

/* Once what lives is less than a quarter of what is held, a copy takes the document's place. Without memory
 * it stays. */
static void tidy(struct nki_doc *doc)
{
    struct nki_doc fresh = {.version = doc->version};
    if (doc->arena.held < GARBAGE_MIN || doc->arena.held / 4 < doc->live) {
        return;
    }
    fresh.root = copy_node(&fresh, doc->root);
    if (fresh.root == NULL) {
        nki_doc_free(&fresh);
        return;
    }
    struct measure sum = {0};
    measure(fresh.root, 0, &sum);
    count_in(&fresh, &sum);
    nki_doc_free(doc);
    *doc = fresh;
}

/* The objects that a path names and that do not exist, around the new value. */
static struct nki_doc_node *wrap(struct nki_doc *doc, const struct path *path, const struct found *found,
                                 struct nki_doc_node *node)
{
    const struct nki_doc_item object = {.type = NKI_DOC_OBJECT};
    for (unsigned part = path->count; part-- > found->parts;) {
        bool outermost = part == found->parts;
        if (!outermost || found->parent->type == NKI_DOC_OBJECT) {
            node->key = nki_arena_copy(&doc->arena, path->tokens[part]);
            if (node->key.ptr == NULL) {
                return NULL;
            }
        }
        if (!outermost) {
            struct nki_doc_node *outer = nki_doc_make(doc, &object);
            if (outer == NULL || !nki_doc_fill(doc, outer, &node, 1)) {
                return NULL;
            }
            node = outer;
        }
    }
    return node;
}

/* Links a new value in; nothing fails any more. */
static void link_node(struct nki_doc *doc, const struct found *found, struct nki_doc_node *node)
{
    if (found->parent == NULL) {
        doc->root = node;
    } else if (found->node != NULL) {
        found->parent->u.list.items[found->place] = node;
    } else {
        nki_doc_append(doc, found->parent, node);
    }
}

/* `node` is of the document's arena and not counted yet. */
static int32_t put(struct nki_doc *doc, const struct path *path, const struct found *found,
                   struct nki_doc_node *node, struct nki_error *err)
{
    if (found->node == NULL) {
        if (!nki_doc_widen(doc, found->parent)) {
            return no_memory(err);
        }
        size_t live = doc->live;
        node = wrap(doc, path, found, node);
        doc->live = live; /* what is new is counted whole below */
        if (node == NULL) {
            return no_memory(err);
        }
    } else if (found->parent != NULL) {
        node->key = found->node->key;
    }
    struct measure sum = {0};
    measure(node, 0, &sum);
    if (found->node != NULL) {
        count_out(doc, found->node);
    }
    count_in(doc, &sum);
    link_node(doc, found, node);
    doc->version++;
    tidy(doc);
    return NKI_OK;
}

static int32_t check_limits(const struct nki_doc *doc, const struct path *path, const struct found *found,
                            const struct measure *sum, struct nki_error *err)
{
    struct measure old = {0};
    size_t made = 0; /* objects on the way */
    size_t names = 0;
    if (found->node == NULL) {
        made = path->count - found->parts - 1;
        names = path->whole.len;
    } else {
        measure(found->node, 0, &old);
    }
    if (path->count + sum->height > NKI_DOC_DEPTH_MAX) {
        return refuse(err, NKI_LIMIT, path->whole, "would be more than 64 levels deep");
    }
    if (doc->values - old.values + sum->values + made > NKI_DOC_VALUES_MAX) {
        return refuse(err, NKI_LIMIT, path->whole, "would be beyond 1048576 values of the document");
    }
    if (doc->text - old.text + sum->text + names > NKI_DOC_TEXT_MAX) {
        return refuse(err, NKI_LIMIT, path->whole, "would be beyond 64 MiB of text of the document");
    }
    return NKI_OK;
}

int32_t nki_doc_set(struct nki_doc *doc, struct nki_str text, const struct nki_doc_item *item,
                    struct nki_error *err)
{
    struct path path;
    struct found found;
    int32_t status = nki_doc_check_item(item, err);
    if (status == NKI_OK) {
        status = read_path(&path, text, err);
    }
    if (status == NKI_OK) {
        status = follow(doc, &path, &found, err);
    }
    if (status != NKI_OK) {
        return status;
    }
    bool list = item->type == NKI_DOC_ARRAY || item->type == NKI_DOC_OBJECT;
    const struct measure sum = {.values = 1, .text = item->text.len, .height = list ? 1 : 0};
    status = check_limits(doc, &path, &found, &sum, err);
    if (status != NKI_OK) {
        return status;
    }
    struct nki_doc_node *node = nki_doc_make(doc, item);
    return node != NULL ? put(doc, &path, &found, node, err) : no_memory(err);
}

int32_t nki_doc_set_copy(struct nki_doc *doc, struct nki_str text, const struct nki_doc_node *from,
                         struct nki_error *err)
{
    struct path path;
    struct found found;
    struct measure sum = {0};
    int32_t status = read_path(&path, text, err);
    if (status == NKI_OK) {
        status = follow(doc, &path, &found, err);
    }
    if (status != NKI_OK) {
        return status;
    }
    measure(from, 0, &sum);
    status = check_limits(doc, &path, &found, &sum, err);
    if (status != NKI_OK) {
        return status;
    }
    struct nki_doc_node *node = copy_node(doc, from);
    if (node == NULL) {
        return no_memory(err);
    }
    node->key = nki_str_make(NULL, 0);
    return put(doc, &path, &found, node, err);
}

int32_t nki_doc_remove(struct nki_doc *doc, struct nki_str text, struct nki_error *err)
{
    struct path path;
    struct found found;
    int32_t status = read_path(&path, text, err);
    if (status == NKI_OK) {
        status = follow(doc, &path, &found, err);
    }
    if (status != NKI_OK) {
        return status;
    }
    if (found.node == NULL) {
        return refuse(err, NKI_NOT_FOUND, path_head(&path, found.parts + 1), "does not exist");
    }
    if (found.parent == NULL) {
        return refuse(err, NKI_INVALID, text, "is the document itself, which cannot be removed");
    }
    struct nki_doc_node *list = found.parent;
    count_out(doc, found.node);
    list->u.list.count--;
    memmove(list->u.list.items + found.place, list->u.list.items + found.place + 1,
            (list->u.list.count - found.place) * sizeof(struct nki_doc_node *));
    list->u.list.index_valid = false;
    doc->version++;
    tidy(doc);
    return NKI_OK;
}

void nki_doc_replace(struct nki_doc *doc, struct nki_doc *from)
{
    uint64_t version = doc->version + 1;
    nki_doc_free(doc);
    *doc = *from;
    doc->version = version;
    *from = (struct nki_doc){0};
}
