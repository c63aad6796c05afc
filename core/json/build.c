/* Building a document from values in document order, for the parser and for bindings. Members of the open
 * levels wait on one stack, so that an array or object gets its place when its size is known. */
#include "json/doc.h"

#include "base/alloc.h"

void nki_doc_builder_init(struct nki_doc_builder *builder)
{
    builder->doc = (struct nki_doc){.version = 1};
    builder->open = builder->first_open;
    builder->open_count = 0;
    builder->open_cap = NKI_ARRAY_LEN(builder->first_open);
    builder->depth = 0;
}

void nki_doc_builder_free(struct nki_doc_builder *builder)
{
    if (builder->open != builder->first_open) {
        nki_free(builder->open);
    }
    nki_doc_free(&builder->doc);
}

static bool push(struct nki_doc_builder *builder, struct nki_doc_node *node)
{
    if (builder->open_count == builder->open_cap) {
        size_t bytes = builder->open_cap * sizeof(struct nki_doc_node *);
        struct nki_doc_node **old = builder->open == builder->first_open ? NULL : builder->open;
        struct nki_doc_node **more = nki_realloc(old, 2 * bytes);
        if (more == NULL) {
            return false;
        }
        if (old == NULL) {
            memcpy(more, builder->first_open, bytes);
        }
        builder->open = more;
        builder->open_cap *= 2;
    }
    builder->open[builder->open_count++] = node;
    return true;
}

int32_t nki_doc_builder_add(struct nki_doc_builder *builder, struct nki_doc_node *node)
{
    bool list = node->type == NKI_DOC_ARRAY || node->type == NKI_DOC_OBJECT;
    struct nki_doc *doc = &builder->doc;
    size_t text = node->key.len + (node->type == NKI_DOC_STRING ? node->u.text.len : 0);
    if ((list && builder->depth == NKI_DOC_DEPTH_MAX) || doc->values == NKI_DOC_VALUES_MAX ||
        text > NKI_DOC_TEXT_MAX - doc->text) {
        return NKI_LIMIT;
    }
    doc->values++;
    doc->text += text;
    doc->live += sizeof *node + text + (node->type == NKI_DOC_DOUBLE ? node->u.text.len : 0);
    if (builder->depth > 0 && !push(builder, node)) {
        return NKI_NO_MEMORY;
    }
    if (list) {
        builder->levels[builder->depth++] = (struct nki_doc_level){node, builder->open_count};
    } else if (builder->depth == 0) {
        doc->root = node;
    }
    return NKI_OK;
}

int32_t nki_doc_builder_end(struct nki_doc_builder *builder)
{
    const struct nki_doc_level *level = &builder->levels[builder->depth - 1];
    if (!nki_doc_fill(&builder->doc, level->node, builder->open + level->first,
                      builder->open_count - level->first)) {
        return NKI_NO_MEMORY;
    }
    builder->open_count = level->first;
    builder->depth--;
    if (builder->depth == 0) {
        builder->doc.root = level->node;
    }
    return NKI_OK;
}

int32_t nki_doc_builder_item(struct nki_doc_builder *builder, const struct nki_doc_item *item,
                             struct nki_error *err)
{
    int32_t status = nki_doc_check_item(item, err);
    if (status != NKI_OK) {
        return status;
    }
    if (builder->doc.root != NULL) {
        return nki_error_set(err, NKI_INVALID, "an item of type %d follows the complete document",
                             (int)item->type);
    }
    if (item->type == NKI_DOC_END) {
        if (builder->depth == 0) {
            return nki_error_set(err, NKI_INVALID, "an end without a begin");
        }
        status = nki_doc_builder_end(builder);
        return status == NKI_OK ? status : nki_error_set(err, status, NULL);
    }
    struct nki_doc_node *node = nki_doc_make(&builder->doc, item);
    if (node == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    if (builder->depth > 0 && builder->levels[builder->depth - 1].node->type == NKI_DOC_OBJECT) {
        node->key = nki_arena_copy(&builder->doc.arena, item->key);
        if (node->key.ptr == NULL) {
            return nki_error_set(err, NKI_NO_MEMORY, NULL);
        }
    }
    status = nki_doc_builder_add(builder, node);
    if (status == NKI_LIMIT) {
        return nki_error_set(err, status,
                             "the document has more than %d levels, %zu values or %zu bytes of text",
                             NKI_DOC_DEPTH_MAX, NKI_DOC_VALUES_MAX, NKI_DOC_TEXT_MAX);
    }
    return status == NKI_OK ? status : nki_error_set(err, status, NULL);
}
