/* SPDX-License-Identifier: Apache-2.0
 *
 * nk-wallet: the folder of certificates, keys and credentials for tests that are not written in C.
 *
 *   nk-wallet | nk-wallet --secrets
 *
 * Prints "wallet DIR control PORT"; the folder is removed at `quit`, SIGTERM, or when nobody reads its
 * standard output any more. With --secrets it prints each secret on a line, and ends. Commands:
 *
 *   user NAME SECONDS   writes the files of a user that expires then (wallet.h)
 *   copy FROM NAME      NAME becomes a copy of FROM
 *   remove NAME
 *   quit
 *
 * One thread.
 */
#include "../control_port.h"
#include "../proc.h"
#include "../wallet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_line(void *ctx, char *line, struct ts_buf *answer)
{
    char *words[3] = {NULL};
    bool good = false;
    for (int i = 0; i < 3; i++) {
        words[i] = line ? strsep(&line, " ") : NULL;
    }
    if (words[1] && words[2] && strcmp(words[0], "user") == 0) {
        good = ts_wallet_user(ts_wallet(), words[1], strtoll(words[2], NULL, 10));
    } else if (words[1] && words[2] && strcmp(words[0], "copy") == 0) {
        good = ts_wallet_copy(ts_wallet(), words[1], words[2]);
    } else if (words[1] && strcmp(words[0], "remove") == 0) {
        good = ts_wallet_copy(ts_wallet(), NULL, words[1]);
    } else if (strcmp(words[0], "quit") == 0) {
        ts_control_quit(ctx);
        good = true;
    }
    ts_buf_printf(answer, good ? "ok" : "err %s failed", words[0]);
}

int main(int argc, char **argv)
{
    uint16_t port = 0;
    const char *secret;
    if (argc == 2 && strcmp(argv[1], "--secrets") == 0) {
        for (size_t i = 0; (secret = ts_wallet_secret(i)) != NULL; i++) {
            puts(secret);
        }
        return 0;
    }
    struct ts_control_port *control = ts_control_open(&port);
    if (!control || !ts_wallet()) {
        return 2;
    }
    printf("wallet %s control %u\n", ts_wallet(), port);
    fflush(stdout);
    ts_control_run(control, on_line, control);
    ts_control_free(control);
    return 0;
}
