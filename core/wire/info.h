/* INFO: what the server tells of itself. Pure. */
#ifndef NKI_WIRE_INFO_H
#define NKI_WIRE_INFO_H

#include "base/status.h"
#include "base/str.h"

#define NKI_INFO_URLS_MAX 64 /* servers that one INFO may tell of; further ones are passed over */
#define NKI_INFO_URL_MAX 272

struct nki_info {
    char server_id[64];
    char server_name[128];
    char version[32];
    char client_ip[64];
    char nonce[128];
    uint64_t client_id;
    int64_t max_payload; /* 1 MiB if the server does not tell */
    int32_t proto;
    bool headers;
    bool auth_required;
    bool tls_required;
    bool tls_available;
    bool lame_duck;
    bool jetstream;
};

/* The servers that an INFO tells of: much larger than what a connection keeps of it. */
struct nki_info_urls {
    bool told; /* connect_urls was there */
    size_t count;
    char at[NKI_INFO_URLS_MAX][NKI_INFO_URL_MAX]; /* host:port; malformed ones are passed over */
};

/* What a server is before it told anything. */
void nki_info_init(struct nki_info *info);

/* Lays the fields of `json` over `info`: a missing field, or null, keeps its value. `urls` is filled anew.
 * NKI_PROTOCOL, with `info` unchanged, if the text is not a JSON object, a known field has the wrong type, or
 * max_payload is not positive. Texts longer than their field are cut, a nonce longer than its field is an
 * error. */
int32_t nki_info_parse(struct nki_str json, struct nki_info *info, struct nki_info_urls *urls,
                       struct nki_error *err);

#endif
