/* What a service, a group and an endpoint are configured with, read from JSON and checked. Pure. */
#ifndef NKI_SERVICE_CONFIG_H
#define NKI_SERVICE_CONFIG_H

#include "json/doc.h"

#define NKI_SERVICE_NAME_MAX 128
#define NKI_SERVICE_VERSION_MAX 256
#define NKI_SERVICE_DESCRIPTION_MAX 4096
#define NKI_SERVICE_METADATA_MAX ((size_t)64 * NKI_KIB) /* bytes of its JSON */

enum nki_service_part { NKI_SERVICE_PART_SERVICE, NKI_SERVICE_PART_GROUP, NKI_SERVICE_PART_ENDPOINT };

/* Texts point into the document; what is not given is empty. */
struct nki_service_config {
    struct nki_str name;
    struct nki_str version;
    struct nki_str description;
    struct nki_str prefix;  /* of a group */
    struct nki_str subject; /* of an endpoint */
    struct nki_str queue;
    bool queue_given;                    /* ... which may be null: none */
    const struct nki_doc_node *metadata; /* an object of strings, or NULL */
};

/* NKI_OK or NKI_INVALID: a member that is unknown, missing, of the wrong type or not valid. */
int32_t nki_service_config_read(struct nki_doc *doc, enum nki_service_part part,
                                struct nki_service_config *out, struct nki_error *err);

/* Whether it is one or more of A-Z, a-z, 0-9, - and _. */
bool nki_service_name_ok(struct nki_str name);
/* Whether it is a version as semver.org 2.0.0 has them. */
bool nki_service_version_ok(struct nki_str version);

#endif
