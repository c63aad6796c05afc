/* A JSON document as a tree that can be read by path, changed, walked and written. Integers of 64 bits are
 * exact; other numbers keep the text that they were given as. All memory of a document is one arena: what a
 * change leaves behind is given back by copying the document once it is more than what lives. Bounded in
 * depth, values and text. The caller locks. */
#ifndef NKI_JSON_DOC_H
#define NKI_JSON_DOC_H

#include "base/arena.h"
#include "base/status.h"

#define NKI_DOC_DEPTH_MAX 64
#define NKI_DOC_VALUES_MAX ((size_t)1024 * NKI_KIB)
#define NKI_DOC_TEXT_MAX ((size_t)64 * NKI_MIB) /* of a text that is read; of all names and strings */
#define NKI_DOC_PATH_MAX ((size_t)4096)

enum nki_doc_type {
    NKI_DOC_NULL = 1,
    NKI_DOC_BOOL,
    NKI_DOC_INT,    /* fits int64_t */
    NKI_DOC_UINT,   /* does not, but fits uint64_t */
    NKI_DOC_DOUBLE, /* any other number */
    NKI_DOC_STRING,
    NKI_DOC_ARRAY,
    NKI_DOC_OBJECT,
    NKI_DOC_END /* of an array or object, in a walk */
};

struct nki_doc_node {
    struct nki_str key; /* of a member of an object */
    enum nki_doc_type type;
    union {
        int64_t integer; /* INT, BOOL */
        uint64_t natural;
        struct nki_str text; /* STRING, DOUBLE: what follows a DOUBLE's text is no part of a number */
        struct {
            struct nki_doc_node **items;
            uint32_t *index; /* hash table of places + 1, for objects with many members */
            uint32_t count;
            uint32_t cap;
            uint32_t index_cap;
            bool index_valid;
        } list; /* ARRAY, OBJECT */
    } u;
};

struct nki_doc {
    struct nki_arena arena;
    struct nki_doc_node *root;
    uint64_t version; /* one more for each change */
    size_t values;
    size_t text;      /* bytes of names and strings */
    size_t live;      /* bytes of the arena in use */
    uint64_t seed[2]; /* of the hash tables; zero before the first one */
};

/* One value as it goes in and out. In an object `key` is its name. */
struct nki_doc_item {
    int32_t type;
    int32_t boolean;
    struct nki_str key;
    struct nki_str text; /* STRING; DOUBLE when it comes out */
    int64_t integer;     /* INT */
    uint64_t natural;    /* UINT, and an INT that is not negative */
    double real;         /* every number */
    uint64_t size;       /* ARRAY, OBJECT: of members */
};

/* -- number.c -------------------------------------------------------------------------------------------- */

#define NKI_DOC_NUMBER_CAP 32

/* The value of a number in JSON's grammar; infinite if out of range. */
double nki_doc_read_double(struct nki_str text);
/* The shortest text that reads as this finite number, NUL-terminated; its length. */
size_t nki_doc_write_double(double value, char out[NKI_DOC_NUMBER_CAP]);
/* Makes INT, UINT or DOUBLE of a text in JSON's grammar. The text has to live as long as the node. */
void nki_doc_set_number(struct nki_doc_node *node, struct nki_str text);

/* -- doc.c: life and parts ------------------------------------------------------------------------------- */

/* An empty object or array. */
int32_t nki_doc_init(struct nki_doc *doc, enum nki_doc_type type);
void nki_doc_free(struct nki_doc *doc);
/* Checks a value that comes in: type, UTF-8, a finite number. */
int32_t nki_doc_check_item(const struct nki_doc_item *item, struct nki_error *err);
/* A node of the arena with the item's value (an array or object is empty); NULL if there is no memory. */
struct nki_doc_node *nki_doc_make(struct nki_doc *doc, const struct nki_doc_item *item);
/* Fills `item` from a node. */
void nki_doc_show(const struct nki_doc_node *node, struct nki_doc_item *item);
/* Member of an object. `*place` (may be NULL) is where it stands. */
struct nki_doc_node *nki_doc_find(struct nki_doc *doc, struct nki_doc_node *object, struct nki_str key,
                                  uint32_t *place);
