/* Between the files of the engine: moving away from a server that is about to leave. Under the engine lock.
 */
#ifndef NKI_CLIENT_LAME_DUCK_H
#define NKI_CLIENT_LAME_DUCK_H

#include "client/engine.h"

/* The server has said so for the first time. */
void nki_engine_lame_duck(struct nki_engine *engine, int64_t now_ns);
/* Plans to move if that is due and another server is known. After each change of the pool. */
void nki_engine_move_plan(struct nki_engine *engine, int64_t now_ns);
/* Does what is due: when bytes were read, and at move.at_ns. */
void nki_engine_move_step(struct nki_engine *engine, int64_t now_ns);
/* The PONG of NKI_PING_MOVES. */
void nki_engine_move_go(struct nki_engine *engine, int64_t now_ns);
/* The connection is to end here: it does not move, and nothing is held. */
void nki_engine_move_cancel(struct nki_engine *engine);
/* The transport is gone. */
void nki_engine_move_reset(struct nki_engine *engine);

#endif
