/* SPDX-License-Identifier: Apache-2.0
 *
 * What tests of TLS and authentication need on both sides: a folder of certificates, keys, JWTs and
 * credentials files, good and bad ones, made in some milliseconds. What is in it: tests/README.md.
 * Independent of the library: nkeys and JWTs are written from their description, cryptography is OpenSSL's.
 *
 * Nkeys and JWTs are the same in each run, so that the output of a run can be searched for them
 * (ts_wallet_secrets); certificates are new each time. Any thread, one folder from one thread at a time.
 */
#ifndef TS_WALLET_H
#define TS_WALLET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The secrets of all cases, which may appear nowhere: no password, token or seed of a test is anything else.
 */
#define TS_PASSWORD "pw-Marker-7f3a"
#define TS_TOKEN "tk-Marker-91c4"
#define TS_KEY_PASSWORD "kp-Marker-d25e"

/* Writes everything into a folder that is there; false with the reason printed. */
bool ts_wallet_make(const char *dir);

/* The folder of this process: made when first asked for, removed at exit. NULL with the reason printed. */
const char *ts_wallet(void);

/* The process takes this folder, which somebody else made, instead of one of its own. */
void ts_wallet_use(const char *dir);

/* Writes NAME.jwt, NAME.seed and NAME.creds of a user of the wallet's account, to expire after so many
 * seconds (0: never; less: it has already). */
bool ts_wallet_user(const char *dir, const char *name, int64_t expires_s);

/* NAME becomes a copy of FROM in one step, as those do it who renew credentials; FROM NULL removes it. */
bool ts_wallet_copy(const char *dir, const char *from, const char *name);

/* A text of the folder without blanks and line ends at its end; free() it. NULL with the reason printed. */
char *ts_wallet_text(const char *dir, const char *name);

/* The text with ${wallet} and ${text NAME} replaced; free() it. NULL with the reason printed. */
char *ts_wallet_expand(const char *dir, const char *text);

/* The index-th secret, NULL after the last. Seeds of nkeys among them, and the JWTs that don't expire. */
const char *ts_wallet_secret(size_t index);

/* Stars in the place of each secret of a text. */
void ts_wallet_redact(char *text);

#endif
