/* Answers to published messages: see pub_ack.h.
 *
 * Nearly all are short flat objects of a few members, read in one pass without a tree; whatever is not one
 * goes through the scanner of all JSON (base/json.h). */
#include "jetstream/pub_ack.h"

#include "jetstream/api_error.h"

#define ACK_MAX ((size_t)64 * NKI_KIB) /* a longer answer is no ack */
#define RESOLVED_MAX (4 * NKI_PUB_ACK_NAME_MAX)

static const struct nki_pub_ack no_ack = {
    .stream = {"", 0}, .domain = {"", 0}, .text = {"", 0}, .batch = {"", 0}, .value = {"", 0}};

/* What a message of the kind begins with; the texts follow. Small, since it takes the place of a reply
 * subject. */
struct __attribute__((packed)) record {
    uint64_t id;
    uint64_t seq;
    int32_t server_code;
    int32_t err_code;
    int16_t status;
    uint16_t text_len;
    uint8_t outcome : 6;
    uint8_t more : 1; /* struct more follows */
    uint8_t duplicate : 1;
    uint8_t stream_len;
    uint8_t domain_len;
};
/* Of batches and counters: no longer than the names of the members that told of it. */
struct __attribute__((packed)) more {
    uint32_t count;
    uint16_t value_len;
    uint8_t batch_len;
};
_Static_assert(sizeof(struct more) <= sizeof ",\"val\":\"\"" - 1, "it has room where the JSON was");
/* Messages are made with room for a whole struct before their bytes, of which the end is padding. */
_Static_assert(sizeof(struct nki_msg) - offsetof(struct nki_msg, bytes) + NKI_PUB_ACK_SUBJECT_MIN >=
                   sizeof(struct record),
               "it has room where the subject was");

/* -- reading --------------------------------------------------------------------------------------------- */

struct scan {
    const char *at;
    const char *end;
};

static inline void skip_blanks(struct scan *scan)
{
    while (scan->at < scan->end &&
           (*scan->at == ' ' || *scan->at == '\n' || *scan->at == '\r' || *scan->at == '\t')) {
        scan->at++;
    }
}

static inline bool take(struct scan *scan, char c)
{
    skip_blanks(scan);
    bool there = scan->at < scan->end && *scan->at == c;
    scan->at += there;
    return there;
}

/* A string of plain ASCII. */
static inline bool take_string(struct scan *scan, struct nki_str *out)
{
    if (!take(scan, '"')) {
        return false;
    }
    const char *begin = scan->at;
    while (scan->at < scan->end && *scan->at != '"') {
        if (*scan->at == '\\' || *scan->at < ' ' || *scan->at == 0x7f) {
            return false; /* an escape, UTF-8 (where char is signed), or not allowed */
        }
        scan->at++;
    }
    *out = nki_str_make(begin, (size_t)(scan->at - begin));
    return take(scan, '"');
}

static inline bool take_number(struct scan *scan, uint64_t *out)
{
    skip_blanks(scan);
    const char *begin = scan->at;
    while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9') {
        scan->at++;
    }
    return nki_str_u64(nki_str_make(begin, (size_t)(scan->at - begin)), out);
}

static inline bool take_bool(struct scan *scan, bool *out)
{
    skip_blanks(scan);
    struct nki_str word = nki_str_make(scan->at, (size_t)(scan->end - scan->at));
    *out = nki_str_starts(word, NKI_STR("true"));
    scan->at += *out ? 4 : 5;
    return *out || nki_str_starts(word, NKI_STR("false"));
}

static bool take_member(struct scan *scan, struct nki_pub_ack *out)
{
    struct nki_str name;
    if (!take_string(scan, &name) || !take(scan, ':')) {
        return false;
    }
    if (nki_str_eq(name, NKI_STR("stream"))) {
        return take_string(scan, &out->stream);
    }
    if (nki_str_eq(name, NKI_STR("seq"))) {
        return take_number(scan, &out->seq);
    }
    if (nki_str_eq(name, NKI_STR("domain"))) {
        return take_string(scan, &out->domain);
    }
    if (nki_str_eq(name, NKI_STR("duplicate"))) {
        return take_bool(scan, &out->duplicate);
    }
    if (nki_str_eq(name, NKI_STR("batch"))) {
        return take_string(scan, &out->batch);
    }
    if (nki_str_eq(name, NKI_STR("count"))) {
        return take_number(scan, &out->count);
    }
    return nki_str_eq(name, NKI_STR("val")) && take_string(scan, &out->value);
}

