/* Server addresses as users and servers write them. Pure. */
#ifndef NKI_WIRE_URL_H
#define NKI_WIRE_URL_H

#include "base/status.h"
#include "base/str.h"

#define NKI_URL_HOST_MAX 256
#define NKI_URL_USER_MAX 1025
#define NKI_URL_PATH_MAX 512
#define NKI_URL_TEXT_MAX 272

enum nki_scheme { NKI_SCHEME_NATS, NKI_SCHEME_TLS, NKI_SCHEME_WS, NKI_SCHEME_WSS };

struct nki_url {
    enum nki_scheme scheme;
    char host[NKI_URL_HOST_MAX]; /* without brackets */
    uint16_t port;               /* 4222; ws 80, wss 443 where not given */
    char user[NKI_URL_USER_MAX]; /* percent-decoded; a user without password is a token */
    char password[NKI_URL_USER_MAX];
    bool has_user;
    bool has_password;
    char path[NKI_URL_PATH_MAX]; /* of ws and wss, with its query; "/" where none is given */
};

/* Reads "[scheme://][user[:password]@]host[:port][/]", with ws and wss "[/path]" at the end; schemes nats,
 * tls, ws, wss without regard to case; IPv6 in brackets. NKI_INVALID names the fault and the url with user
 * and password replaced by "***": no host, port 0 or over 65535, IPv6 without brackets, user without host,
 * blanks or control characters, a path of another scheme, a host longer than 255, a path longer than 511. */
int32_t nki_url_parse(struct nki_str text, struct nki_url *out, struct nki_error *err);
/* Whether it is spoken to by WebSocket. */
static inline bool nki_url_is_ws(const struct nki_url *url)
{
    return url->scheme == NKI_SCHEME_WS || url->scheme == NKI_SCHEME_WSS;
}
/* Whether it has the port that its scheme has by itself. */
bool nki_url_default_port(const struct nki_url *url);
/* Whether the host is an address, not a name. */
bool nki_url_is_address(const struct nki_url *url);
/* "scheme://host:port" without user, password and path; `out` has NKI_URL_TEXT_MAX bytes. */
void nki_url_text(const struct nki_url *url, char *out);

#endif
