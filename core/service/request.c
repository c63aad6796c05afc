/* Requests of services: see request.h. */
#include "service/request.h"

#include "base/clock.h"
#include "wire/header.h"

#include <stdio.h>

#define COUNTED 1u
#define FAILED 2u

static const char code_header[] = "Nats-Service-Error-Code";
static const char text_header[] = "Nats-Service-Error";

/* Counts it unless it was counted, or never taken. */
static void count(struct nki_msg_tail *tail)
{
    unsigned before = atomic_fetch_or_explicit(&tail->state, COUNTED, memory_order_relaxed);
    if ((before & COUNTED) == 0 && tail->taken_ns != 0) {
        nki_ledger_count(tail->owner, tail->index, nki_clock_now_ns() - tail->taken_ns);
    }
}

static void let_go(struct nki_msg_tail *tail)
{
    count(tail);
    nki_ledger_release(tail->owner);
}

void nki_request_begin(struct nki_msg *msg, struct nki_ledger *ledger, uint32_t endpoint)
{
    struct nki_msg_tail *tail = nki_msg_tail(msg);
    tail->let_go = let_go;
    tail->owner = ledger;
    tail->taken_ns = 0;
    tail->index = endpoint;
    atomic_init(&tail->state, 0);
    nki_ledger_retain(ledger);
    msg->kind = NKI_MSG_SERVICE;
}

const struct nki_endpoint *nki_request_endpoint(const struct nki_msg *msg, uint32_t *index)
{
    const struct nki_msg_tail *tail = nki_msg_tail(msg);
    *index = tail->index;
    return nki_ledger_endpoint(tail->owner, tail->index);
}

void nki_request_handled(const struct nki_msg *msg)
{
    count(nki_msg_tail(msg));
}

/* Valid UTF-8 of at most NKI_SERVICE_ERROR_MAX bytes, in one line if `line`; its length. */
static size_t clean(char *out, struct nki_str text, bool line)
{
    size_t len = 0;
    while (text.len > 0) {
        size_t step = nki_str_utf8_len(text);
        size_t take = step > 0 ? step : 1;
        if (len + take > NKI_SERVICE_ERROR_MAX) {
            break;
        }
        memcpy(out + len, text.ptr, take);
        unsigned char byte = (unsigned char)text.ptr[0];
        if (step == 0) {
            out[len] = '?';
        } else if (byte == 0 || (line && (byte < 0x20 || byte == 0x7f))) {
            out[len] = ' ';
        }
        len += take;
        text.ptr += take;
        text.len -= take;
    }
    return len;
}

void nki_request_failed(const struct nki_msg *msg, int32_t code, struct nki_str description)
{
    struct nki_msg_tail *tail = nki_msg_tail(msg);
    count(tail);
    unsigned before = atomic_fetch_or_explicit(&tail->state, FAILED, memory_order_relaxed);
    if ((before & FAILED) == 0) {
        char text[NKI_SERVICE_ERROR_MAX];
        size_t len = clean(text, description, false);
        nki_ledger_count_error(tail->owner, tail->index, code, nki_str_make(text, len));
    }
}

int32_t nki_request_error_headers(struct nki_buf *block, int32_t code, struct nki_str description,
                                  struct nki_error *err)
{
    char text[NKI_SERVICE_ERROR_MAX];
    char number[16];
    struct nki_str value = nki_str_trim(nki_str_make(text, clean(text, description, true)));
    (void)snprintf(number, sizeof number, "%d", (int)code);
    int32_t status = nki_header_set(block, nki_str_z(code_header), NKI_MATCH_EXACT, nki_str_z(number), err);
    return status != NKI_OK ? status
                            : nki_header_set(block, nki_str_z(text_header), NKI_MATCH_EXACT, value, err);
}

int32_t nki_answer_error(const struct nki_msg *msg, struct nki_error *err)
{
    struct nki_str block = nki_msg_header_block(msg);
    struct nki_str code;
    struct nki_str text;
    if (block.len == 0 || !nki_header_find(block, nki_str_z(code_header), NKI_MATCH_IGNORE_CASE, 0, &code)) {
        return NKI_OK;
    }
    if (!nki_header_find(block, nki_str_z(text_header), NKI_MATCH_IGNORE_CASE, 0, &text)) {
        text = NKI_STR("");
    }
    uint64_t number;
    int shown = text.len < 400 ? (int)text.len : 400;
    nki_error_set(err, NKI_SERVICE_ERROR, "%.*s", shown, shown > 0 ? text.ptr : "");
    if (err != NULL && nki_str_u64(code, &number) && number <= INT32_MAX) {
        err->server_code = (int32_t)number;
    }
    return NKI_SERVICE_ERROR;
}
