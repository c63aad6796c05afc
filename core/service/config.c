/* Configurations of services: see config.h. */
#include "service/config.h"

#include "wire/subject.h"

#define QUEUE_MAX 256 /* bytes of a queue group's name */

/* A member, where it goes, and in which parts it may stand. */
struct member {
    const char *name;
    enum nki_doc_type type;
    size_t place; /* of the text in the configuration */
    unsigned parts;
    size_t max;
};

#define IN(part) (1u << (part))
#define SERVICE IN(NKI_SERVICE_PART_SERVICE)
#define GROUP IN(NKI_SERVICE_PART_GROUP)
#define ENDPOINT IN(NKI_SERVICE_PART_ENDPOINT)
#define PLACE(field) offsetof(struct nki_service_config, field)

static const struct member members[] = {
    {"name", NKI_DOC_STRING, PLACE(name), SERVICE | ENDPOINT, NKI_SERVICE_NAME_MAX},
    {"version", NKI_DOC_STRING, PLACE(version), SERVICE, NKI_SERVICE_VERSION_MAX},
    {"description", NKI_DOC_STRING, PLACE(description), SERVICE, NKI_SERVICE_DESCRIPTION_MAX},
    {"prefix", NKI_DOC_STRING, PLACE(prefix), GROUP, NKI_SUBJECT_MAX},
    {"subject", NKI_DOC_STRING, PLACE(subject), ENDPOINT, NKI_SUBJECT_MAX},
    {"queue_group", NKI_DOC_STRING, PLACE(queue), SERVICE | GROUP | ENDPOINT, QUEUE_MAX},
    {"metadata", NKI_DOC_OBJECT, PLACE(metadata), SERVICE | ENDPOINT, NKI_SERVICE_METADATA_MAX},
};

static const char *const part_names[] = {"service", "group", "endpoint"};

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
}

bool nki_service_name_ok(struct nki_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (!is_word(name.ptr[i]) && name.ptr[i] != '_') {
            return false;
        }
    }
    return name.len > 0;
}

/* One identifier of a version: `number` where all digits make a number, which does not begin with 0. */
static bool identifier_ok(struct nki_str text, bool number, bool must)
{
    bool digits = text.len > 0;
    for (size_t i = 0; i < text.len; i++) {
        digits = digits && text.ptr[i] >= '0' && text.ptr[i] <= '9';
        if (!is_word(text.ptr[i])) {
            return false;
        }
    }
    bool zero = digits && text.len > 1 && text.ptr[0] == '0';
    return text.len > 0 && (digits || !must) && !(number && zero);
}

/* Identifiers between dots. */
static bool identifiers_ok(struct nki_str text, bool number)
{
    bool ok = true;
    while (ok && text.ptr != NULL) {
        ok = identifier_ok(nki_str_cut(&text, '.'), number, false);
    }
    return ok;
}

bool nki_service_version_ok(struct nki_str version)
{
    struct nki_str rest = version;
    struct nki_str release =
        nki_str_cut(&rest, '+'); /* `rest`: the build, its pointer NULL if there is none */
    bool ok = rest.ptr == NULL || identifiers_ok(rest, false);
    rest = release;
    struct nki_str core = nki_str_cut(&rest, '-');
    ok = ok && (rest.ptr == NULL || identifiers_ok(rest, true));
    for (int i = 0; i < 3 && ok; i++) {
        ok = core.ptr != NULL && identifier_ok(nki_str_cut(&core, '.'), true, true);
    }
    return ok && core.ptr == NULL;
}

static int32_t invalid(struct nki_error *err, const char *what, struct nki_str value, const char *fault)
{
    int shown = value.len < 80 ? (int)value.len : 80;
    return nki_error_set(err, NKI_INVALID, "%s \"%.*s\" %s", what, shown, shown > 0 ? value.ptr : "", fault);
}

static const struct member *find_member(struct nki_str name, enum nki_service_part part)
{
    for (size_t i = 0; i < NKI_ARRAY_LEN(members); i++) {
        if ((members[i].parts & IN(part)) != 0 && nki_str_eq(nki_str_z(members[i].name), name)) {
            return &members[i];
        }
    }
    return NULL;
}

