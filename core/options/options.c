/* Option handles: one typed value per row of the scope, read from text by the one table in options.def.
 * Whoever owns the handle locks. Every text is wiped when it goes, not only those of secret rows: an address
 * of a server may hold a password, too. */
#include "options/options.h"

#include "base/alloc.h"

#include <inttypes.h>

#define SUGGEST_EDITS 3
#define NAME_SHOWN 64 /* of an unknown name in an error */

static const struct nki_option_row rows[] = {
#define OPTION(scope, field, type, name, def, unit, min, max, secret, since, text)                           \
    {NKI_SCOPE_##scope,                                                                                      \
     NKI_OPTION_##type,                                                                                      \
     (name),                                                                                                 \
     (def),                                                                                                  \
     (unit),                                                                                                 \
     (min),                                                                                                  \
     (max),                                                                                                  \
     (secret) != 0,                                                                                          \
     (since),                                                                                                \
     (text),                                                                                                 \
     NKI_OPT_##scope##_##field},
#include "options/options.def"
#undef OPTION
};

static const char *const scope_names[NKI_SCOPE_COUNT] = {
    [NKI_SCOPE_CONNECT] = "connecting",
    [NKI_SCOPE_SUBSCRIBE] = "subscribing",
    [NKI_SCOPE_REQUEST] = "requests",
    [NKI_SCOPE_EVENTS] = "events",
    [NKI_SCOPE_REQUEST_MANY] = "requests for many replies",
    [NKI_SCOPE_AUTH] = "credentials",
    [NKI_SCOPE_USER_JWT] = "issuing a user's JWT",
    [NKI_SCOPE_JETSTREAM] = "JetStream contexts",
    [NKI_SCOPE_PUBLISHER] = "publishers",
    [NKI_SCOPE_FETCH] = "fetching",
    [NKI_SCOPE_CONSUME] = "consuming",
    [NKI_SCOPE_KV_WATCH] = "watching keys",
    [NKI_SCOPE_ORDERED] = "reading in order",
    [NKI_SCOPE_BATCH] = "batches",
    [NKI_SCOPE_GET_BATCH] = "getting a batch",
    [NKI_SCOPE_GET_LAST] = "getting last messages",
    [NKI_SCOPE_SERVICE] = "services",
    [NKI_SCOPE_OBJECT_PUT] = "putting objects",
    [NKI_SCOPE_OBJECT_WATCH] = "watching objects",
    [NKI_SCOPE_KV] = "opening buckets",
    [NKI_SCOPE_KV_SWEEP] = "changing many keys",
    [NKI_SCOPE_PUSH] = "a push consumer",
    [NKI_SCOPE_KV_MANY] = "getting several keys",
    [NKI_SCOPE_INGEST] = "fast ingest",
};

struct text {
    char *ptr; /* NUL-terminated */
    size_t len;
};

struct value {
    const struct nki_option_row *row;
    int64_t number;     /* INTEGER, BOOLEAN, DURATION; CHOICE: which word */
    struct text *texts; /* STRING, TEXT: one, or none if it is empty; LIST: the entries */
    size_t count;
    size_t cap; /* of texts */
};

struct nki_options {
    enum nki_scope scope;
    size_t count;
    struct value values[];
};

/* The rows of a scope are together. */
static const struct nki_option_row *rows_of(int32_t scope, size_t *count)
{
    size_t first = 0;
    while (first < NKI_ARRAY_LEN(rows) && rows[first].scope != scope) {
        first++;
    }
    *count = 0;
    while (first + *count < NKI_ARRAY_LEN(rows) && rows[first + *count].scope == scope) {
        (*count)++;
    }
    return &rows[first];
}

const struct nki_option_row *nki_option_at(int32_t scope, size_t index)
{
    size_t count;
    const struct nki_option_row *row = rows_of(scope, &count);
    return index < count ? row + index : NULL;
}

/* -- texts -------------------------------------------------------------------------------------------------
 */

static void free_texts(struct text *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        nki_free_secret(texts[i].ptr, texts[i].len);
    }
    nki_free(texts);
}

static bool make_text(struct text *text, const char *ptr, size_t len)
{
    text->ptr = nki_strndup(ptr, len);
    text->len = len;
    return text->ptr != NULL;
}

/* NULL if there is no memory. */
static struct text *copy_texts(const struct value *value)
{
    struct text *texts = nki_calloc(value->count, sizeof *texts);
    for (size_t i = 0; texts != NULL && i < value->count; i++) {
        if (!make_text(&texts[i], value->texts[i].ptr, value->texts[i].len)) {
            free_texts(texts, i);
            return NULL;
        }
    }
    return texts;
}

