/* The reply router: see replies.h. A token holds the slot's index in its low bits and a serial number above,
 * so that a reply finds its slot without a search and an old one is recognised. */
#include "client/replies.h"

#include "base/alloc.h"
#include "wire/emit.h"

bool nki_replies_init(struct nki_replies *replies, struct nki_str inbox_prefix, struct nki_nuid *nuid)
{
    memset(replies, 0, sizeof *replies);
    replies->prefix_len = inbox_prefix.len + 1 + NKI_NUID_LEN + 1;
    replies->prefix = nki_alloc(replies->prefix_len);
    if (replies->prefix == NULL) {
        return false;
    }
    char *at = replies->prefix;
    memcpy(at, inbox_prefix.ptr, inbox_prefix.len);
    at += inbox_prefix.len;
    *at++ = '.';
    nki_nuid_next(nuid, at);
    at += NKI_NUID_LEN;
    *at = '.';
    replies->serial = 1;
    return true;
}

void nki_replies_free(struct nki_replies *replies)
{
    assert(replies->used == 0);
    nki_free(replies->slots);
    nki_free(replies->prefix);
}

static bool grow(struct nki_replies *replies)
{
    uint32_t cap = replies->cap == 0 ? 16 : replies->cap * 2;
    if (cap > NKI_REPLIES_MAX) {
        return false;
    }
    struct nki_replies_slot *slots = nki_realloc(replies->slots, cap * sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    for (uint32_t i = replies->cap; i < cap; i++) {
        slots[i] = (struct nki_replies_slot){.next_free = i + 1 < cap ? i + 2 : 0};
    }
    replies->free_head = replies->cap + 1;
    replies->slots = slots;
    replies->cap = cap;
    return true;
}

size_t nki_replies_add(struct nki_replies *replies, struct nki_op *op, char *subject)
{
    if (replies->free_head == 0 && !grow(replies)) {
        return 0;
    }
    uint32_t index = replies->free_head - 1;
    struct nki_replies_slot *slot = &replies->slots[index];
    replies->free_head = slot->next_free;
    replies->used++;
    slot->token = replies->serial++ << NKI_REPLIES_INDEX_BITS | index;
    slot->op = op;
    op->token = slot->token;
    nki_op_retain(op);
    memcpy(subject, replies->prefix, replies->prefix_len);
    char *end = nki_base62_emit(subject + replies->prefix_len, slot->token);
    return (size_t)(end - subject);
}

/* The op in a slot, out of the table. */
static struct nki_op *vacate(struct nki_replies *replies, uint32_t index)
{
    struct nki_replies_slot *slot = &replies->slots[index];
    struct nki_op *op = slot->op;
    op->token = 0;
    slot->op = NULL;
    slot->next_free = replies->free_head;
    replies->free_head = index + 1;
    replies->used--;
    return op;
}

struct nki_op *nki_replies_find(const struct nki_replies *replies, struct nki_str subject)
{
    uint64_t token;
    if (subject.len > replies->prefix_len && memcmp(subject.ptr, replies->prefix, replies->prefix_len) == 0 &&
        nki_base62_read(subject.ptr + replies->prefix_len, subject.len - replies->prefix_len, &token)) {
        uint32_t index = (uint32_t)(token & (NKI_REPLIES_MAX - 1));
        if (index < replies->cap && replies->slots[index].op != NULL &&
            replies->slots[index].token == token) {
            return replies->slots[index].op;
        }
    }
    return NULL;
}

struct nki_op *nki_replies_take(struct nki_replies *replies, struct nki_str subject)
{
    struct nki_op *op = nki_replies_find(replies, subject);
    if (op == NULL) {
        replies->late++;
        return NULL;
    }
    return vacate(replies, (uint32_t)(op->token & (NKI_REPLIES_MAX - 1)));
}

void nki_replies_remove(struct nki_replies *replies, struct nki_op *op)
{
    if (op->token != 0) {
        nki_op_release(vacate(replies, (uint32_t)(op->token & (NKI_REPLIES_MAX - 1))));
    }
}

struct nki_op *nki_replies_next(const struct nki_replies *replies, uint32_t *at)
{
    while (replies->used > 0 && *at < replies->cap) {
        struct nki_op *op = replies->slots[(*at)++].op;
        if (op != NULL) {
            return op;
        }
    }
    return NULL;
}

bool nki_replies_emit_sub(const struct nki_replies *replies, struct nki_buf *out)
{
    if (!nki_buf_reserve(out, NKI_EMIT_SUB_MAX(replies->prefix_len + 1, 0))) {
        return false;
    }
    /* The subject is the prefix with a wildcard behind it: put together in place. */
    uint8_t *at = out->data + out->len;
    memcpy(at, "SUB ", 4);
    at += 4;
    memcpy(at, replies->prefix, replies->prefix_len);
    at += replies->prefix_len;
    memcpy(at, "* ", 2);
    at = nki_emit_u64(at + 2, replies->sid);
    memcpy(at, "\r\n", 2);
    out->len = (size_t)(at + 2 - out->data);
    return true;
}
