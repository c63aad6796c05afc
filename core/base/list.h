/* Intrusive doubly linked list with a head that is a node itself. */
#ifndef NKI_BASE_LIST_H
#define NKI_BASE_LIST_H

#include "base/defs.h"

struct nki_list {
    struct nki_list *next;
    struct nki_list *prev;
};

static inline void nki_list_init(struct nki_list *head)
{
    head->next = head;
    head->prev = head;
}

static inline bool nki_list_empty(const struct nki_list *head)
{
    return head->next == head;
}

static inline void nki_list_append(struct nki_list *head, struct nki_list *node)
{
    node->next = head;
    node->prev = head->prev;
    head->prev->next = node;
    head->prev = node;
}

/* The node points to itself afterwards, so that removing it twice is harmless. */
static inline void nki_list_remove(struct nki_list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->next = node;
    node->prev = node;
}

#endif