static void replace_texts(struct value *value, struct text *texts, size_t count)
{
    free_texts(value->texts, value->count);
    value->texts = texts;
    value->count = count;
    value->cap = count;
}

/* Room for one more, so that adding many takes linear time. */
static bool reserve_text(struct value *value)
{
    if (value->count < value->cap) {
        return true;
    }
    size_t cap = value->cap > 0 ? 2 * value->cap : 4;
    struct text *texts = nki_calloc(cap, sizeof *texts);
    if (texts == NULL) {
        return false;
    }
    if (value->count > 0) {
        memcpy(texts, value->texts, value->count * sizeof *texts);
    }
    nki_free(value->texts);
    value->texts = texts;
    value->cap = cap;
    return true;
}

static bool is_clean(struct nki_str text, bool lines)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool layout = lines && (c == '\r' || c == '\n' || c == '\t');
        if (((unsigned char)c < 0x20 && !layout) || c == 0x7F) {
            return false;
        }
    }
    return nki_str_utf8_valid(text);
}

static int32_t check_clean(const struct nki_option_row *row, struct nki_str text, struct nki_error *err)
{
    return is_clean(text, row->type == NKI_OPTION_TEXT)
               ? NKI_OK
               : nki_error_set(err, NKI_INVALID, "%s: the text has control characters or is not UTF-8",
                               row->name);
}

