/* SPDX-License-Identifier: Apache-2.0
 *
 * A control port for the stand-alone helpers: lines in, one line as answer to each. Used by nk-serve and
 * nk-scripted on their main thread; no locks.
 */
#ifndef TS_CONTROL_PORT_H
#define TS_CONTROL_PORT_H

#include "text.h"

#include <stdbool.h>
#include <stdint.h>

struct ts_control_port;

/* Appends the answer ("ok ..." or "err ...") without its LF. */
typedef void ts_control_fn(void *ctx, char *line, struct ts_buf *answer);

/* Listens on 127.0.0.1 with a free port and blocks SIGTERM and SIGINT until ts_control_run. NULL on failure.
 */
struct ts_control_port *ts_control_open(uint16_t *port);

/*
 * Answers until ts_control_quit, SIGTERM, SIGINT, or the end of whoever reads our standard output (a pipe):
 * then the test that started us is gone.
 */
void ts_control_run(struct ts_control_port *port, ts_control_fn *fn, void *ctx);
void ts_control_quit(struct ts_control_port *port);
void ts_control_free(struct ts_control_port *port);

#endif
