/* The upgrade to WebSocket: see ws_upgrade.h. Pure, but for the key's randomness; any thread. */
#include "net/ws_upgrade.h"

#include "base/base64.h"
#include "base/openssl.h"
#include "base/rand.h"

#include <openssl/evp.h>

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* of the protocol */
#define SHA1_LEN 20
#define KEY_BYTES 16
#define SAID_MAX 160 /* bytes of a refusal's text that an error shows */

/* -- the request -------------------------------------------------------------------------------------------
 */

/* Characters of a token (RFC 7230, 3.2.6). */
static bool is_token(struct nki_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!alnum && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL)) {
            return false;
        }
    }
    return text.len > 0;
}

/* Those that say how the connection is used are not the application's. */
static bool is_ours(struct nki_str name)
{
    static const char *const ours[] = {"host", "upgrade", "connection", "content-length",
                                       "transfer-encoding"};
    for (size_t i = 0; i < NKI_ARRAY_LEN(ours); i++) {
        if (nki_str_eq_nocase(name, nki_str_z(ours[i]))) {
            return true;
        }
    }
    struct nki_str prefix = NKI_STR("sec-websocket-");
    return name.len >= prefix.len && nki_str_eq_nocase(nki_str_make(name.ptr, prefix.len), prefix);
}

int32_t nki_ws_header_check(struct nki_str line, struct nki_error *err)
{
    struct nki_str rest = line;
    struct nki_str name = nki_str_cut(&rest, ':');
    if (rest.ptr == NULL || !is_token(name)) {
        return nki_error_set(err, NKI_INVALID, "a header of ws_headers is not of the form 'Name: value'");
    }
    int shown = (int)(name.len < 64 ? name.len : 64);
    if (is_ours(name)) {
        return nki_error_set(err, NKI_INVALID, "ws_headers: %.*s is not the application's to set", shown,
                             name.ptr);
    }
    for (size_t i = 0; i < rest.len; i++) {
        if ((uint8_t)rest.ptr[i] < ' ' && rest.ptr[i] != '\t') {
            return nki_error_set(err, NKI_INVALID, "ws_headers: the value of %.*s has a control character",
                                 shown, name.ptr);
        }
    }
    return NKI_OK;
}

void nki_ws_key(char out[static NKI_WS_KEY_LEN + 1])
{
    uint8_t bytes[KEY_BYTES];
    nki_rand_system(bytes, sizeof bytes);
    size_t len = nki_base64_encode(NKI_BASE64_PADDED, bytes, sizeof bytes, out);
    assert(len == NKI_WS_KEY_LEN);
    out[len] = '\0';
}

bool nki_ws_accept(const char *key, char out[static NKI_WS_ACCEPT_LEN + 1])
{
    char text[NKI_WS_KEY_LEN + sizeof GUID];
    uint8_t digest[SHA1_LEN];
    assert(strlen(key) == NKI_WS_KEY_LEN);
    memcpy(text, key, NKI_WS_KEY_LEN);
    memcpy(text + NKI_WS_KEY_LEN, GUID, sizeof GUID);
    nki_openssl_begin();
    if (EVP_Digest(text, sizeof text - 1, digest, NULL, EVP_sha1(), NULL) != 1) {
        return false;
    }
    size_t len = nki_base64_encode(NKI_BASE64_PADDED, digest, sizeof digest, out);
    assert(len == NKI_WS_ACCEPT_LEN);
    out[len] = '\0';
    return true;
}

bool nki_ws_request_emit(struct nki_buf *out, const struct nki_ws_request *request, const char *key)
{
    return nki_buf_append_str(out, NKI_STR("GET ")) && nki_buf_append_str(out, nki_str_z(request->path)) &&
           nki_buf_append_str(out, NKI_STR(" HTTP/1.1\r\nHost: ")) &&
           nki_buf_append_str(out, nki_str_z(request->host)) &&
           nki_buf_append_str(out, NKI_STR("\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ")) &&
           nki_buf_append_str(out, nki_str_z(key)) && nki_buf_append_str(out, NKI_STR("\r\n")) &&
           nki_buf_append_str(out, request->headers) && nki_buf_append_str(out, NKI_STR("\r\n"));
}

/* -- the answer --------------------------------------------------------------------------------------------
 */

/* Bytes up to the content; 0: they have not all come. */
static size_t head_of(struct nki_str answer)
{
    const char *end = answer.len > 0 ? memmem(answer.ptr, answer.len, "\r\n\r\n", 4) : NULL;
    return end != NULL ? (size_t)(end - answer.ptr) + 4 : 0;
}

/* Cuts a line with its CRLF. */
static struct nki_str cut_line(struct nki_str *rest)
{
    const char *end = memmem(rest->ptr, rest->len, "\r\n", 2);
    assert(end != NULL);
    struct nki_str line = nki_str_make(rest->ptr, (size_t)(end - rest->ptr));
    *rest = nki_str_make(end + 2, rest->len - line.len - 2);
    return line;
}

