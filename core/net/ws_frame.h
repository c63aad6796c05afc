/* Frames of WebSocket (RFC 6455, 5) as bytes, for a client without extensions: heads and masks of those that
 * it sends, a decoder of those that it gets. Pure. */
#ifndef NKI_NET_WS_FRAME_H
#define NKI_NET_WS_FRAME_H

#include "base/defs.h"

#define NKI_WS_HEAD_MAX 14     /* of a frame that a client sends: with its mask */
#define NKI_WS_CONTROL_MAX 125 /* bytes that a control frame carries */
/* Of one frame. Its content is passed on as it comes, so the bound saves no memory: no server has a buffer
 * that long, and what says so is not in step. */
#define NKI_WS_FRAME_MAX ((uint64_t)1 << 30)

enum nki_ws_opcode {
    NKI_WS_CONTINUATION = 0,
    NKI_WS_TEXT = 1,
    NKI_WS_BINARY = 2,
    NKI_WS_CLOSE = 8,
    NKI_WS_PING = 9,
    NKI_WS_PONG = 10
};

/* Why one side closes (RFC 6455, 7.4.1). */
enum nki_ws_code {
    NKI_WS_CODE_NORMAL = 1000,
    NKI_WS_CODE_GOING_AWAY = 1001,
    NKI_WS_CODE_PROTOCOL = 1002,
    NKI_WS_CODE_UNSUPPORTED = 1003,
    NKI_WS_CODE_NONE = 1005, /* of a close frame that gives none; never sent */
    NKI_WS_CODE_TOO_BIG = 1009
};

/* Writes the head of a final frame with a mask; its length. */
size_t nki_ws_head(uint8_t out[static NKI_WS_HEAD_MAX], enum nki_ws_opcode opcode, uint64_t len,
                   const uint8_t mask[static 4]);
/* Copies `len` bytes masked; `at`: where in their frame they stand. The two do not overlap. */
void nki_ws_mask(uint8_t *to, const uint8_t *from, size_t len, const uint8_t mask[static 4], size_t at);

enum nki_ws_item {
    NKI_WS_MORE,      /* all bytes are used up */
    NKI_WS_DATA,      /* content */
    NKI_WS_GOT_PING,  /* its content is in `control` */
    NKI_WS_GOT_CLOSE, /* the same, with the code taken out */
    NKI_WS_MALFORMED  /* see `fault` and `code`; the decoder is of no use any more */
};

struct nki_ws_decoder {
    uint8_t head[10]; /* of the frame that has begun, as far as it has come */
    uint8_t head_len;
    uint8_t opcode;
    bool final;
    bool in_frame;   /* its head is complete */
    bool in_message; /* a message of several frames is not complete */
    uint64_t left;   /* of the frame's content */
    uint8_t control[NKI_WS_CONTROL_MAX];
    uint8_t control_len;
    uint16_t code;     /* of a close frame; for one that answers a fault */
    const char *fault; /* a literal */
};

/* Takes bytes until there is something to tell. *used: how many; with NKI_WS_DATA the last *content of those
 * (more than none) are content. Begins with a decoder of zeros. */
enum nki_ws_item nki_ws_decode(struct nki_ws_decoder *decoder, const uint8_t *data, size_t len, size_t *used,
                               size_t *content);

#endif