static int32_t read_metadata(const struct nki_doc_node *node, struct nki_error *err)
{
    for (uint32_t i = 0; i < node->u.list.count; i++) {
        const struct nki_doc_node *value = node->u.list.items[i];
        if (value->type != NKI_DOC_STRING) {
            return invalid(err, "metadata: the value of", value->key, "is not a string");
        }
    }
    if (nki_doc_write(node, NULL, 0) > NKI_SERVICE_METADATA_MAX) {
        return nki_error_set(err, NKI_INVALID, "metadata takes more than %zu bytes",
                             NKI_SERVICE_METADATA_MAX);
    }
    return NKI_OK;
}

static int32_t read_member(struct nki_service_config *out, const struct member *member,
                           const struct nki_doc_node *node, struct nki_error *err)
{
    if (member->place == PLACE(queue)) {
        out->queue_given = true;
        if (node->type == NKI_DOC_NULL) {
            return NKI_OK;
        }
    }
    if (node->type == NKI_DOC_NULL) {
        return NKI_OK; /* as if it were not there */
    }
    if (node->type != member->type) {
        return nki_error_set(err, NKI_INVALID, "%s is not %s", member->name,
                             member->type == NKI_DOC_STRING ? "a string" : "an object");
    }
    if (member->type == NKI_DOC_OBJECT) {
        out->metadata = node;
        return read_metadata(node, err);
    }
    if (node->u.text.len > member->max) {
        return nki_error_set(err, NKI_INVALID, "%s is longer than %zu bytes", member->name, member->max);
    }
    memcpy((char *)out + member->place, &node->u.text, sizeof node->u.text);
    return NKI_OK;
}

static int32_t check(const struct nki_service_config *config, enum nki_service_part part,
                     struct nki_error *err)
{
    if (part != NKI_SERVICE_PART_GROUP && !nki_service_name_ok(config->name)) {
        return invalid(err, "name", config->name, "is not of letters, digits, - and _");
    }
    if (part == NKI_SERVICE_PART_SERVICE && !nki_service_version_ok(config->version)) {
        return invalid(err, "version", config->version, "is no semantic version such as 1.2.3");
    }
    const char *fault = config->queue.len > 0 ? nki_subject_queue_fault(config->queue) : NULL;
    if (fault != NULL) {
        return invalid(err, "queue_group", config->queue, fault);
    }
    fault = config->prefix.len > 0 ? nki_subject_subscribe_fault(config->prefix) : NULL;
    if (fault == NULL && config->prefix.len > 0 && config->prefix.ptr[config->prefix.len - 1] == '>') {
        fault = "ends with >, behind which nothing can stand";
    }
    if (fault != NULL) {
        return invalid(err, "prefix", config->prefix, fault);
    }
    fault = config->subject.len > 0 ? nki_subject_subscribe_fault(config->subject) : NULL;
    return fault != NULL ? invalid(err, "subject", config->subject, fault) : NKI_OK;
}

int32_t nki_service_config_read(struct nki_doc *doc, enum nki_service_part part,
                                struct nki_service_config *out, struct nki_error *err)
{
    const struct nki_doc_node *root = doc->root;
    memset(out, 0, sizeof *out);
    if (root->type != NKI_DOC_OBJECT) {
        return nki_error_set(err, NKI_INVALID, "the configuration of a %s is not an object",
                             part_names[part]);
    }
    for (uint32_t i = 0; i < root->u.list.count; i++) {
        const struct nki_doc_node *node = root->u.list.items[i];
        const struct member *member = find_member(node->key, part);
        if (member == NULL) {
            int shown = node->key.len < 80 ? (int)node->key.len : 80;
            return nki_error_set(err, NKI_INVALID, "a %s has no member \"%.*s\"", part_names[part], shown,
                                 shown > 0 ? node->key.ptr : "");
        }
        int32_t status = read_member(out, member, node, err);
        if (status != NKI_OK) {
            return status;
        }
    }
    return check(out, part, err);
}