/* The form that a stream gives nearly always. False: it may be another one. */
static bool read_plain(const char *data, size_t len, struct nki_pub_ack *out)
{
    struct scan scan = {data, data + len};
    if (!take(&scan, '{')) {
        return false;
    }
    do {
        if (!take_member(&scan, out)) {
            return false;
        }
    } while (take(&scan, ','));
    if (!take(&scan, '}')) {
        return false;
    }
    skip_blanks(&scan);
    return scan.at == scan.end;
}

/* A string's text, with escapes resolved; empty if there is none, or it cannot be a name. */
static struct nki_str resolve(const struct nki_json_value *object, struct nki_str name,
                              char text[RESOLVED_MAX])
{
    struct nki_json_value value;
    ptrdiff_t len = nki_json_member(object, name, &value) ? nki_json_text(&value, text, RESOLVED_MAX) : -1;
    return len > 0 && len <= NKI_PUB_ACK_NAME_MAX ? nki_str_make(text, (size_t)len) : NKI_STR("");
}

/* Moves a text to `*at`, as far as the room before `end` reaches. */
static struct nki_str settle(char **at, const char *end, struct nki_str text)
{
    char *place = *at;
    if (text.len == 0 || text.len > (size_t)(end - place)) {
        return NKI_STR("");
    }
    memcpy(place, text.ptr, text.len);
    *at += text.len;
    return nki_str_make(place, text.len);
}

static void read_any(char *data, size_t len, struct nki_pub_ack *out)
{
    struct nki_json_value object;
    struct nki_json_value value;
    char stream[RESOLVED_MAX];
    char domain[RESOLVED_MAX];
    char batch[RESOLVED_MAX];
    struct nki_error error = {.status = NKI_OK};
    *out = no_ack;
    if (!nki_json_check(nki_str_make(data, len), &object) || object.type != NKI_JSON_OBJECT) {
        return;
    }
    if (nki_json_member(&object, NKI_STR("seq"), &value) && !nki_json_u64(&value, &out->seq)) {
        out->seq = 0;
    }
    if (nki_json_member(&object, NKI_STR("duplicate"), &value)) {
        out->duplicate = value.type == NKI_JSON_TRUE;
    }
    if (nki_json_member(&object, NKI_STR("error"), &value)) {
        out->status = nki_js_read_error(&value, &error);
        out->outcome = NKI_OUTCOME_REJECTED;
        out->server_code = error.server_code;
        out->err_code = error.err_code;
        out->seq = 0;
        out->duplicate = false;
    }
    if (nki_json_member(&object, NKI_STR("count"), &value) && !nki_json_u64(&value, &out->count)) {
        out->count = 0;
    }
    out->stream = resolve(&object, NKI_STR("stream"), stream);
    out->domain = resolve(&object, NKI_STR("domain"), domain);
    out->batch = resolve(&object, NKI_STR("batch"), batch);
    if (nki_json_member(&object, NKI_STR("val"), &value) && value.type == NKI_JSON_STRING) {
        /* Digits hold no escapes. It is moved first, since it lies where the others are put. */
        out->value = nki_str_make(value.raw.ptr + 1, value.raw.len - 2);
    }
    if (out->status != NKI_OK) { /* nothing is stored; and the error's text may be as long as the JSON */
        out->count = 0;
        out->batch = out->value = NKI_STR("");
    }
    /* The JSON is of no use any more, and none of them is longer than what it was written as. */
    char *at = data;
    if (out->value.len > 0) {
        memmove(at, out->value.ptr, out->value.len);
        out->value.ptr = at;
        at += out->value.len;
    }
    out->stream = settle(&at, data + len, out->stream);
    out->domain = settle(&at, data + len, out->domain);
    out->batch = settle(&at, data + len, out->batch);
    if (out->status != NKI_OK) {
        out->text = settle(&at, data + len, nki_str_z(error.text));
    }
}

static bool is_value(struct nki_str text)
{
    size_t sign = text.len > 0 && text.ptr[0] == '-';
    for (size_t i = sign; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
    }
    return text.len > sign && text.len <= NKI_PUB_ACK_VALUE_MAX;
}

int32_t nki_pub_ack_read(char *data, size_t len, struct nki_pub_ack *out)
{
    *out = no_ack;
    if (len <= ACK_MAX && !read_plain(data, len, out)) {
        read_any(data, len, out);
    }
    if (!is_value(out->value)) {
        out->value = NKI_STR("");
    }
    if (out->status != NKI_OK) {
        return out->status;
    }
    bool good = out->seq > 0 && out->stream.len > 0 && out->stream.len <= NKI_PUB_ACK_NAME_MAX &&
                out->domain.len <= NKI_PUB_ACK_NAME_MAX && out->batch.len <= NKI_PUB_ACK_NAME_MAX &&
                out->count <= UINT32_MAX;
    if (!good) {
        *out = no_ack;
    }
    out->status = good ? NKI_OK : NKI_INVALID_ACK;
    out->outcome = good ? NKI_OUTCOME_DONE : NKI_OUTCOME_UNKNOWN;
    return out->status;
}

