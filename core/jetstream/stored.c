/* Stored messages: see stored.h. */
#include "jetstream/stored.h"

#include "base/base64.h"
#include "base/buf.h"
#include "base/rfc3339.h"
#include "base/status.h"
#include "wire/header.h"

/* Appends what a member holds in base64; nothing if there is no such member. */
static int32_t append_decoded(struct nki_buf *out, const struct nki_json_value *message, struct nki_str name)
{
    struct nki_json_value value;
    if (!nki_json_member(message, name, &value) || value.type == NKI_JSON_NULL) {
        return NKI_OK;
    }
    if (value.type != NKI_JSON_STRING) {
        return NKI_PROTOCOL;
    }
    struct nki_str text = nki_str_make(value.raw.ptr + 1, value.raw.len - 2); /* base64 needs no escapes */
    if (text.len == 0) {
        return NKI_OK;
    }
    if (!nki_buf_reserve(out, text.len)) {
        return NKI_NO_MEMORY;
    }
    ptrdiff_t len = nki_base64_decode(NKI_BASE64_PADDED, text, out->data + out->len, text.len);
    out->len += len > 0 ? (size_t)len : 0;
    return len >= 0 ? NKI_OK : NKI_PROTOCOL;
}

/* A text that can be the value of a header, in `out`. */
static bool read_value(const struct nki_json_value *message, struct nki_str name, char *out, size_t cap)
{
    struct nki_json_value value;
    return nki_json_member(message, name, &value) && nki_json_text(&value, out, cap) >= 0 &&
           strpbrk(out, "\r\n") == NULL;
}

static bool append_header(struct nki_buf *out, struct nki_str name, struct nki_str value)
{
    return nki_buf_append_str(out, name) && nki_buf_append(out, ": ", 2) && nki_buf_append_str(out, value) &&
           nki_buf_append(out, "\r\n", 2);
}

/* The publisher's block without its last line, which is made where there is none. */
static int32_t append_own_headers(struct nki_buf *out, const struct nki_json_value *message)
{
    int32_t status = append_decoded(out, message, NKI_STR("hdrs"));
    if (status != NKI_OK) {
        return status;
    }
    if (out->len == 0) {
        return nki_buf_append_str(out, NKI_STR("NATS/1.0\r\n")) ? NKI_OK : NKI_NO_MEMORY;
    }
    bool whole = out->len >= 4 && memcmp(out->data + out->len - 4, "\r\n\r\n", 4) == 0;
    out->len -= whole ? 2 : 0;
    return whole ? NKI_OK : NKI_PROTOCOL;
}

static int32_t append_place(struct nki_buf *out, const struct nki_json_value *message, struct nki_str stream)
{
    struct nki_json_value seq;
    char subject[2048];
    char time[64];
    if (!nki_json_member(message, NKI_STR("seq"), &seq) || seq.type != NKI_JSON_NUMBER ||
        !read_value(message, NKI_STR("subject"), subject, sizeof subject) ||
        !read_value(message, NKI_STR("time"), time, sizeof time)) {
        return NKI_PROTOCOL;
    }
    bool ok = append_header(out, NKI_STR("Nats-Stream"), stream) &&
              append_header(out, NKI_STR("Nats-Subject"), nki_str_z(subject)) &&
              append_header(out, NKI_STR("Nats-Sequence"), seq.raw) &&
              append_header(out, NKI_STR("Nats-Time-Stamp"), nki_str_z(time)) &&
              nki_buf_append(out, "\r\n", 2);
    return ok ? NKI_OK : NKI_NO_MEMORY;
}

int32_t nki_stored_msg(const struct nki_json_value *answer, struct nki_str stream, struct nki_msg **out)
{
    struct nki_json_value message;
    struct nki_buf body = {0};
    if (answer->type != NKI_JSON_OBJECT || !nki_json_member(answer, NKI_STR("message"), &message) ||
        message.type != NKI_JSON_OBJECT) {
        return NKI_PROTOCOL;
    }
    int32_t status = append_own_headers(&body, &message);
    status = status == NKI_OK ? append_place(&body, &message, stream) : status;
    size_t header_len = body.len;
    status = status == NKI_OK ? append_decoded(&body, &message, NKI_STR("data")) : status;
    if (status == NKI_OK) {
        *out = nki_msg_new(NULL, NKI_STR("_"), NKI_STR(""), (uint32_t)header_len, (uint32_t)body.len);
        status = *out != NULL ? NKI_OK : NKI_NO_MEMORY;
    }
    if (status == NKI_OK) {
        memcpy(nki_msg_body(*out), body.data, body.len);
    }
    nki_buf_free(&body);
    return status;
}

/* -- reading --------------------------------------------------------------------------------------------- */

struct told {
    struct nki_str seq;
    struct nki_str time;
    struct nki_str pending;
    struct nki_str last;
};

static struct nki_str *place_of(struct nki_str name, struct nki_stored *out, struct told *told)
{
    const struct {
        struct nki_str name;
        struct nki_str *place;
    } rows[] = {
        {NKI_STR("Nats-Stream"), &out->stream},        {NKI_STR("Nats-Subject"), &out->subject},
        {NKI_STR("Nats-Sequence"), &told->seq},        {NKI_STR("Nats-Time-Stamp"), &told->time},
        {NKI_STR("Nats-Num-Pending"), &told->pending}, {NKI_STR("Nats-Last-Sequence"), &told->last},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (nki_str_eq(name, rows[i].name)) {
            return rows[i].place;
        }
    }
    return NULL;
}

struct nki_str nki_stored_own_block(const struct nki_msg *msg)
{
    static const char first[] = "\r\nNats-Stream:"; /* of what the server adds */
    struct nki_str block = nki_msg_header_block(msg);
    if (msg->kind != NKI_MSG_STORED) {
        return block;
    }
    for (size_t at = block.len >= sizeof first ? block.len - sizeof first : 0; at > 0; at--) {
        if (memcmp(block.ptr + at, first, sizeof first - 1) == 0) {
            return nki_str_make(block.ptr, at + 2);
        }
    }
    return nki_str_make(block.ptr, 0);
}

bool nki_stored_read(const struct nki_msg *msg, struct nki_stored *out)
{
    struct nki_str block = nki_msg_header_block(msg);
    struct nki_str name;
    struct nki_str value;
    struct told told;
    size_t at = 0;
    memset(out, 0, sizeof *out);
    memset(&told, 0, sizeof told);
    while (nki_header_next(block, &at, &name, &value)) {
        struct nki_str *place =
            name.len > 5 && memcmp(name.ptr, "Nats-", 5) == 0 ? place_of(name, out, &told) : NULL;
        if (place != NULL) {
            *place = value;
        }
    }
    out->paged = told.pending.ptr != NULL && nki_str_u64(told.pending, &out->pending);
    if (told.last.ptr == NULL || !nki_str_u64(told.last, &out->last_seq)) {
        out->last_seq = 0;
    }
    return out->stream.ptr != NULL && out->subject.ptr != NULL && told.seq.ptr != NULL &&
           told.time.ptr != NULL && nki_str_u64(told.seq, &out->seq) && out->seq > 0 &&
           nki_rfc3339_read(told.time, &out->time_ns);
}