/* Whether a list at commas has the word. */
static bool has_word(struct nki_str list, struct nki_str word)
{
    while (list.ptr != NULL) {
        if (nki_str_eq_nocase(nki_str_trim(nki_str_cut(&list, ',')), word)) {
            return true;
        }
    }
    return false;
}

/* "HTTP/1.1 101 Switching Protocols"; the code, or -1. */
static int32_t read_code(struct nki_str line, struct nki_str *reason)
{
    int32_t code = 0;
    if (line.len < 12 || line.ptr[8] != ' ' || (line.len > 12 && line.ptr[12] != ' ')) {
        return -1;
    }
    for (size_t i = 9; i < 12; i++) {
        if (line.ptr[i] < '0' || line.ptr[i] > '9') {
            return -1;
        }
        code = code * 10 + (line.ptr[i] - '0');
    }
    *reason = line.len > 13 ? nki_str_make(line.ptr + 13, line.len - 13) : NKI_STR("");
    return code;
}

/* What a server says instead of upgrading: the reason, and the first line of its content if that is text. */
static int32_t refused(int32_t code, struct nki_str reason, struct nki_str body, struct nki_error *err)
{
    struct nki_str said = nki_str_trim(nki_str_cut(&body, '\n'));
    while (said.len > 0 && said.ptr[said.len - 1] == '\r') {
        said.len--;
    }
    said.len = said.len < SAID_MAX ? said.len : SAID_MAX;
    reason.len = reason.len < SAID_MAX ? reason.len : SAID_MAX;
    bool shown = said.len > 0 && said.ptr[0] != '<' && !nki_str_eq(said, reason); /* no pages of proxies */
    nki_error_set(err, NKI_WS_REFUSED, "the server refuses the upgrade to WebSocket: %d %.*s%s%.*s",
                  (int)code, (int)reason.len, reason.len > 0 ? reason.ptr : "", shown ? ": " : "",
                  shown ? (int)said.len : 0, shown ? said.ptr : "");
    if (err != NULL) {
        err->server_code = code;
    }
    return NKI_WS_REFUSED;
}

static int32_t malformed(const char *fault, struct nki_error *err)
{
    return nki_error_set(err, NKI_WEBSOCKET, "the answer to the upgrade %s", fault);
}

/* The header lines of an upgrade. */
static int32_t read_headers(struct nki_str head, const char *accept, struct nki_error *err)
{
    bool upgrade = false;
    bool connection = false;
    bool accepted = false;
    while (head.len > 2) {
        struct nki_str value = cut_line(&head);
        struct nki_str name = nki_str_cut(&value, ':');
        if (value.ptr == NULL || !is_token(name)) {
            return malformed("has a malformed header line", err);
        }
        value = nki_str_trim(value);
        if (nki_str_eq_nocase(name, NKI_STR("upgrade"))) {
            upgrade = upgrade || nki_str_eq_nocase(value, NKI_STR("websocket"));
        } else if (nki_str_eq_nocase(name, NKI_STR("connection"))) {
            connection = connection || has_word(value, NKI_STR("upgrade"));
        } else if (nki_str_eq_nocase(name, NKI_STR("sec-websocket-accept"))) {
            accepted = nki_str_eq(value, nki_str_z(accept));
            if (!accepted) {
                return malformed("has a Sec-WebSocket-Accept that does not fit the key", err);
            }
        } else if (nki_str_eq_nocase(name, NKI_STR("sec-websocket-extensions")) ||
                   nki_str_eq_nocase(name, NKI_STR("sec-websocket-protocol"))) {
            return malformed("agrees to an extension or protocol that was not asked for", err);
        }
    }
    if (!upgrade || !connection) {
        return malformed("lacks Upgrade: websocket or Connection: Upgrade", err);
    }
    return accepted ? NKI_OK : malformed("lacks Sec-WebSocket-Accept", err);
}

int32_t nki_ws_answer_read(struct nki_str answer, const char *accept, size_t *head_len, struct nki_error *err)
{
    struct nki_str http = NKI_STR("HTTP/1.");
    struct nki_str reason = NKI_STR("");
    size_t begun = answer.len < http.len ? answer.len : http.len;
    if (begun > 0 && memcmp(answer.ptr, http.ptr, begun) != 0) {
        bool nats = nki_str_starts(answer, NKI_STR("INFO"));
        if (!nats && nki_str_starts(NKI_STR("INFO"), answer)) {
            return NKI_PENDING;
        }
        return malformed(
            nats ? "is NATS's own INFO: this port is for urls with nats:// or tls://" : "is not HTTP", err);
    }
    size_t len = head_of(answer);
    if (len == 0) {
        return answer.len < NKI_WS_ANSWER_MAX ? NKI_PENDING : malformed("is longer than 8 KiB", err);
    }
    struct nki_str rest = nki_str_make(answer.ptr, len);
    int32_t code = read_code(cut_line(&rest), &reason);
    if (code < 0) {
        return malformed("has a malformed status line", err);
    }
    if (code != 101) {
        return refused(code, reason, nki_str_make(answer.ptr + len, answer.len - len), err);
    }
    *head_len = len;
    return read_headers(rest, accept, err);
}
