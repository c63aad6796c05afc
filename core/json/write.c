/* Documents as text, and in document order. Both go down with a stack of their own; neither allocates. */
#include "json/doc.h"

#include <stdio.h>

struct sink {
    char *out;
    size_t cap;
    size_t len; /* may exceed `cap`: what does not fit is counted only */
};

static void put(struct sink *sink, const char *text, size_t len)
{
    if (sink->len < sink->cap && len > 0) {
        memcpy(sink->out + sink->len, text, len < sink->cap - sink->len ? len : sink->cap - sink->len);
    }
    sink->len += len;
}

static void put_char(struct sink *sink, char c)
{
    if (sink->len < sink->cap) {
        sink->out[sink->len] = c;
    }
    sink->len++;
}

static void put_escape(struct sink *sink, unsigned char byte)
{
    static const char hex[] = "0123456789abcdef";
    static const char letters[] = "\"\\\b\f\n\r\t";
    static const char escapes[] = "\"\\bfnrt";
    const char *found = memchr(letters, byte, sizeof letters - 1);
    if (found != NULL) {
        const char pair[2] = {'\\', escapes[found - letters]};
        put(sink, pair, sizeof pair);
    } else {
        const char unit[6] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]};
        put(sink, unit, sizeof unit);
    }
}

static void put_string(struct sink *sink, struct nki_str text)
{
    const char *end = text.ptr + text.len;
    put_char(sink, '"');
    for (const char *at = text.ptr; at < end;) {
        const char *plain = at;
        while (at < end && (unsigned char)*at >= 0x20 && *at != '"' && *at != '\\') {
            at++;
        }
        put(sink, plain, (size_t)(at - plain));
        if (at < end) {
            put_escape(sink, (unsigned char)*at++);
        }
    }
    put_char(sink, '"');
}

static void put_natural(struct sink *sink, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    put(sink, digits + at, sizeof digits - at);
}

/* A value, or the bracket that begins it. */
static void put_value(struct sink *sink, const struct nki_doc_node *node)
{
    switch (node->type) {
    case NKI_DOC_BOOL:
        put(sink, node->u.integer != 0 ? "true" : "false", node->u.integer != 0 ? 4 : 5);
        break;
    case NKI_DOC_INT:
        if (node->u.integer < 0) {
            put_char(sink, '-');
        }
        put_natural(sink, node->u.integer < 0 ? -(uint64_t)node->u.integer : (uint64_t)node->u.integer);
        break;
    case NKI_DOC_UINT:
        put_natural(sink, node->u.natural);
        break;
    case NKI_DOC_DOUBLE:
        put(sink, node->u.text.ptr, node->u.text.len);
        break;
    case NKI_DOC_STRING:
        put_string(sink, node->u.text);
        break;
    case NKI_DOC_ARRAY:
    case NKI_DOC_OBJECT:
        put_char(sink, node->type == NKI_DOC_ARRAY ? '[' : '{');
        break;
    default:
        put(sink, "null", 4);
    }
}

static bool is_list(const struct nki_doc_node *node)
{
    return node->type == NKI_DOC_ARRAY || node->type == NKI_DOC_OBJECT;
}

size_t nki_doc_write(const struct nki_doc_node *node, char *out, size_t cap)
{
    struct sink sink = {out, cap, 0};
    const struct nki_doc_node *lists[NKI_DOC_DEPTH_MAX];
    uint32_t places[NKI_DOC_DEPTH_MAX];
    unsigned depth = 0;
    put_value(&sink, node);
    if (is_list(node)) {
        lists[depth] = node;
        places[depth++] = 0;
    }
    while (depth > 0) {
        const struct nki_doc_node *list = lists[depth - 1];
        bool object = list->type == NKI_DOC_OBJECT;
        uint32_t place = places[depth - 1]++;
        if (place == list->u.list.count) {
            put_char(&sink, object ? '}' : ']');
            depth--;
            continue;
        }
        const struct nki_doc_node *member = list->u.list.items[place];
        if (place > 0) {
            put_char(&sink, ',');
        }
        if (object) {
            put_string(&sink, member->key);
            put_char(&sink, ':');
        }
        put_value(&sink, member);
        if (is_list(member)) {
            lists[depth] = member;
            places[depth++] = 0;
        }
    }
    return sink.len;
}

/* Goes down to where the cursor stands: false if it leads nowhere. */
static bool descend(const struct nki_doc *doc, const struct nki_doc_cursor *cursor,
                    const struct nki_doc_node *lists[NKI_DOC_DEPTH_MAX])
{
    const struct nki_doc_node *node = doc->root;
    if (cursor->version != doc->version || cursor->depth == 0 || cursor->depth > NKI_DOC_DEPTH_MAX) {
        return false;
    }
    for (uint32_t level = 0; level < cursor->depth; level++) {
        if (!is_list(node) || cursor->at[level] > node->u.list.count) {
            return false;
        }
        lists[level] = node;
        if (level + 1 < cursor->depth) {
            /* The place is the next one, so the open level is the one before it. */
            if (cursor->at[level] == 0) {
                return false;
            }
            node = node->u.list.items[cursor->at[level] - 1];
        }
    }
    return true;
}

bool nki_doc_walk(const struct nki_doc *doc, struct nki_doc_cursor *cursor, struct nki_doc_item *items,
                  size_t cap, size_t *count)
{
    const struct nki_doc_node *lists[NKI_DOC_DEPTH_MAX];
    size_t made = 0;
    *count = 0;
    if (cursor->stage > 2 || (cursor->stage == 1 && !descend(doc, cursor, lists)) ||
        (cursor->stage == 2 && cursor->version != doc->version)) {
        return false;
    }
    if (cursor->stage == 0 && cap > 0) {
        nki_doc_show(doc->root, &items[made++]);
        *cursor = (struct nki_doc_cursor){.version = doc->version, .stage = is_list(doc->root) ? 1 : 2};
        if (is_list(doc->root)) {
            lists[0] = doc->root;
            cursor->depth = 1;
        }
    }
    while (made < cap && cursor->stage == 1) {
        const struct nki_doc_node *list = lists[cursor->depth - 1];
        uint32_t place = cursor->at[cursor->depth - 1];
        if (place == list->u.list.count) {
            items[made++] = (struct nki_doc_item){.type = NKI_DOC_END};
            cursor->depth--;
            cursor->stage = cursor->depth == 0 ? 2 : 1;
            continue;
        }
        const struct nki_doc_node *member = list->u.list.items[place];
        cursor->at[cursor->depth - 1]++;
        nki_doc_show(member, &items[made++]);
        if (is_list(member)) {
            lists[cursor->depth] = member;
            cursor->at[cursor->depth++] = 0;
        }
    }
    *count = made;
    return true;
}
