/* Counters: see counter.h. */
#include "jetstream/counter.h"

#include "jetstream/publish.h"
#include "wire/header.h"

#define INCREMENT NKI_STR("Nats-Incr")

static bool has_sign(struct nki_str text)
{
    return text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+');
}

const char *nki_counter_fault(struct nki_str by)
{
    size_t sign = has_sign(by);
    if (by.len == sign) {
        return "it has no digits";
    }
    if (by.len - sign > NKI_PUB_ACK_VALUE_MAX) {
        return "it has more than 4096 digits";
    }
    for (size_t i = sign; i < by.len; i++) {
        if (by.ptr[i] < '0' || by.ptr[i] > '9') {
            return "it is no whole number";
        }
    }
    return NULL;
}

bool nki_counter_i64(struct nki_str digits, int64_t *out)
{
    bool below = digits.len > 0 && digits.ptr[0] == '-';
    size_t sign = has_sign(digits);
    uint64_t number = 0;
    if (digits.len == sign) {
        return false;
    }
    for (size_t i = sign; i < digits.len; i++) {
        unsigned digit = (unsigned)(unsigned char)digits.ptr[i] - '0';
        if (digit > 9 || number > (UINT64_MAX - digit) / 10) {
            return false;
        }
        number = 10 * number + digit;
    }
    if (number > (uint64_t)INT64_MAX + below) {
        return false;
    }
    *out = !below ? (int64_t)number : number > INT64_MAX ? INT64_MIN : -(int64_t)number;
    return true;
}

/* The headers of `msg` and what is added; `out` to be freed in any case. */
static int32_t append_headers(const struct nki_outgoing_msg *msg, struct nki_str by, struct nki_buf *out,
                              struct nki_error *err)
{
    struct nki_str other;
    struct nki_buf text = {0};
    if (nki_header_find(msg->header_block, INCREMENT, NKI_MATCH_EXACT, 0, &other)) {
        return nki_error_set(err, NKI_INVALID, "headers: Nats-Incr is what is added already");
    }
    bool ok = (has_sign(by) || nki_buf_append(&text, "+", 1)) && nki_buf_append_str(&text, by) &&
              nki_buf_append_str(out, msg->header_block);
    struct nki_str value = nki_str_make((const char *)text.data, text.len);
    int32_t status =
        ok ? nki_header_append(out, INCREMENT, value, err) : nki_error_set(err, NKI_NO_MEMORY, NULL);
    nki_buf_free(&text);
    return status;
}

static struct nki_outgoing_msg increment_of(const struct nki_outgoing_msg *msg, const struct nki_buf *block)
{
    return (struct nki_outgoing_msg){.subject = msg->subject,
                                     .header_block = nki_str_make((const char *)block->data, block->len),
                                     .data = NKI_STR("")};
}

int32_t nki_js_increment_begin(struct nki_js *js, const struct nki_outgoing_msg *msg, struct nki_str by,
                               const struct nki_js_begin *begin, struct nki_op **op, struct nki_error *err)
{
    struct nki_buf block = {0};
    int32_t status = append_headers(msg, by, &block, err);
    if (status == NKI_OK) {
        struct nki_outgoing_msg increment = increment_of(msg, &block);
        status = nki_js_count_begin(js, &increment, begin, op, err);
    }
    nki_buf_free(&block);
    return status;
}

int32_t nki_js_increment(struct nki_js *js, const struct nki_outgoing_msg *msg, struct nki_str by,
                         int64_t deadline_ns, struct nki_msg **ack, int32_t *outcome, struct nki_error *err)
{
    struct nki_buf block = {0};
    *outcome = NKI_OUTCOME_NOT_SENT;
    int32_t status = append_headers(msg, by, &block, err);
    if (status == NKI_OK) {
        struct nki_outgoing_msg increment = increment_of(msg, &block);
        status = nki_js_count(js, &increment, deadline_ns, ack, outcome, err);
    }
    nki_buf_free(&block);
    return status;
}
