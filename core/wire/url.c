/* Server addresses as users and servers write them. Pure; any thread. Error texts never show a user or a
 * password, also not those of a text that is not a proper url. */
#include "wire/url.h"

#include <stdio.h>

#define SHOWN_MAX 128 /* bytes of a url that an error text shows */

static const struct scheme_row {
    struct nki_str name;
    enum nki_scheme scheme;
    uint16_t port;
} schemes[] = {
    {{"nats", 4}, NKI_SCHEME_NATS, 4222},
    {{"tls", 3}, NKI_SCHEME_TLS, 4222},
    {{"ws", 2}, NKI_SCHEME_WS, 80},
    {{"wss", 3}, NKI_SCHEME_WSS, 443},
};

static bool is_control(char c)
{
    return (uint8_t)c < ' ' || c == 0x7f;
}

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Moves `*text` behind a leading "scheme://"; the scheme is empty if there is none. */
static struct nki_str cut_scheme(struct nki_str *text)
{
    struct nki_str scheme = {text->ptr, 0};
    for (size_t i = 0; i + 2 < text->len; i++) {
        if (memcmp(text->ptr + i, "://", 3) == 0) {
            scheme.len = i;
            *text = nki_str_make(text->ptr + i + 3, text->len - i - 3);
            break;
        }
        if (!is_alnum(text->ptr[i])) {
            break;
        }
    }
    return scheme;
}

/* Everything up to the last '@' might be a secret, wherever that stands. */
static int32_t refuse(struct nki_str text, const char *fault, struct nki_error *err)
{
    struct nki_str rest = text;
    struct nki_str scheme = cut_scheme(&rest);
    const char *slashes = rest.ptr != text.ptr ? "://" : "";
    const char *at = rest.len > 0 ? memrchr(rest.ptr, '@', rest.len) : NULL;
    if (at != NULL) {
        rest = nki_str_make(at, rest.len - (size_t)(at - rest.ptr));
    }
    bool cut = rest.len > SHOWN_MAX;
    int scheme_len = (int)(scheme.len < SHOWN_MAX ? scheme.len : SHOWN_MAX);
    int rest_len = (int)(cut ? SHOWN_MAX : rest.len);
    return nki_error_set(err, NKI_INVALID, "url '%.*s%s%s%.*s%s' %s", scheme_len,
                         scheme_len > 0 ? scheme.ptr : "", slashes, at != NULL ? "***" : "", rest_len,
                         rest_len > 0 ? rest.ptr : "", cut ? "..." : "", fault);
}

/* Resolves %XX into `out`; NULL or what is wrong. */
static const char *decode(struct nki_str text, char out[static NKI_URL_USER_MAX])
{
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            int high = text.len - i > 2 ? hex_digit(text.ptr[i + 1]) : -1;
            int low = text.len - i > 2 ? hex_digit(text.ptr[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return "has a '%' in its user or password that two hex digits do not follow";
            }
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (is_control(c)) {
            return "has a control character in its user or password";
        }
        if (len == NKI_URL_USER_MAX - 1) {
            return "has a user or password that is too long";
        }
        out[len++] = c;
    }
    out[len] = '\0';
    return nki_str_utf8_valid(nki_str_make(out, len)) ? NULL
                                                      : "has a user or password that is not valid UTF-8";
}

static const char *read_user(struct nki_str text, struct nki_url *out)
{
    struct nki_str rest = text;
    struct nki_str user = nki_str_cut(&rest, ':');
    if (user.len == 0) {
        return "has an empty user";
    }
    const char *fault = decode(user, out->user);
    if (fault == NULL && user.len < text.len) {
        fault = decode(rest, out->password);
        out->has_password = true;
    }
    out->has_user = true;
    return fault;
}

static const char *read_port(struct nki_str text, uint16_t *out)
{
    uint64_t port;
    if (!nki_str_u64(text, &port)) {
        return "has a port that is not a number";
    }
    if (port == 0 || port > 65535) {
        return "has a port that is not between 1 and 65535";
    }
    *out = (uint16_t)port;
    return NULL;
}

/* "address" or "address%zone", as it stands in brackets. Only its characters are checked: whether it is an
 * address is the resolver's to say. */
static const char *read_ipv6(struct nki_str text, struct nki_url *out)
{
    size_t colons = 0;
    bool zone = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (zone ? is_alnum(c) || c == '-' || c == '.' || c == '_' : hex_digit(c) >= 0 || c == '.') {
            continue;
        }
        if (!zone && c == ':') {
            colons++;
        } else if (!zone && c == '%' && i > 0 && i + 1 < text.len) {
            zone = true;
        } else {
            return "has something in brackets that is not an IPv6 address";
        }
    }
    if (colons < 2 || text.len >= sizeof out->host) {
        return "has something in brackets that is not an IPv6 address";
    }
    nki_str_copy(out->host, sizeof out->host, text);
    return NULL;
}

static const char *read_name(struct nki_str text, struct nki_url *out)
{
    if (text.len == 0) {
        return "has no host";
    }
    if (text.len >= sizeof out->host) {
        return "has a host longer than 255 bytes";
    }
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!is_alnum(c) && c != '-' && c != '.' && c != '_') {
            return "has a character in its host that no host name has";
        }
    }
    nki_str_copy(out->host, sizeof out->host, text);
    return NULL;
}

