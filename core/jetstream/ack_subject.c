/* Ack subjects: see ack_subject.h. Pure; any thread.
 *
 *   $JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>
 *   $JS.ACK.<domain or _>.<account hash>.<stream>. ... .<pending>[.<more>]
 */
#include "jetstream/ack_subject.h"

enum { SAFE_DIGITS = 19 }; /* a number of so many digits never overflows */

static inline unsigned digit_of(char c)
{
    return (unsigned)(unsigned char)c - '0';
}

/* Cuts a token off that must not be empty. */
static inline bool read_text(struct nki_str *rest, struct nki_str *out)
{
    *out = nki_str_cut(rest, '.');
    return out->len > 0;
}

/* The same with a number, digit by digit: a message of a watch is read here twice. */
static inline bool read_number(struct nki_str *rest, uint64_t *out)
{
    const char *at = rest->ptr;
    size_t most = rest->len < SAFE_DIGITS ? rest->len : SAFE_DIGITS;
    size_t len = 0;
    uint64_t value = 0;
    while (len < most && digit_of(at[len]) <= 9) {
        value = value * 10 + digit_of(at[len]);
        len++;
    }
    if (len == rest->len) {
        *rest = nki_str_make(NULL, 0);
    } else if (at[len] == '.') {
        *rest = nki_str_make(at + len + 1, rest->len - len - 1);
    } else {
        return nki_str_u64(nki_str_cut(rest, '.'), out); /* longer, or none */
    }
    *out = value;
    return len == 1 || (len > 1 && at[0] != '0');
}

static inline bool read_time(struct nki_str *rest, int64_t *out)
{
    uint64_t since_1970;
    if (NKI_UNLIKELY(rest->len > 0 && rest->ptr[0] == '-')) {
        return nki_str_i64(nki_str_cut(rest, '.'), out);
    }
    if (!read_number(rest, &since_1970) || since_1970 > INT64_MAX) {
        return false;
    }
    *out = (int64_t)since_1970;
    return true;
}

static inline bool read_numbers(struct nki_str *rest, struct nki_ack_subject *out)
{
    return read_number(rest, &out->delivered) && read_number(rest, &out->stream_seq) &&
           read_number(rest, &out->consumer_seq) && read_time(rest, &out->time_ns) &&
           read_number(rest, &out->pending);
}

/* What follows the eleventh token: nothing, or tokens. */
static bool ends_well(struct nki_str rest)
{
    struct nki_str token;
    while (rest.ptr != NULL) {
        if (!read_text(&rest, &token)) {
            return false;
        }
    }
    return true;
}

bool nki_ack_subject_parse(struct nki_str reply, struct nki_ack_subject *out)
{
    if (!nki_ack_subject_is(reply)) {
        return false;
    }
    struct nki_str rest = nki_str_make(reply.ptr + NKI_ACK_PREFIX_LEN, reply.len - NKI_ACK_PREFIX_LEN);
    *out = (struct nki_ack_subject){.domain = NKI_STR(""), .account = NKI_STR("")};
    if (!read_text(&rest, &out->stream) || !read_text(&rest, &out->consumer)) {
        return false;
    }
    struct nki_str third = rest;
    if (NKI_LIKELY(read_numbers(&rest, out) && rest.ptr == NULL)) {
        return true;
    }
    /* Not nine tokens, or no numbers: then the first two are domain and account. */
    out->domain = nki_str_eq(out->stream, NKI_STR("_")) ? NKI_STR("") : out->stream;
    out->account = out->consumer;
    return read_text(&third, &out->stream) && read_text(&third, &out->consumer) &&
           read_numbers(&third, out) && ends_well(third);
}
