/* Traces: see trace.h. An event says in its request's header Nats-Trace-Hop which hop led to it ("1", "1.2";
 * none: it is the first), and in its egresses which hops lead on. */
#include "jetstream/trace.h"

#include "base/alloc.h"
#include "base/buf.h"

#define DEPTH_MAX 16u /* hops in a row: deeper ones are missing */

struct tree {
    struct nki_doc *doc;
    struct nki_doc_node *events;
    bool *used; /* of each event */
    uint64_t missing;
    struct nki_buf out;
};

static struct nki_doc_node *member(struct tree *tree, struct nki_doc_node *node, const char *name, int type)
{
    struct nki_doc_node *found = node != NULL && node->type == NKI_DOC_OBJECT
                                     ? nki_doc_find(tree->doc, node, nki_str_z(name), NULL)
                                     : NULL;
    return found != NULL && (int)found->type == type ? found : NULL;
}

/* Which hop led to an event; empty: none. */
static struct nki_str hop_of(struct tree *tree, struct nki_doc_node *event)
{
    struct nki_doc_node *request = member(tree, event, "request", NKI_DOC_OBJECT);
    struct nki_doc_node *header = member(tree, request, "header", NKI_DOC_OBJECT);
    const struct nki_doc_node *values = member(tree, header, "Nats-Trace-Hop", NKI_DOC_ARRAY);
    const struct nki_doc_node *first =
        values != NULL && values->u.list.count > 0 ? values->u.list.items[0] : NULL;
    return first != NULL && first->type == NKI_DOC_STRING ? first->u.text : NKI_STR("");
}

static struct nki_doc_node *find(struct tree *tree, struct nki_str hop)
{
    for (uint32_t i = 0; i < tree->events->u.list.count; i++) {
        struct nki_doc_node *event = tree->events->u.list.items[i];
        if (!tree->used[i] && nki_str_eq(hop_of(tree, event), hop)) {
            tree->used[i] = true;
            return event;
        }
    }
    tree->missing++;
    return NULL;
}

static bool append_value(struct nki_buf *out, const struct nki_doc_node *node)
{
    size_t len = nki_doc_write(node, NULL, 0);
    if (!nki_buf_reserve(out, len)) {
        return false;
    }
    nki_doc_write(node, (char *)out->data + out->len, len);
    out->len += len;
    return true;
}

static bool append_key(struct nki_buf *out, bool first, struct nki_str key)
{
    return (first || nki_buf_append(out, ",", 1)) && nki_buf_append_json(out, key) &&
           nki_buf_append(out, ":", 1);
}

static bool append_event(struct tree *tree, struct nki_doc_node *event, unsigned depth);

/* One of the things that happened in a server; an egress with what it led to. */
static bool append_step(struct tree *tree, struct nki_doc_node *step, unsigned depth)
{
    const struct nki_doc_node *hop = member(tree, step, "hop", NKI_DOC_STRING);
    if (hop == NULL || hop->u.text.len == 0) {
        return append_value(&tree->out, step);
    }
    struct nki_doc_node *link = find(tree, hop->u.text);
    if (link != NULL && depth == DEPTH_MAX) {
        tree->missing++;
        link = NULL;
    }
    if (link == NULL) {
        return append_value(&tree->out, step);
    }
    if (!append_value(&tree->out, step)) {
        return false;
    }
    tree->out.len--; /* its brace */
    return append_key(&tree->out, false, NKI_STR("link")) && append_event(tree, link, depth + 1) &&
           nki_buf_append(&tree->out, "}", 1);
}

static bool append_steps(struct tree *tree, const struct nki_doc_node *steps, unsigned depth)
{
    bool ok = nki_buf_append(&tree->out, "[", 1);
    for (uint32_t i = 0; ok && i < steps->u.list.count; i++) {
        ok = (i == 0 || nki_buf_append(&tree->out, ",", 1)) &&
             append_step(tree, steps->u.list.items[i], depth);
    }
    return ok && nki_buf_append(&tree->out, "]", 1);
}

/* A server's event as it is, but for its steps. */
static bool append_event(struct tree *tree, struct nki_doc_node *event, unsigned depth)
{
    bool ok = nki_buf_append(&tree->out, "{", 1);
    for (uint32_t i = 0; ok && i < event->u.list.count; i++) {
        const struct nki_doc_node *node = event->u.list.items[i];
        bool steps = node->type == NKI_DOC_ARRAY && nki_str_eq(node->key, NKI_STR("events"));
        ok = append_key(&tree->out, i == 0, node->key) &&
             (steps ? append_steps(tree, node, depth) : append_value(&tree->out, node));
    }
    return ok && nki_buf_append(&tree->out, "}", 1);
}

static bool append_tree(struct tree *tree)
{
    struct nki_doc_node *first = find(tree, NKI_STR(""));
    bool ok =
        nki_buf_append_str(&tree->out, NKI_STR("{\"trace\":")) &&
        (first != NULL ? append_event(tree, first, 0) : nki_buf_append_str(&tree->out, NKI_STR("null"))) &&
        nki_buf_append_str(&tree->out, NKI_STR(",\"missing\":"));
    return ok && nki_buf_append_u64(&tree->out, tree->missing) && nki_buf_append(&tree->out, "}", 1);
}

static bool is_list_of_objects(const struct nki_doc_node *root)
{
    if (root->type != NKI_DOC_ARRAY) {
        return false;
    }
    for (uint32_t i = 0; i < root->u.list.count; i++) {
        if (root->u.list.items[i]->type != NKI_DOC_OBJECT) {
            return false;
        }
    }
    return true;
}

int32_t nki_trace_tree(struct nki_doc *events, struct nki_doc *tree, struct nki_error *err)
{
    if (!is_list_of_objects(events->root)) {
        return nki_error_set(err, NKI_INVALID, "events: no list of objects");
    }
    struct tree made = {.doc = events, .events = events->root};
    made.used = nki_calloc(events->root->u.list.count + 1, sizeof *made.used);
    int32_t status = NKI_NO_MEMORY;
    if (made.used != NULL && append_tree(&made)) {
        status = nki_doc_parse(tree, nki_str_make((const char *)made.out.data, made.out.len), err);
    } else {
        nki_error_set(err, status, NULL);
    }
    nki_free(made.used);
    nki_buf_free(&made.out);
    return status;
}
