/* Whether what there was has come: see initial.h. */
#include "jetstream/initial.h"

#include "base/clock.h"
#include "jetstream/ordered_text.h"

#define LOOKS_MAX 32 /* so often something may be written while it looks whether anything is */

void nki_initial_ask(struct nki_initial *initial, uint64_t behind)
{
    initial->answered = false;
    initial->expected = 0;
    initial->made_ns = INT64_MIN;
    initial->newest_ns = INT64_MIN;
    initial->drained = false;
    initial->behind = behind;
    initial->run = 0;
}

/* Servers of a cluster tell its name. There one gives messages their times and another says when the consumer
 * was made. */
static bool is_clustered(const struct nki_json_value *answer)
{
    struct nki_json_value cluster;
    struct nki_json_value name;
    return nki_json_member(answer, NKI_STR("cluster"), &cluster) && cluster.type == NKI_JSON_OBJECT &&
           nki_json_member(&cluster, NKI_STR("name"), &name);
}

void nki_initial_answer(struct nki_initial *initial, const struct nki_json_value *answer)
{
    struct nki_json_value delivered;
    bool has = nki_json_member(answer, NKI_STR("delivered"), &delivered) && delivered.type == NKI_JSON_OBJECT;
    uint64_t come = has ? nki_ordered_number(&delivered, NKI_STR("consumer_seq")) : 0;
    int64_t created_ns = nki_ordered_created_ns(answer);
    initial->answered = true;
    initial->expected = come + nki_ordered_number(answer, NKI_STR("num_pending"));
    if (come == 0 && created_ns > 0 && initial->own_times) {
        bool vague = initial->unsure || is_clustered(answer);
        initial->made_ns = created_ns - (vague ? NKI_ORDERED_SKEW_NS : 0);
    }
}

void nki_initial_came(struct nki_initial *initial, const struct nki_ack_subject *place)
{
    initial->newest_ns = place->time_ns > initial->newest_ns ? place->time_ns : initial->newest_ns;
    initial->drained = place->pending == 0;
    if (initial->run + 1 == place->consumer_seq &&
        place->stream_seq - initial->behind == place->consumer_seq) {
        initial->run++;
    }
}

/* Of what there was when the consumer was made nothing was replaced before its turn. */
static bool none_lost(const struct nki_initial *initial, uint64_t seq)
{
    bool alone = initial->need != NKI_INITIAL_EXACT || seq == initial->expected; /* nothing newer has come */
    return initial->expected == 0 || initial->newest_ns <= initial->made_ns ||
           (initial->run >= initial->expected && alone);
}

enum nki_initial_step nki_initial_next(struct nki_initial *initial, uint64_t seq, bool idle)
{
    bool counted = initial->answered && seq >= initial->expected;
    bool over = counted || idle || initial->drained;
    if (!over || (initial->need != NKI_INITIAL_COUNT && !initial->answered)) {
        return NKI_INITIAL_WAIT; /* the answer tells more, and comes, or another consumer is made */
    }
    if (initial->need == NKI_INITIAL_COUNT || (counted && none_lost(initial, seq))) {
        return NKI_INITIAL_DONE;
    }
    if (initial->looks < LOOKS_MAX) {
        initial->looks++;
        return NKI_INITIAL_LOOK;
    }
    /* What was replaced before its turn every time comes as what is written from now on. */
    return initial->need == NKI_INITIAL_ALL ? NKI_INITIAL_DONE : NKI_INITIAL_CHANGED;
}
