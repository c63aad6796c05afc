/* Fuzzes INFO: it is taken whole or not at all, all texts end, addresses are addresses, and taking the same
 * INFO twice changes nothing. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/info.h"
#include "wire/url.h"

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                  \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t cap)
{
    size_t len = strnlen(text, cap);
    CHECK(len < cap);
    CHECK(nki_str_utf8_valid(nki_str_make(text, len)));
}

static void check_info(const struct nki_info *info, const struct nki_info_urls *urls)
{
    check_text(info->server_id, sizeof info->server_id);
    check_text(info->server_name, sizeof info->server_name);
    check_text(info->version, sizeof info->version);
    check_text(info->client_ip, sizeof info->client_ip);
    check_text(info->nonce, sizeof info->nonce);
    CHECK(info->max_payload > 0 && info->proto >= 0);
    CHECK(urls->count <= NKI_INFO_URLS_MAX);
    for (size_t i = 0; i < urls->count; i++) {
        struct nki_url url;
        check_text(urls->at[i], sizeof urls->at[i]);
        CHECK(nki_url_parse(nki_str_z(urls->at[i]), &url, NULL) == NKI_OK);
        CHECK(!url.has_user && url.scheme == NKI_SCHEME_NATS && strchr(urls->at[i], '/') == NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct nki_info info;
    static struct nki_info before;
    static struct nki_info_urls urls;
    struct nki_error err;
    struct nki_str json = {(const char *)data, size};
    nki_info_init(&info);
    before = info;
    int32_t status = nki_info_parse(json, &info, &urls, &err);
    if (status != NKI_OK) {
        CHECK(status == NKI_PROTOCOL && err.status == status && err.text[0] != '\0');
        CHECK(memcmp(&info, &before, sizeof info) == 0);
        return 0;
    }
    check_info(&info, &urls);
    before = info;
    CHECK(nki_info_parse(json, &info, &urls, &err) == NKI_OK);
    CHECK(memcmp(&info, &before, sizeof info) == 0);
    return 0;
}
