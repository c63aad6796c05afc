/* Frames of WebSocket as bytes: see ws_frame.h. Pure; any thread. */
#include "net/ws_frame.h"

#include "base/str.h"

#define FINAL 0x80
#define RESERVED 0x70
#define MASKED 0x80
#define LEN_16 126 /* in place of a length: it stands in the next 2 bytes */
#define LEN_64 127 /* ... in the next 8 */

size_t nki_ws_head(uint8_t out[static NKI_WS_HEAD_MAX], enum nki_ws_opcode opcode, uint64_t len,
                   const uint8_t mask[static 4])
{
    size_t at = 2;
    size_t bytes = len < LEN_16 ? 0 : len <= UINT16_MAX ? 2 : 8;
    out[0] = (uint8_t)(FINAL | opcode);
    out[1] = (uint8_t)(MASKED | (bytes == 0 ? len : bytes == 2 ? LEN_16 : LEN_64));
    for (size_t i = bytes; i > 0; i--) {
        out[at++] = (uint8_t)(len >> (8 * (i - 1)));
    }
    memcpy(out + at, mask, 4);
    return at + 4;
}

void nki_ws_mask(uint8_t *to, const uint8_t *from, size_t len, const uint8_t mask[static 4], size_t at)
{
    uint8_t turned[8];
    uint64_t word;
    size_t i = 0;
    for (size_t j = 0; j < sizeof turned; j++) {
        turned[j] = mask[(at + j) & 3];
    }
    memcpy(&word, turned, sizeof word);
    for (; len - i >= sizeof word; i += sizeof word) {
        uint64_t bytes;
        memcpy(&bytes, from + i, sizeof bytes);
        bytes ^= word;
        memcpy(to + i, &bytes, sizeof bytes);
    }
    for (; i < len; i++) {
        to[i] = from[i] ^ turned[i & 3];
    }
}

static enum nki_ws_item malformed(struct nki_ws_decoder *decoder, enum nki_ws_code code, const char *fault)
{
    decoder->code = (uint16_t)code;
    decoder->fault = fault;
    return NKI_WS_MALFORMED;
}

/* What the first two bytes of a head say that may not be; NULL: nothing. */
static const char *head_fault(const struct nki_ws_decoder *decoder)
{
    bool control = decoder->opcode >= NKI_WS_CLOSE;
    uint8_t len = decoder->head[1] & (uint8_t)~MASKED;
    if ((decoder->head[0] & RESERVED) != 0) {
        return "a frame has bits set that no extension was agreed on for";
    }
    if ((decoder->head[1] & MASKED) != 0) {
        return "a frame is masked, as a server's must not be";
    }
    if (decoder->opcode > NKI_WS_PONG || (decoder->opcode > NKI_WS_BINARY && !control)) {
        return "a frame has an opcode that does not exist";
    }
    if (control) {
        return !decoder->final            ? "a control frame is in pieces"
               : len > NKI_WS_CONTROL_MAX ? "a control frame is longer than 125 bytes"
                                          : NULL;
    }
    if (decoder->opcode == NKI_WS_TEXT) {
        return "a message is text, where NATS is binary";
    }
    if ((decoder->opcode == NKI_WS_CONTINUATION) != decoder->in_message) {
        return decoder->in_message ? "a message begins within another one"
                                   : "a frame continues a message that has not begun";
    }
    return NULL;
}

/* The length of a complete head; false if it is not written in the shortest form, or too great. */
static bool read_len(struct nki_ws_decoder *decoder, enum nki_ws_code *code, const char **fault)
{
    uint64_t len = 0;
    for (size_t i = 2; i < decoder->head_len; i++) {
        len = len << 8 | decoder->head[i];
    }
    uint64_t least = decoder->head_len == 4 ? LEN_16 : decoder->head_len == 10 ? UINT16_MAX + 1 : 0;
    decoder->left = decoder->head_len == 2 ? decoder->head[1] : len;
    if (decoder->left > NKI_WS_FRAME_MAX) {
        *code = NKI_WS_CODE_TOO_BIG;
        *fault = "a frame is longer than 1 GiB";
        return false;
    }
    *code = NKI_WS_CODE_PROTOCOL;
    *fault = "the length of a frame is not in its shortest form";
    return decoder->left >= least;
}

