/* Fields of the configurations of streams and consumers, from the table in fields.def: what the bindings make
 * their types and units of, and the level of the API that a configuration wants. Pure. */
#ifndef NKI_JETSTREAM_FIELDS_H
#define NKI_JETSTREAM_FIELDS_H

#include "json/doc.h"

enum nki_js_field_type {
    NKI_JS_FIELD_STRING = 1,
    NKI_JS_FIELD_STRINGS,
    NKI_JS_FIELD_INTEGER,
    NKI_JS_FIELD_BOOLEAN,
    NKI_JS_FIELD_DURATION,
    NKI_JS_FIELD_DURATIONS,
    NKI_JS_FIELD_TIME,
    NKI_JS_FIELD_CHOICE,
    NKI_JS_FIELD_OBJECT,
    NKI_JS_FIELD_OBJECTS,
    NKI_JS_FIELD_MAP
};

struct nki_js_field_row {
    const char *object; /* "stream", "consumer", ... */
    const char *name;
    enum nki_js_field_type type;
    const char *values; /* CHOICE: the words, cut at '|'; OBJECT, OBJECTS: which */
    unsigned level;
    const char *text;
};

/* The index-th row, or NULL past the last. */
const struct nki_js_field_row *nki_js_field_at(size_t index);

/* The level of the API that knows all fields that are set in a configuration; 0: any. */
unsigned nki_js_config_level(struct nki_doc *doc, struct nki_doc_node *config, const char *object);

/* Whether a value says more than that there is none: no null, false, 0, or empty text or list. */
bool nki_js_is_set(const struct nki_doc_node *node);

#endif
