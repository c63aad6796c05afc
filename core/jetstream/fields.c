/* Fields of configurations: see fields.h. */
#include "jetstream/fields.h"

static const struct nki_js_field_row rows[] = {
#define FIELD(object, name, type, values, level, text)                                                       \
    {#object, #name, NKI_JS_FIELD_##type, (values), (level), (text)},
#include "jetstream/fields.def"
#undef FIELD
};

/* Values that want more than their field: ADR-44, server 2.15. */
static const struct {
    const char *name;
    const char *value;
    unsigned level;
} values[] = {
    {"priority_policy", "prioritized", 2},
    {"ack_policy", "flow_control", 4},
};

const struct nki_js_field_row *nki_js_field_at(size_t index)
{
    return index < NKI_ARRAY_LEN(rows) ? &rows[index] : NULL;
}

bool nki_js_is_set(const struct nki_doc_node *node)
{
    switch (node->type) {
    case NKI_DOC_NULL:
        return false;
    case NKI_DOC_BOOL:
    case NKI_DOC_INT:
        return node->u.integer != 0;
    case NKI_DOC_STRING:
        return node->u.text.len > 0;
    case NKI_DOC_ARRAY:
    case NKI_DOC_OBJECT:
        return node->u.list.count > 0;
    default:
        return true;
    }
}

static unsigned higher(unsigned a, unsigned b)
{
    return a > b ? a : b;
}

static unsigned level_of_value(const struct nki_js_field_row *row, const struct nki_doc_node *node)
{
    unsigned level = row->level;
    for (size_t i = 0; i < NKI_ARRAY_LEN(values); i++) {
        if (strcmp(values[i].name, row->name) == 0 && node->type == NKI_DOC_STRING &&
            nki_str_eq(node->u.text, nki_str_z(values[i].value))) {
            level = higher(level, values[i].level);
        }
    }
    return level;
}

/* What is inside of objects and lists of them is looked at as deep as the table goes. */
// NOLINTNEXTLINE(misc-no-recursion)
unsigned nki_js_config_level(struct nki_doc *doc, struct nki_doc_node *config, const char *object)
{
    unsigned level = 0;
    for (size_t i = 0; config->type == NKI_DOC_OBJECT && i < NKI_ARRAY_LEN(rows); i++) {
        const struct nki_js_field_row *row = &rows[i];
        struct nki_doc_node *node =
            strcmp(row->object, object) == 0 ? nki_doc_find(doc, config, nki_str_z(row->name), NULL) : NULL;
        if (node == NULL || !nki_js_is_set(node)) {
            continue;
        }
        level = higher(level, level_of_value(row, node));
        if (row->type == NKI_JS_FIELD_OBJECT) {
            level = higher(level, nki_js_config_level(doc, node, row->values));
        }
        for (uint32_t k = 0;
             row->type == NKI_JS_FIELD_OBJECTS && node->type == NKI_DOC_ARRAY && k < node->u.list.count;
             k++) {
            level = higher(level, nki_js_config_level(doc, node->u.list.items[k], row->values));
        }
    }
    return level;
}