/* host[:port], with IPv6 in brackets. */
static const char *read_host(struct nki_str text, struct nki_url *out)
{
    const char *fault;
    struct nki_str port = {NULL, 0};
    bool has_port;
    if (text.len > 0 && text.ptr[0] == '[') {
        const char *close = memchr(text.ptr, ']', text.len);
        if (close == NULL) {
            return "has no ']' behind its IPv6 address";
        }
        size_t len = (size_t)(close - text.ptr);
        fault = read_ipv6(nki_str_make(text.ptr + 1, len - 1), out);
        port = nki_str_make(close + 1, text.len - len - 1);
        has_port = port.len > 0;
        if (fault == NULL && has_port && port.ptr[0] != ':') {
            return "has something behind its IPv6 address that is not a port";
        }
        port = has_port ? nki_str_make(port.ptr + 1, port.len - 1) : port;
    } else {
        struct nki_str rest = text;
        struct nki_str name = nki_str_cut(&rest, ':');
        has_port = name.len < text.len;
        if (has_port && rest.len > 0 && memchr(rest.ptr, ':', rest.len) != NULL) {
            return "has more than one ':' behind its user: an IPv6 address belongs in brackets";
        }
        port = rest;
        fault = read_name(name, out);
    }
    if (fault == NULL && has_port) {
        fault = read_port(port, &out->port);
    }
    return fault;
}

/* The path of a url, from its '/' on, as a request for it has it. */
static const char *read_path(struct nki_str text, struct nki_url *out)
{
    bool ws = nki_url_is_ws(out);
    if (text.len > 1 && !ws) {
        return "has a path (a '/' in a user or password is written %2F)";
    }
    if (text.len >= sizeof out->path) {
        return "has a path longer than 511 bytes";
    }
    /* With an '@' in it the '/' may well stand in a password. */
    for (size_t i = 0; i < text.len; i++) {
        if ((uint8_t)text.ptr[i] > '~' || strchr("\"#<>@\\^`{|}", text.ptr[i]) != NULL) {
            return "has a character in its path that has to be written %XX";
        }
    }
    nki_str_copy(out->path, sizeof out->path, !ws ? NKI_STR("") : text.len > 0 ? text : NKI_STR("/"));
    return NULL;
}

static const char *read_url(struct nki_str text, struct nki_url *out)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == ' ' || is_control(text.ptr[i])) {
            return "holds a blank or control character";
        }
    }
    struct nki_str scheme = cut_scheme(&text);
    const struct scheme_row *row = scheme.ptr == text.ptr ? &schemes[0] : NULL;
    for (size_t i = 0; row == NULL && i < NKI_ARRAY_LEN(schemes); i++) {
        row = nki_str_eq_nocase(scheme, schemes[i].name) ? &schemes[i] : NULL;
    }
    if (row == NULL) {
        return "has a scheme other than nats, tls, ws and wss";
    }
    out->scheme = row->scheme;
    out->port = row->port;
    const char *slash = text.len > 0 ? memchr(text.ptr, '/', text.len) : NULL;
    size_t path_len = slash != NULL ? text.len - (size_t)(slash - text.ptr) : 0;
    const char *wrong = read_path(nki_str_make(slash, path_len), out);
    if (wrong != NULL) {
        return wrong;
    }
    text.len -= path_len;
    const char *at = text.len > 0 ? memrchr(text.ptr, '@', text.len) : NULL;
    if (at != NULL) {
        size_t user_len = (size_t)(at - text.ptr);
        const char *fault = read_user(nki_str_make(text.ptr, user_len), out);
        if (fault != NULL) {
            return fault;
        }
        text = nki_str_make(at + 1, text.len - user_len - 1);
    }
    return read_host(text, out);
}

int32_t nki_url_parse(struct nki_str text, struct nki_url *out, struct nki_error *err)
{
    assert(out != NULL && (text.ptr != NULL || text.len == 0));
    memset(out, 0, sizeof *out);
    const char *fault = text.len == 0 ? "is empty" : read_url(text, out);
    if (fault != NULL) {
        memset(out, 0, sizeof *out); /* no half-read secret stays with the caller */
        return refuse(text, fault, err);
    }
    return NKI_OK;
}

void nki_url_text(const struct nki_url *url, char *out)
{
    assert(url != NULL && out != NULL);
    bool bracket = strchr(url->host, ':') != NULL;
    for (size_t i = 0; i < NKI_ARRAY_LEN(schemes); i++) {
        if (schemes[i].scheme == url->scheme) {
            int len = snprintf(out, NKI_URL_TEXT_MAX, "%s://%s%.255s%s:%u", schemes[i].name.ptr,
                               bracket ? "[" : "", url->host, bracket ? "]" : "", (unsigned)url->port);
            assert(len > 0 && len < NKI_URL_TEXT_MAX);
            (void)len;
            return;
        }
    }
    assert(false && "not a scheme");
}

bool nki_url_default_port(const struct nki_url *url)
{
    for (size_t i = 0; i < NKI_ARRAY_LEN(schemes); i++) {
        if (schemes[i].scheme == url->scheme) {
            return schemes[i].port == url->port;
        }
    }
    return false;
}

bool nki_url_is_address(const struct nki_url *url)
{
    /* A name never consists of digits and dots alone (RFC 3696), and only an address has a colon. */
    return strchr(url->host, ':') != NULL || strspn(url->host, "0123456789.") == strlen(url->host);
}