/* -- as a message ---------------------------------------------------------------------------------------- */

static bool has_more(const struct nki_pub_ack *ack)
{
    return ack->count > 0 || ack->batch.len > 0 || ack->value.len > 0;
}

static uint8_t *put_text(uint8_t *at, struct nki_str text)
{
    if (text.len > 0) {
        memcpy(at, text.ptr, text.len);
    }
    return at + text.len;
}

static void put(struct nki_msg *msg, const struct nki_pub_ack *ack)
{
    const struct record record = {
        .id = ack->id,
        .seq = ack->seq,
        .server_code = ack->server_code,
        .err_code = ack->err_code,
        .status = (int16_t)ack->status,
        .text_len = (uint16_t)ack->text.len,
        .outcome = (uint8_t)ack->outcome & 0x3f,
        .more = has_more(ack),
        .duplicate = ack->duplicate,
        .stream_len = (uint8_t)ack->stream.len,
        .domain_len = (uint8_t)ack->domain.len,
    };
    uint8_t *at = msg->bytes;
    memcpy(at, &record, sizeof record);
    at += sizeof record;
    if (has_more(ack)) {
        const struct more more = {(uint32_t)ack->count, (uint16_t)ack->value.len, (uint8_t)ack->batch.len};
        memcpy(at, &more, sizeof more);
        at += sizeof more;
    }
    at = put_text(at, ack->stream);
    at = put_text(at, ack->domain);
    at = put_text(at, ack->text);
    at = put_text(at, ack->batch);
    put_text(at, ack->value);
    msg->kind = NKI_MSG_PUB_ACK;
    msg->subject_len = msg->reply_len = msg->header_len = msg->data_len = 0;
}

static size_t text_bytes(const struct nki_pub_ack *ack)
{
    return ack->stream.len + ack->domain.len + ack->text.len + ack->batch.len + ack->value.len;
}

void nki_pub_ack_turn(struct nki_msg *msg, const struct nki_pub_ack *ack)
{
    struct nki_pub_ack copy = *ack;
    char texts[3 * NKI_PUB_ACK_NAME_MAX + NKI_PUB_ACK_VALUE_MAX +
               sizeof(((struct nki_error *)0)->text)] NKI_UNINIT;
    assert(msg->subject_len >= NKI_PUB_ACK_SUBJECT_MIN && text_bytes(ack) <= sizeof texts &&
           text_bytes(ack) <= msg->data_len);
    char *at = texts; /* they lie where the record is put */
    copy.stream = settle(&at, texts + sizeof texts, ack->stream);
    copy.domain = settle(&at, texts + sizeof texts, ack->domain);
    copy.text = settle(&at, texts + sizeof texts, ack->text);
    copy.batch = settle(&at, texts + sizeof texts, ack->batch);
    copy.value = settle(&at, texts + sizeof texts, ack->value);
    put(msg, &copy);
}

struct nki_msg *nki_pub_ack_msg(struct nki_slab *slab, const struct nki_pub_ack *ack)
{
    size_t len = sizeof(struct record) + sizeof(struct more) + text_bytes(ack);
    struct nki_msg *msg = nki_msg_new(slab, NKI_STR(""), NKI_STR(""), 0, (uint32_t)len);
    if (msg != NULL) {
        msg->origin = 0;
        msg->sid = 0;
        put(msg, ack);
    }
    return msg;
}

void nki_pub_ack_of(const struct nki_msg *msg, struct nki_pub_ack *out)
{
    assert(msg->kind == NKI_MSG_PUB_ACK);
    struct record record;
    memcpy(&record, msg->bytes, sizeof record);
    const char *at = (const char *)msg->bytes + sizeof record;
    struct more more = {0};
    if (record.more) {
        memcpy(&more, at, sizeof more);
        at += sizeof more;
    }
    const char *batch = at + record.stream_len + record.domain_len + record.text_len;
    *out = (struct nki_pub_ack){
        .id = record.id,
        .seq = record.seq,
        .status = record.status,
        .outcome = record.outcome,
        .server_code = record.server_code,
        .err_code = record.err_code,
        .duplicate = record.duplicate != 0,
        .stream = nki_str_make(at, record.stream_len),
        .domain = nki_str_make(at + record.stream_len, record.domain_len),
        .text = nki_str_make(at + record.stream_len + record.domain_len, record.text_len),
        .batch = nki_str_make(batch, more.batch_len),
        .count = more.count,
        .value = nki_str_make(batch + more.batch_len, more.value_len),
    };
}
