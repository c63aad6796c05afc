/* Fuzzes addresses: what is taken can be shown and read again, what is refused is shown without its secrets.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/url.h"

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                  \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nki_str text = {(const char *)data, size};
    struct nki_url url;
    struct nki_error err;
    static const struct nki_url zero;
    int32_t status = nki_url_parse(text, &url, &err);
    if (status != NKI_OK) {
        CHECK(status == NKI_INVALID && err.status == status);
        CHECK(nki_str_utf8_valid(nki_str_z(err.text)));
        CHECK(memcmp(&url, &zero, sizeof url) == 0);
        CHECK(size == 0 || memchr(data, '@', size) == NULL || strstr(err.text, "***@") != NULL);
        return 0;
    }
    CHECK(url.port > 0 && url.host[0] != '\0');
    CHECK(strnlen(url.host, sizeof url.host) < sizeof url.host);
    CHECK(strnlen(url.user, sizeof url.user) < sizeof url.user);
    CHECK(strnlen(url.password, sizeof url.password) < sizeof url.password);
    CHECK(url.has_user == (url.user[0] != '\0') && (url.has_user || !url.has_password));
    CHECK(url.has_password || url.password[0] == '\0');
    for (const char *at = url.password; *at != '\0'; at++) {
        CHECK((uint8_t)*at >= ' ' && *at != 0x7f);
    }
    char shown[NKI_URL_TEXT_MAX];
    struct nki_url again;
    nki_url_text(&url, shown);
    CHECK(strchr(shown, '@') == NULL);
    CHECK(nki_url_parse(nki_str_z(shown), &again, &err) == NKI_OK);
    CHECK(again.scheme == url.scheme && again.port == url.port && !again.has_user);
    CHECK(strcmp(again.host, url.host) == 0);
    return 0;
}
