/* What a scenario has opened and not closed yet, and the public functions that were called. Any thread. */
#ifndef TESTS_TORTURE_REGISTRY_H
#define TESTS_TORTURE_REGISTRY_H

#include <natskit.h>

#include <stdbool.h>

#define TT_KIND_MSG 100 /* beside NATSKIT_KIND_* */
#define TT_THINGS_MAX 4096

#define TT_NUMBERS 256 /* of messages, from 0 */

struct tt_thing {
    int32_t kind;
    uint64_t id;                    /* or the message's address */
    uint64_t conn;                  /* that it belongs to */
    bool events;                    /* a subscription to events */
    char subject[32];               /* of a subscription without wildcards, else empty */
    uint32_t last;                  /* number of the message that was checked last */
    uint64_t came[TT_NUMBERS / 64]; /* a bit for each number that was checked */
};

struct tt_registry {
    struct tt_thing things[TT_THINGS_MAX];
    int count;
    int missing; /* that could not be opened */
};
extern struct tt_registry tt_registry;

void tt_registry_add(int32_t kind, uint64_t id, uint64_t conn, const char *subject);
void tt_registry_miss(void);
void tt_registry_remove(int32_t kind, uint64_t id);
/* Notes the number of a message of this subscription; the one noted before it, or 0, or the number itself if
 * it was noted before at any time. */
uint32_t tt_registry_number(uint64_t sub, uint32_t number);
/* Forgets all things; what was called stays. */
void tt_registry_clear(void);

void tt_called(const char *function);
bool tt_was_called(const char *function);

#endif
