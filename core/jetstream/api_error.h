/* What the "error" of a JetStream answer means: its number as a status, its words as the error's text. Pure.
 */
#ifndef NKI_JETSTREAM_API_ERROR_H
#define NKI_JETSTREAM_API_ERROR_H

#include "base/json.h"
#include "base/status.h"

/* Reads the checked value of the member "error": fills `out` with status, server_code, err_code and the
 * server's description, and returns the status. What is no error object is NKI_JS_REFUSED, too: whoever sends
 * it does not say that it was done. */
int32_t nki_js_read_error(const struct nki_json_value *error, struct nki_error *out);
/* Whether the error may be over in a moment: the service is not available, other than for want of JetStream;
 * or the stream is being closed by the server, which knows next whether it is still there. */
bool nki_js_may_pass(const struct nki_error *error);

#endif
