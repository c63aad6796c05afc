/* Mirrors and sources of streams of other domains: see source.h. Pure; any thread. */
#include "jetstream/source.h"

#include "jetstream/context.h"

#include <stdio.h>

#define PATH_MAX 48

static const struct nki_doc_node *domain_of(struct nki_doc *doc, struct nki_doc_node *source)
{
    return source->type == NKI_DOC_OBJECT ? nki_doc_find(doc, source, NKI_STR("domain"), NULL) : NULL;
}

static struct nki_doc_node *member(struct nki_doc *doc, struct nki_doc_node *config, struct nki_str name,
                                   enum nki_doc_type type)
{
    struct nki_doc_node *node = nki_doc_find(doc, config, name, NULL);
    return node != NULL && node->type == type ? node : NULL;
}

bool nki_js_names_domain(struct nki_doc *doc, struct nki_doc_node *config)
{
    struct nki_doc_node *mirror = member(doc, config, NKI_STR("mirror"), NKI_DOC_OBJECT);
    const struct nki_doc_node *sources = member(doc, config, NKI_STR("sources"), NKI_DOC_ARRAY);
    bool found = mirror != NULL && domain_of(doc, mirror) != NULL;
    for (uint32_t i = 0; sources != NULL && i < sources->u.list.count; i++) {
        found = found || domain_of(doc, sources->u.list.items[i]) != NULL;
    }
    return found;
}

/* What is wrong with it, or NULL; else the prefix of its API. */
static const char *read_domain(struct nki_doc *doc, struct nki_doc_node *source, char api[NKI_JS_PREFIX_MAX])
{
    const struct nki_doc_node *domain = domain_of(doc, source);
    const struct nki_doc_node *external = nki_doc_find(doc, source, NKI_STR("external"), NULL);
    api[0] = '\0';
    if (domain->type == NKI_DOC_NULL || (domain->type == NKI_DOC_STRING && domain->u.text.len == 0)) {
        return NULL;
    }
    if (domain->type != NKI_DOC_STRING) {
        return "is no string";
    }
    if (external != NULL && external->type != NKI_DOC_NULL) {
        return "excludes external";
    }
    const char *fault = nki_js_name_fault(domain->u.text);
    if (fault != NULL) {
        return fault;
    }
    int len = snprintf(api, NKI_JS_PREFIX_MAX, "$JS.%.*s.API", (int)domain->u.text.len, domain->u.text.ptr);
    return len >= NKI_JS_PREFIX_MAX ? "is too long" : NULL;
}

/* `path`: of a mirror or source. */
static int32_t place(const char *call, struct nki_doc *doc, const char *path, struct nki_doc_node *source,
                     struct nki_error *err)
{
    char at[PATH_MAX + 16];
    char api[NKI_JS_PREFIX_MAX];
    if (domain_of(doc, source) == NULL) {
        return NKI_OK;
    }
    const char *fault = read_domain(doc, source, api);
    if (fault != NULL) {
        return nki_error_set(err, NKI_INVALID, "%s: argument config%s/domain %s", call, path, fault);
    }
    (void)snprintf(at, sizeof at, "%s/domain", path);
    int32_t status = nki_doc_remove(doc, nki_str_z(at), err);
    if (status == NKI_OK && api[0] != '\0') {
        const struct nki_doc_item object = {.type = NKI_DOC_OBJECT};
        const struct nki_doc_item prefix = {.type = NKI_DOC_STRING, .text = nki_str_z(api)};
        (void)snprintf(at, sizeof at, "%s/external", path);
        status = nki_doc_set(doc, nki_str_z(at), &object, err);
        (void)snprintf(at, sizeof at, "%s/external/api", path);
        status = status == NKI_OK ? nki_doc_set(doc, nki_str_z(at), &prefix, err) : status;
    }
    return status;
}

static int32_t place_all(const char *call, struct nki_doc *doc, struct nki_error *err)
{
    char path[PATH_MAX];
    struct nki_doc_node *mirror = member(doc, doc->root, NKI_STR("mirror"), NKI_DOC_OBJECT);
    const struct nki_doc_node *sources = member(doc, doc->root, NKI_STR("sources"), NKI_DOC_ARRAY);
    int32_t status = mirror != NULL ? place(call, doc, "/mirror", mirror, err) : NKI_OK;
    for (uint32_t i = 0; status == NKI_OK && sources != NULL && i < sources->u.list.count; i++) {
        (void)snprintf(path, sizeof path, "/sources/%u", (unsigned)i);
        status = place(call, doc, path, sources->u.list.items[i], err);
    }
    return status;
}

int32_t nki_js_place_sources(const char *call, struct nki_buf *config, struct nki_error *err)
{
    struct nki_doc doc;
    int32_t status = nki_doc_parse(&doc, nki_str_make((const char *)config->data, config->len), err);
    if (status != NKI_OK) {
        return status;
    }
    status = place_all(call, &doc, err);
    if (status == NKI_OK) {
        config->len = 0; /* the document has a copy */
        size_t len = nki_doc_write(doc.root, NULL, 0);
        if (nki_buf_reserve(config, len)) {
            nki_doc_write(doc.root, (char *)config->data, len);
            config->len = len;
        } else {
            status = nki_error_set(err, NKI_NO_MEMORY, NULL);
        }
    }
    nki_doc_free(&doc);
    return status;
}
