/* Incremental parser of all that a server sends. Pure: no I/O, clock or lock; memory only for a control line
 * that is cut. The same frames come out for every way of cutting the input. Driven under the connection's
 * engine lock. */
#ifndef NKI_WIRE_PARSE_H
#define NKI_WIRE_PARSE_H

#include "base/buf.h"
#include "base/status.h"
#include "wire/cursor.h"

enum nki_frame_kind {
    NKI_FRAME_MSG, /* MSG and HMSG */
    NKI_FRAME_PING,
    NKI_FRAME_PONG,
    NKI_FRAME_OK,
    NKI_FRAME_ERR,
    NKI_FRAME_INFO
};

/* Spans point into the input or into the parser; they are valid until the next call. */
struct nki_frame {
    enum nki_frame_kind kind;
    struct nki_str subject; /* MSG */
    struct nki_str reply;   /* MSG; may be empty */
    uint64_t sid;           /* MSG */
    uint32_t header_len;    /* MSG: bytes of the header block at the begin of the body, 0 if there is none */
    uint32_t body_len;      /* MSG: header block and payload */
    const uint8_t *body;    /* MSG complete in the input, its CRLF included; NULL with NKI_PARSE_BEGIN */
    struct nki_str text;    /* ERR: the text without its quotes; INFO: the JSON */
};

struct nki_parser_limits {
    size_t line_max;   /* bytes of a control line other than INFO, without CRLF */
    size_t info_max;   /* bytes of INFO's line */
    size_t header_max; /* bytes of a header block */
    size_t body_max;   /* bytes of header block and payload */
};

#define NKI_PARSE_LINE_MAX (64 * NKI_KIB)
#define NKI_PARSE_INFO_MAX (256 * NKI_KIB)

struct nki_parser {
    struct nki_parser_limits limits;
    int state;           /* private */
    struct nki_buf held; /* begin of a control line that was cut */
    uint32_t body_left;  /* after NKI_PARSE_BEGIN: bytes of the body that are still to come */
    uint32_t crlf_left;  /* then: bytes of its CRLF that are still to come */
    uint64_t offset;     /* bytes consumed since the parser was made: for error texts */
};

void nki_parser_init(struct nki_parser *parser, const struct nki_parser_limits *limits);
void nki_parser_free(struct nki_parser *parser);
/* Back to the begin of a stream; limits stay. */
void nki_parser_reset(struct nki_parser *parser);

enum {
    NKI_PARSE_MORE = 0,  /* the input is used up */
    NKI_PARSE_FRAME = 1, /* a complete frame */
    NKI_PARSE_BEGIN = 2, /* a message whose body is not complete in the input: the caller makes room for it
                            and calls nki_parser_body until body_left is 0, then nki_parser_next again */
    NKI_PARSE_END = 3    /* the begun message is complete, its CRLF was right */
};

/* Consumes from `in` up to the end of the next frame. One of the values above, or a negative status with
 * `err` filled (NKI_PROTOCOL with what was wrong and the byte offset; NKI_NO_MEMORY); an error is final until
 * reset. Accepted: upper-case ops, blanks and tabs between arguments, CRLF; sizes and sids canonical decimal.
 */
int nki_parser_next(struct nki_parser *parser, struct nki_cursor *in, struct nki_frame *frame,
                    struct nki_error *err);

/* After NKI_PARSE_BEGIN: copies body bytes from `in` to `out`; returns their number and lowers body_left. */
size_t nki_parser_body(struct nki_parser *parser, struct nki_cursor *in, uint8_t *out);
/* The caller has read `len` body bytes to their place by itself. */
void nki_parser_body_skip(struct nki_parser *parser, size_t len);

#endif