/* How long the head is, as far as that is known. */
static size_t head_wants(const struct nki_ws_decoder *decoder)
{
    if (decoder->head_len < 2) {
        return 2;
    }
    return decoder->head[1] == LEN_64 ? 10 : decoder->head[1] == LEN_16 ? 4 : 2;
}

/* Takes bytes of a head. NKI_WS_DATA: it is complete. */
static enum nki_ws_item read_head(struct nki_ws_decoder *decoder, const uint8_t *data, size_t len,
                                  size_t *used)
{
    while (decoder->head_len < head_wants(decoder)) {
        if (*used == len) {
            return NKI_WS_MORE;
        }
        decoder->head[decoder->head_len++] = data[(*used)++];
        if (decoder->head_len == 2) {
            decoder->opcode = decoder->head[0] & 0x0f;
            decoder->final = (decoder->head[0] & FINAL) != 0;
            const char *fault = head_fault(decoder);
            if (fault != NULL) {
                bool text = decoder->opcode == NKI_WS_TEXT;
                return malformed(decoder, text ? NKI_WS_CODE_UNSUPPORTED : NKI_WS_CODE_PROTOCOL, fault);
            }
        }
    }
    enum nki_ws_code code;
    const char *fault;
    if (!read_len(decoder, &code, &fault)) {
        return malformed(decoder, code, fault);
    }
    decoder->in_frame = true;
    decoder->control_len = 0;
    return NKI_WS_DATA;
}

/* A control frame is complete. */
static enum nki_ws_item end_control(struct nki_ws_decoder *decoder)
{
    if (decoder->opcode != NKI_WS_CLOSE) {
        return decoder->opcode == NKI_WS_PING ? NKI_WS_GOT_PING : NKI_WS_MORE;
    }
    if (decoder->control_len == 1) {
        return malformed(decoder, NKI_WS_CODE_PROTOCOL, "a close frame has half a code");
    }
    decoder->code = NKI_WS_CODE_NONE;
    if (decoder->control_len >= 2) {
        decoder->code = (uint16_t)(decoder->control[0] << 8 | decoder->control[1]);
        decoder->control_len -= 2;
        memmove(decoder->control, decoder->control + 2, decoder->control_len);
    }
    return NKI_WS_GOT_CLOSE;
}

/* Takes content of the frame that has begun; its end is noticed here, too. NKI_WS_MORE: nothing to tell. */
static enum nki_ws_item read_content(struct nki_ws_decoder *decoder, const uint8_t *data, size_t len,
                                     size_t *used, size_t *content)
{
    bool control = decoder->opcode >= NKI_WS_CLOSE;
    size_t step = len - *used < decoder->left ? len - *used : (size_t)decoder->left;
    if (control && step > 0) {
        memcpy(decoder->control + decoder->control_len, data + *used, step);
        decoder->control_len += (uint8_t)step;
    }
    *used += step;
    decoder->left -= step;
    if (decoder->left == 0) {
        decoder->in_frame = false;
        decoder->head_len = 0;
        if (control) {
            return end_control(decoder);
        }
        decoder->in_message = !decoder->final;
    }
    if (control || step == 0) {
        return NKI_WS_MORE;
    }
    *content = step;
    return NKI_WS_DATA;
}

enum nki_ws_item nki_ws_decode(struct nki_ws_decoder *decoder, const uint8_t *data, size_t len, size_t *used,
                               size_t *content)
{
    *used = 0;
    *content = 0;
    assert(decoder->fault == NULL);
    for (;;) {
        if (!decoder->in_frame) {
            enum nki_ws_item item = read_head(decoder, data, len, used);
            if (item != NKI_WS_DATA) {
                return item;
            }
        }
        enum nki_ws_item item = read_content(decoder, data, len, used, content);
        if (item != NKI_WS_MORE || (*used == len && decoder->in_frame)) {
            return item;
        }
    }
}