static int32_t set_string(struct value *value, struct nki_str given, struct nki_error *err)
{
    const struct nki_option_row *row = value->row;
    if (given.len < (uint64_t)row->min || given.len > (uint64_t)row->max) {
        return nki_error_set(err, NKI_INVALID,
                             "%s: the text has %zu bytes, allowed are %" PRId64 " to %" PRId64, row->name,
                             given.len, row->min, row->max);
    }
    if (check_clean(row, given, err) != NKI_OK) {
        return NKI_INVALID;
    }
    struct text *texts = given.len > 0 ? nki_calloc(1, sizeof *texts) : NULL;
    if (given.len > 0 && (texts == NULL || !make_text(texts, given.ptr, given.len))) {
        nki_free(texts);
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    replace_texts(value, texts, given.len > 0);
    return NKI_OK;
}

static int32_t check_entry(const struct nki_option_row *row, struct nki_str entry, struct nki_error *err)
{
    if (entry.len == 0 || entry.len > NKI_OPTION_ENTRY_MAX) {
        return nki_error_set(err, NKI_INVALID, "%s: an entry has %zu bytes, allowed are 1 to %d", row->name,
                             entry.len, NKI_OPTION_ENTRY_MAX);
    }
    return check_clean(row, entry, err);
}

static int32_t check_count(const struct nki_option_row *row, size_t count, struct nki_error *err)
{
    if (count < (uint64_t)row->min || count > (uint64_t)row->max) {
        return nki_error_set(err, NKI_INVALID, "%s: %zu entries, allowed are %" PRId64 " to %" PRId64,
                             row->name, count, row->min, row->max);
    }
    return NKI_OK;
}

static int32_t add_entry(struct value *value, struct nki_str entry, struct nki_error *err)
{
    entry = nki_str_trim(entry);
    if (check_entry(value->row, entry, err) != NKI_OK ||
        check_count(value->row, value->count + 1, err) != NKI_OK) {
        return NKI_INVALID;
    }
    if (!reserve_text(value) || !make_text(&value->texts[value->count], entry.ptr, entry.len)) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    value->count++;
    return NKI_OK;
}

/* Fills `texts`, which has zeros, with the `count` pieces between the commas. */
static int32_t split(const struct nki_option_row *row, struct nki_str rest, struct text *texts, size_t count,
                     struct nki_error *err)
{
    for (size_t i = 0; i < count; i++) {
        struct nki_str entry = nki_str_trim(nki_str_cut(&rest, ','));
        if (check_entry(row, entry, err) != NKI_OK) {
            return NKI_INVALID;
        }
        if (!make_text(&texts[i], entry.ptr, entry.len)) {
            return nki_error_set(err, NKI_NO_MEMORY, NULL);
        }
    }
    return NKI_OK;
}

static int32_t set_list(struct value *value, struct nki_str given, struct nki_error *err)
{
    given = nki_str_trim(given);
    size_t count = given.len > 0 ? 1 : 0; /* an empty text is the empty list */
    for (size_t i = 0; i < given.len; i++) {
        count += given.ptr[i] == ',';
    }
    if (check_count(value->row, count, err) != NKI_OK) {
        return NKI_INVALID;
    }
    struct text *texts = count > 0 ? nki_calloc(count, sizeof *texts) : NULL;
    if (count > 0 && texts == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    int32_t status = split(value->row, given, texts, count, err);
    if (status != NKI_OK) {
        free_texts(texts, count);
        return status;
    }
    replace_texts(value, texts, count);
    return NKI_OK;
}

/* -- numbers -----------------------------------------------------------------------------------------------
 */

static int32_t set_number(struct value *value, int64_t number, struct nki_error *err)
{
    const struct nki_option_row *row = value->row;
    if (number < row->min || number > row->max) {
        return nki_error_set(
            err, NKI_INVALID, "%s: %" PRId64 " is out of bounds, allowed are %" PRId64 " to %" PRId64 "%s%s",
            row->name, number, row->min, row->max, row->unit[0] != '\0' ? " " : "", row->unit);
    }
    value->number = number;
    return NKI_OK;
}

static int32_t set_boolean(struct value *value, struct nki_str given, struct nki_error *err)
{
    bool yes = nki_str_eq(given, NKI_STR("true")) || nki_str_eq(given, NKI_STR("1"));
    if (!yes && !nki_str_eq(given, NKI_STR("false")) && !nki_str_eq(given, NKI_STR("0"))) {
        return nki_error_set(err, NKI_INVALID, "%s: not true, false, 1 or 0", value->row->name);
    }
    value->number = yes;
    return NKI_OK;
}

static int32_t set_choice(struct value *value, struct nki_str given, struct nki_error *err)
{
    struct nki_str rest = nki_str_z(value->row->unit);
    for (int64_t i = 0; rest.ptr != NULL; i++) {
        if (nki_str_eq(nki_str_cut(&rest, '|'), given)) {
            value->number = i;
            return NKI_OK;
        }
    }
    return nki_error_set(err, NKI_INVALID, "%s: not one of %s", value->row->name, value->row->unit);
}

static int32_t set_from_text(struct value *value, struct nki_str given, struct nki_error *err)
{
    int64_t number;
    switch (value->row->type) {
    case NKI_OPTION_STRING:
    case NKI_OPTION_TEXT:
        return set_string(value, given, err);
    case NKI_OPTION_LIST:
        return set_list(value, given, err);
    case NKI_OPTION_BOOLEAN:
        return set_boolean(value, given, err);
    case NKI_OPTION_CHOICE:
        return set_choice(value, given, err);
    default:
        if (!nki_str_i64(given, &number)) {
            return nki_error_set(err, NKI_INVALID, "%s: not a decimal integer of 64 bits", value->row->name);
        }
        return set_number(value, number, err);
    }
}

/* -- handles -----------------------------------------------------------------------------------------------
 */

/* All values at their types' zeros. */
static struct nki_options *new_empty(enum nki_scope scope)
{
    size_t count;
    const struct nki_option_row *row = rows_of((int32_t)scope, &count);
    struct nki_options *options = nki_calloc(1, sizeof *options + count * sizeof options->values[0]);
    if (options == NULL) {
        return NULL;
    }
    options->scope = scope;
    options->count = count;
    for (size_t i = 0; i < count; i++) {
        options->values[i].row = row + i;
    }
    return options;
}

struct nki_options *nki_options_new(enum nki_scope scope)
{
    assert(scope >= NKI_SCOPE_CONNECT && scope < NKI_SCOPE_COUNT);
    struct nki_options *options = new_empty(scope);
    for (size_t i = 0; options != NULL && i < options->count; i++) {
        struct value *value = &options->values[i];
        int32_t status = set_from_text(value, nki_str_z(value->row->default_text), NULL);
        assert(status == NKI_OK || status == NKI_NO_MEMORY);
        if (status != NKI_OK) {
            nki_options_free(options);
            return NULL;
        }
    }
    return options;
}

struct nki_options *nki_options_clone(const struct nki_options *options)
{
    struct nki_options *clone = new_empty(options->scope);
    for (size_t i = 0; clone != NULL && i < clone->count; i++) {
        const struct value *from = &options->values[i];
        struct value *to = &clone->values[i];
        to->number = from->number;
        if (from->count == 0) {
            continue;
        }
        to->texts = copy_texts(from);
        to->cap = from->count;
        if (to->texts == NULL) {
            nki_options_free(clone);
            return NULL;
        }
        to->count = from->count;
    }
    return clone;
}

void nki_options_free(struct nki_options *options)
{
    if (options == NULL) {
        return;
    }
    for (size_t i = 0; i < options->count; i++) {
        free_texts(options->values[i].texts, options->values[i].count);
    }
    nki_free(options);
}

void nki_options_replace(struct nki_options *options, struct nki_options *from)
{
    assert(options->scope == from->scope);
    for (size_t i = 0; i < options->count; i++) {
        struct value old = options->values[i];
        options->values[i] = from->values[i];
        from->values[i] = old;
    }
    nki_options_free(from);
}

enum nki_scope nki_options_scope(const struct nki_options *options)
{
    return options->scope;
}

static void tell_unknown(const struct nki_options *options, struct nki_str name, struct nki_error *err)
{
    const char *nearest = NULL;
    size_t best = SUGGEST_EDITS + 1;
    for (size_t i = 0; i < options->count; i++) {
        const char *candidate = options->values[i].row->name;
        size_t distance = nki_str_distance(name, nki_str_z(candidate), SUGGEST_EDITS);
        /* Whoever changes all letters of a short name makes any other of it. */
        if (distance < best && distance < name.len) {
            best = distance;
            nearest = candidate;
        }
    }
    int shown = (int)(name.len < NAME_SHOWN ? name.len : NAME_SHOWN);
    nki_error_set(err, NKI_UNKNOWN_OPTION, "%s: no option \"%.*s\"%s%s%s", scope_names[options->scope], shown,
                  shown > 0 ? name.ptr : "", nearest != NULL ? ", did you mean \"" : "",
                  nearest != NULL ? nearest : "", nearest != NULL ? "\"?" : "");
}

/* The value of that name, or NULL with `err`. */
static struct value *find(struct nki_options *options, struct nki_str name, struct nki_error *err)
{
    for (size_t i = 0; i < options->count; i++) {
        if (nki_str_eq(name, nki_str_z(options->values[i].row->name))) {
            return &options->values[i];
        }
    }
    tell_unknown(options, name, err);
    return NULL;
}

int32_t nki_options_set(struct nki_options *options, struct nki_str name, struct nki_str value,
                        struct nki_error *err)
{
    struct value *found = find(options, name, err);
    return found != NULL ? set_from_text(found, value, err) : NKI_UNKNOWN_OPTION;
}

int32_t nki_options_set_int(struct nki_options *options, struct nki_str name, int64_t value,
                            struct nki_error *err)
{
    struct value *found = find(options, name, err);
    if (found == NULL) {
        return NKI_UNKNOWN_OPTION;
    }
    int32_t type = found->row->type;
    if (type == NKI_OPTION_STRING || type == NKI_OPTION_LIST || type == NKI_OPTION_CHOICE ||
        type == NKI_OPTION_TEXT) {
        return nki_error_set(err, NKI_INVALID, "%s: takes a text, not a number", found->row->name);
    }
    return set_number(found, value, err);
}

int32_t nki_options_add(struct nki_options *options, struct nki_str name, struct nki_str value,
                        struct nki_error *err)
{
    struct value *found = find(options, name, err);
    if (found == NULL) {
        return NKI_UNKNOWN_OPTION;
    }
    if (found->row->type != NKI_OPTION_LIST) {
        return nki_error_set(err, NKI_INVALID, "%s: not a list", found->row->name);
    }
    return add_entry(found, value, err);
}

/* -- reading -----------------------------------------------------------------------------------------------
 */

static const struct value *value_of(const struct nki_options *options, enum nki_option_id id)
{
    size_t at = (size_t)id - options->values[0].row->id;
    assert(at < options->count && "an option of another scope");
    return &options->values[at];
}

struct nki_str nki_options_str(const struct nki_options *options, enum nki_option_id id)
{
    const struct value *value = value_of(options, id);
    assert(value->row->type == NKI_OPTION_STRING || value->row->type == NKI_OPTION_TEXT);
    return value->count > 0 ? nki_str_make(value->texts[0].ptr, value->texts[0].len) : NKI_STR("");
}

int64_t nki_options_int(const struct nki_options *options, enum nki_option_id id)
{
    const struct value *value = value_of(options, id);
    assert(value->row->type == NKI_OPTION_INTEGER || value->row->type == NKI_OPTION_DURATION);
    return value->number;
}

bool nki_options_bool(const struct nki_options *options, enum nki_option_id id)
{
    const struct value *value = value_of(options, id);
    assert(value->row->type == NKI_OPTION_BOOLEAN);
    return value->number != 0;
}

size_t nki_options_choice(const struct nki_options *options, enum nki_option_id id)
{
    const struct value *value = value_of(options, id);
    assert(value->row->type == NKI_OPTION_CHOICE);
    return (size_t)value->number;
}

size_t nki_options_list_len(const struct nki_options *options, enum nki_option_id id)
{
    const struct value *value = value_of(options, id);
    assert(value->row->type == NKI_OPTION_LIST);
    return value->count;
}

struct nki_str nki_options_list_at(const struct nki_options *options, enum nki_option_id id, size_t index)
{
    const struct value *value = value_of(options, id);
    assert(value->row->type == NKI_OPTION_LIST && index < value->count);
    return nki_str_make(value->texts[index].ptr, value->texts[index].len);
}
