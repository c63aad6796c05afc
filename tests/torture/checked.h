/* Between checked.c and checked_js.c. */
#ifndef TESTS_TORTURE_CHECKED_H
#define TESTS_TORTURE_CHECKED_H

#include <natskit.h>

/* After a function that gives a thing: zero on failure, registered on success. */
uint64_t tt_given(const char *function, natskit_status got, int32_t kind, uint64_t id, uint64_t conn,
                  const char *subject);
natskit_op tt_given_op(const char *function, natskit_status got, natskit_op op, natskit_conn conn,
                       const natskit_error *err);
/* The deadline of operations: none runs longer, so that they have all finished when a run is over. */
int64_t tt_op_ms(void);

#endif
