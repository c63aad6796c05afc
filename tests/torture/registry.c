/* See registry.h. */
#include "registry.h"

#include "life.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define FUNCTIONS_MAX 512

struct tt_registry tt_registry;
static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static const char *functions[FUNCTIONS_MAX];
static int function_count;

static int find(int32_t kind, uint64_t id)
{
    for (int i = tt_registry.count - 1; i >= 0; i--) {
        if (tt_registry.things[i].kind == kind && tt_registry.things[i].id == id) {
            return i;
        }
    }
    return -1;
}

void tt_registry_add(int32_t kind, uint64_t id, uint64_t conn, const char *subject)
{
    pthread_mutex_lock(&mu);
    if (tt_registry.count == TT_THINGS_MAX) {
        tt_fail("more than %d things are open", TT_THINGS_MAX);
    } else {
        struct tt_thing *thing = &tt_registry.things[tt_registry.count++];
        *thing = (struct tt_thing){.kind = kind, .id = id, .conn = conn};
        if (subject != NULL) {
            (void)snprintf(thing->subject, sizeof thing->subject, "%s", subject);
        }
        thing->events = kind == NATSKIT_KIND_SUB && subject == NULL;
    }
    pthread_mutex_unlock(&mu);
}

void tt_registry_miss(void)
{
    pthread_mutex_lock(&mu);
    tt_registry.missing++;
    pthread_mutex_unlock(&mu);
}

void tt_registry_remove(int32_t kind, uint64_t id)
{
    pthread_mutex_lock(&mu);
    int at = find(kind, id);
    if (at >= 0) {
        tt_registry.count--;
        memmove(&tt_registry.things[at], &tt_registry.things[at + 1],
                (size_t)(tt_registry.count - at) * sizeof tt_registry.things[0]);
    }
    pthread_mutex_unlock(&mu);
}

uint32_t tt_registry_number(uint64_t sub, uint32_t number)
{
    uint32_t before = 0;
    pthread_mutex_lock(&mu);
    int at = find(NATSKIT_KIND_SUB, sub);
    if (at >= 0) { /* else it was closed meanwhile */
        struct tt_thing *thing = &tt_registry.things[at];
        uint64_t *came = &thing->came[number / 64 % (TT_NUMBERS / 64)];
        uint64_t bit = UINT64_C(1) << number % 64;
        before = (*came & bit) != 0 ? number : thing->last;
        thing->last = number;
        *came |= bit;
    }
    pthread_mutex_unlock(&mu);
    return before;
}

void tt_registry_clear(void)
{
    tt_registry.count = 0;
    tt_registry.missing = 0;
}

static bool known(const char *function)
{
    for (int i = 0; i < function_count; i++) {
        if (strcmp(functions[i], function) == 0) {
            return true;
        }
    }
    return false;
}

void tt_called(const char *function)
{
    pthread_mutex_lock(&mu);
    if (!known(function) && function_count < FUNCTIONS_MAX) {
        functions[function_count++] = function;
    }
    pthread_mutex_unlock(&mu);
}

bool tt_was_called(const char *function)
{
    pthread_mutex_lock(&mu);
    bool called = known(function);
    pthread_mutex_unlock(&mu);
    return called;
}
