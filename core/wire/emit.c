/* Writes the frames that a client sends, and finds their borders again. Runs in the caller's thread under the
 * outbox lock; pure, hot. */
#include "wire/emit.h"

static const char digit_pairs[] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
    "8081828384858687888990919293949596979899";

static inline unsigned digit_count(uint64_t value)
{
    unsigned count = 1;
    for (;;) {
        if (value < 10) {
            return count;
        }
        if (value < 100) {
            return count + 1;
        }
        if (value < 1000) {
            return count + 2;
        }
        if (value < 10000) {
            return count + 3;
        }
        value /= 10000;
        count += 4;
    }
}

static inline uint8_t *put_u64(uint8_t *out, uint64_t value)
{
    uint8_t *end = out + digit_count(value);
    uint8_t *at = end;
    while (value >= 100) {
        at -= 2;
        memcpy(at, digit_pairs + value % 100 * 2, 2);
        value /= 100;
    }
    if (value >= 10) {
        memcpy(at - 2, digit_pairs + value * 2, 2);
    } else {
        at[-1] = (uint8_t)('0' + value);
    }
    return end;
}

static inline uint8_t *put(uint8_t *out, const void *data, size_t len)
{
    memcpy(out, data, len);
    return out + len;
}

/* A word and the blank behind it. */
static inline uint8_t *put_word(uint8_t *out, struct nki_str word)
{
    out = put(out, word.ptr, word.len);
    *out = ' ';
    return out + 1;
}

uint8_t *nki_emit_u64(uint8_t *out, uint64_t value)
{
    assert(out != NULL);
    return put_u64(out, value);
}

uint8_t *nki_emit_pub(uint8_t *out, struct nki_str subject, struct nki_str reply, size_t header_len,
                      size_t body_len)
{
    assert(out != NULL && subject.len > 0 && header_len <= body_len);
    out = header_len > 0 ? put(out, "HPUB ", 5) : put(out, "PUB ", 4);
    out = put_word(out, subject);
    if (reply.len > 0) {
        out = put_word(out, reply);
    }
    if (header_len > 0) {
        out = put_u64(out, header_len);
        *out++ = ' ';
    }
    out = put_u64(out, body_len);
    return put(out, "\r\n", 2);
}

uint8_t *nki_emit_sub(uint8_t *out, struct nki_str subject, struct nki_str queue, uint64_t sid)
{
    assert(out != NULL && subject.len > 0 && sid > 0);
    out = put(out, "SUB ", 4);
    out = put_word(out, subject);
    if (queue.len > 0) {
        out = put_word(out, queue);
    }
    out = put_u64(out, sid);
    return put(out, "\r\n", 2);
}

uint8_t *nki_emit_unsub(uint8_t *out, uint64_t sid, uint64_t max)
{
    assert(out != NULL && sid > 0);
    out = put(out, "UNSUB ", 6);
    out = put_u64(out, sid);
    if (max > 0) {
        *out++ = ' ';
        out = put_u64(out, max);
    }
    return put(out, "\r\n", 2);
}

/* `line` has at least its operation and CRLF: 6 bytes. */
static enum nki_out_kind kind_of(const uint8_t *line)
{
    if (memcmp(line, "PUB ", 4) == 0 || memcmp(line, "HPUB ", 5) == 0) {
        return NKI_OUT_PUB;
    }
    if (memcmp(line, "PUB\t", 4) == 0 || memcmp(line, "HPUB\t", 5) == 0) {
        return NKI_OUT_ONCE;
    }
    if (memcmp(line, "SUB ", 4) == 0) {
        return NKI_OUT_SUB;
    }
    if (memcmp(line, "UNSU", 4) == 0) {
        return NKI_OUT_UNSUB;
    }
    assert(memcmp(line, "PING", 4) == 0 || memcmp(line, "PONG", 4) == 0 || memcmp(line, "CONN", 4) == 0);
    return NKI_OUT_OTHER;
}

size_t nki_emit_frame_len(const uint8_t *data, size_t len, enum nki_out_kind *kind)
{
    assert(data != NULL && kind != NULL);
    const uint8_t *newline = memchr(data, '\n', len);
    assert(newline != NULL && newline - data >= 5 && newline[-1] == '\r');
    size_t line_len = (size_t)(newline - data) + 1;
    *kind = kind_of(data);
    if (*kind != NKI_OUT_PUB && *kind != NKI_OUT_ONCE) {
        return line_len;
    }
    /* The size of the body is the last argument: read from behind. */
    const uint8_t *end = newline - 1;
    const uint8_t *at = end;
    while (at[-1] != ' ') { /* the blank behind the operation ends this at the latest */
        at--;
    }
    uint64_t body_len;
    bool is_number = nki_str_u64(nki_str_make((const char *)at, (size_t)(end - at)), &body_len);
    assert(is_number && body_len <= SIZE_MAX - line_len - 2);
    (void)is_number;
    return line_len + (size_t)body_len + 2;
}

/* The last word of a line, which is a number; cuts it off. */
static uint64_t cut_size(struct nki_str *words)
{
    size_t at = words->len;
    while (words->ptr[at - 1] != ' ') {
        at--;
    }
    uint64_t size;
    bool is_number = nki_str_u64(nki_str_make(words->ptr + at, words->len - at), &size);
    assert(is_number);
    (void)is_number;
    words->len = at - 1;
    return size;
}

void nki_emit_read_pub(const uint8_t *data, size_t len, struct nki_emit_pub_line *out)
{
    assert(data != NULL && out != NULL);
    const uint8_t *newline = memchr(data, '\n', len);
    assert(newline != NULL && newline - data >= 7 && newline[-1] == '\r');
    bool headers = data[0] == 'H';
    size_t begin = headers ? 5 : 4;
    out->len = (size_t)(newline - data) + 1;
    struct nki_str words = nki_str_make((const char *)data + begin, out->len - 2 - begin);
    out->body_len = cut_size(&words);
    out->header_len = headers ? cut_size(&words) : 0;
    const char *blank = memchr(words.ptr, ' ', words.len);
    size_t subject_len = blank != NULL ? (size_t)(blank - words.ptr) : words.len;
    out->subject = nki_str_make(words.ptr, subject_len);
    out->reply = blank != NULL ? nki_str_make(blank + 1, words.len - subject_len - 1) : NKI_STR("");
}
