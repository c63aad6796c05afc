/* The upgrade of an HTTP connection to WebSocket (RFC 6455, 4) as bytes: the client's request and the answer
 * to it. Pure, but for the key's randomness. */
#ifndef NKI_NET_WS_UPGRADE_H
#define NKI_NET_WS_UPGRADE_H

#include "base/buf.h"
#include "base/status.h"

#define NKI_WS_KEY_LEN 24                       /* characters of a key */
#define NKI_WS_ACCEPT_LEN 28                    /* of what answers it */
#define NKI_WS_ANSWER_MAX ((size_t)8 * NKI_KIB) /* bytes of an answer's head */

struct nki_ws_request {
    const char *host;       /* as the Host header has it: with a port that is not the scheme's own */
    const char *path;       /* begins with '/' */
    struct nki_str headers; /* further header lines, each with CRLF */
};

/* A header line that the application adds: "Name: value". NKI_INVALID, of which the text holds the name but
 * not the value: no name, characters that may not be, a header that the upgrade itself needs. */
int32_t nki_ws_header_check(struct nki_str line, struct nki_error *err);

/* A random key. */
void nki_ws_key(char out[static NKI_WS_KEY_LEN + 1]);
/* What a server answers to it; false if there is no memory. */
bool nki_ws_accept(const char *key, char out[static NKI_WS_ACCEPT_LEN + 1])
    __attribute__((warn_unused_result));
/* Appends the request; false if there is no memory. */
bool nki_ws_request_emit(struct nki_buf *out, const struct nki_ws_request *request, const char *key)
    __attribute__((warn_unused_result));

/* Reads an answer as far as it has come. NKI_OK: the connection is upgraded, frames begin at *head_len.
 * NKI_PENDING; NKI_WS_REFUSED with HTTP's code as server_code, and what the server says of it in the text;
 * NKI_WEBSOCKET for what is no proper answer. */
int32_t nki_ws_answer_read(struct nki_str answer, const char *accept, size_t *head_len,
                           struct nki_error *err);

#endif