/* Gives a list its members, all at once; of several with the same name the last one counts, in the place of
 * the first. False if there is no memory. */
bool nki_doc_fill(struct nki_doc *doc, struct nki_doc_node *node, struct nki_doc_node **members, size_t count)
    __attribute__((warn_unused_result));
/* Room for one more member; false if there is no memory. */
bool nki_doc_widen(struct nki_doc *doc, struct nki_doc_node *list) __attribute__((warn_unused_result));
/* Adds a member whose name is new; there is room. */
void nki_doc_append(const struct nki_doc *doc, struct nki_doc_node *list, struct nki_doc_node *node);
const char *nki_doc_type_name(enum nki_doc_type type);

/* -- path.c: reading and changing by path ---------------------------------------------------------------- */

/* The value at a path: NKI_OK, NKI_NOT_FOUND, NKI_INVALID, NKI_LIMIT. */
int32_t nki_doc_at(struct nki_doc *doc, struct nki_str path, struct nki_doc_node **out,
                   struct nki_error *err);
/* Sets what is at a path, making objects on the way. On failure the document stays as it was. */
int32_t nki_doc_set(struct nki_doc *doc, struct nki_str path, const struct nki_doc_item *item,
                    struct nki_error *err);
/* The same with a copy of a node, which may belong to this document. */
int32_t nki_doc_set_copy(struct nki_doc *doc, struct nki_str path, const struct nki_doc_node *from,
                         struct nki_error *err);
int32_t nki_doc_remove(struct nki_doc *doc, struct nki_str path, struct nki_error *err);
/* Puts another document in the place of this one; `from` is left empty. */
void nki_doc_replace(struct nki_doc *doc, struct nki_doc *from);

/* -- build.c: values in document order ------------------------------------------------------------------- */

struct nki_doc_level {
    struct nki_doc_node *node;
    size_t first; /* its first member in `open` */
};

/* What was begun and is not complete. */
struct nki_doc_builder {
    struct nki_doc doc; /* root is NULL before it is complete */
    struct nki_doc_node **open;
    size_t open_count;
    size_t open_cap;
    unsigned depth;
    struct nki_doc_level levels[NKI_DOC_DEPTH_MAX];
    struct nki_doc_node *first_open[64];
};

void nki_doc_builder_init(struct nki_doc_builder *builder);
void nki_doc_builder_free(struct nki_doc_builder *builder);
/* A value that is complete, or an array or object that begins: NKI_OK, NKI_NO_MEMORY, NKI_LIMIT (depth,
 * values, text). */
int32_t nki_doc_builder_add(struct nki_doc_builder *builder, struct nki_doc_node *node);
/* The innermost array or object ends: NKI_OK, NKI_NO_MEMORY. */
int32_t nki_doc_builder_end(struct nki_doc_builder *builder);
/* Checks and adds an item: NKI_INVALID also if nothing is open that could end, or the document is complete.
 */
int32_t nki_doc_builder_item(struct nki_doc_builder *builder, const struct nki_doc_item *item,
                             struct nki_error *err);

/* -- parse.c, write.c ------------------------------------------------------------------------------------ */

/* Reads a text into a new document: strict grammar, valid UTF-8, numbers within the range of a double. */
int32_t nki_doc_parse(struct nki_doc *doc, struct nki_str text, struct nki_error *err);

/* Writes a value compactly: as much as `cap` holds; its whole length. */
size_t nki_doc_write(const struct nki_doc_node *node, char *out, size_t cap);

/* Where a walk stands: what comes next, as places from the root down. Zeroed: at the begin. */
struct nki_doc_cursor {
    uint64_t version; /* of the document, once it has begun */
    uint32_t depth;   /* open levels */
    uint32_t stage;   /* 0: not begun, 1: under way, 2: at the end */
    uint32_t at[NKI_DOC_DEPTH_MAX];
};

/* The next up to `cap` items; 0 at the end. False if the document has changed since the walk began, or the
 * cursor never was one. */
bool nki_doc_walk(const struct nki_doc *doc, struct nki_doc_cursor *cursor, struct nki_doc_item *items,
                  size_t cap, size_t *count);

#endif
