/* Errors of the JetStream API as statuses. Pure. */
#ifndef NKI_JETSTREAM_API_ERROR_H
#define NKI_JETSTREAM_API_ERROR_H

#include "base/json.h"
#include "base/status.h"

/* Fills `out` from the value of member "error" of an answer, which was checked: status, both numbers of the
 * server, and its description. Returns the status. */
int32_t nki_js_read_error(const struct nki_json_value *error, struct nki_error *out);

#endif
