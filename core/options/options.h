/* Options by name: a typed struct per scope, filled from the one table in options.def. The caller locks. */
#ifndef NKI_OPTIONS_OPTIONS_H
#define NKI_OPTIONS_OPTIONS_H

#include "base/status.h"
#include "base/str.h"

enum nki_scope {
    NKI_SCOPE_CONNECT = 1,
    NKI_SCOPE_SUBSCRIBE,
    NKI_SCOPE_REQUEST,
    NKI_SCOPE_EVENTS,
    NKI_SCOPE_REQUEST_MANY,
    NKI_SCOPE_AUTH,
    NKI_SCOPE_USER_JWT,
    NKI_SCOPE_JETSTREAM,
    NKI_SCOPE_PUBLISHER,
    NKI_SCOPE_FETCH,
    NKI_SCOPE_CONSUME,
    NKI_SCOPE_KV_WATCH,
    NKI_SCOPE_ORDERED,
    NKI_SCOPE_BATCH,
    NKI_SCOPE_GET_BATCH,
    NKI_SCOPE_GET_LAST,
    NKI_SCOPE_SERVICE,
    NKI_SCOPE_OBJECT_PUT,
    NKI_SCOPE_OBJECT_WATCH,
    NKI_SCOPE_KV,
    NKI_SCOPE_KV_SWEEP,
    NKI_SCOPE_PUSH,
    NKI_SCOPE_KV_MANY,
    NKI_SCOPE_INGEST,
    NKI_SCOPE_COUNT
};

enum nki_option_type {
    NKI_OPTION_STRING = 1,
    NKI_OPTION_LIST,
    NKI_OPTION_INTEGER,
    NKI_OPTION_BOOLEAN,
    NKI_OPTION_DURATION,
    NKI_OPTION_CHOICE,
    NKI_OPTION_TEXT
};

struct nki_option_row {
    int32_t scope;
    int32_t type;
    const char *name;
    const char *default_text;
    const char *unit; /* of a CHOICE its words, cut at '|' */
    int64_t
        min; /* bounds of the number; of the length for STRING and TEXT; of the number of entries for LIST */
    int64_t max;
    bool secret;
    const char *since;
    const char *text;
    size_t id; /* place in the table: NKI_OPT_<SCOPE>_<field> */
};

#define OPTION(scope, field, type, name, def, unit, min, max, secret, since, text) NKI_OPT_##scope##_##field,
enum nki_option_id {
#include "options/options.def"
    NKI_OPT_COUNT
};
#undef OPTION

/* The index-th row of a scope, or NULL past the last. */
const struct nki_option_row *nki_option_at(int32_t scope, size_t index);

#define NKI_OPTION_ENTRY_MAX 4096 /* length of one entry of a LIST */

struct nki_options;

/* With every value at its default; NULL if there is no memory. */
struct nki_options *nki_options_new(enum nki_scope scope);
/* NULL if there is no memory. */
struct nki_options *nki_options_clone(const struct nki_options *options);
/* Wipes secrets. NULL is allowed. */
void nki_options_free(struct nki_options *options);
/* Puts the values of `from`, which has the same scope and is freed, in place of those of `options`. */
void nki_options_replace(struct nki_options *options, struct nki_options *from);
enum nki_scope nki_options_scope(const struct nki_options *options);

/* A value given as text: a decimal integer (a duration in ms), true, false, 1 or 0, any text, or the entries
 * of a list between commas, which replace the list. nki_options_add appends one entry, which may hold commas.
 *
 * NKI_UNKNOWN_OPTION (with the nearest name), NKI_INVALID (type, bounds, control characters or invalid UTF-8
 * in a text; CR, LF and TAB may stand in a TEXT), NKI_NO_MEMORY; the old value stays then. No error text
 * holds a given value but a number. */
int32_t nki_options_set(struct nki_options *options, struct nki_str name, struct nki_str value,
                        struct nki_error *err);
int32_t nki_options_set_int(struct nki_options *options, struct nki_str name, int64_t value,
                            struct nki_error *err);
int32_t nki_options_add(struct nki_options *options, struct nki_str name, struct nki_str value,
                        struct nki_error *err);

/* Values by id; the id's scope must be the handle's (asserted). Texts belong to the options. */
struct nki_str nki_options_str(const struct nki_options *options, enum nki_option_id id);
int64_t nki_options_int(const struct nki_options *options, enum nki_option_id id);
/* Which word of a CHOICE, counting from 0. */
size_t nki_options_choice(const struct nki_options *options, enum nki_option_id id);
bool nki_options_bool(const struct nki_options *options, enum nki_option_id id);
size_t nki_options_list_len(const struct nki_options *options, enum nki_option_id id);
struct nki_str nki_options_list_at(const struct nki_options *options, enum nki_option_id id, size_t index);

#endif
