/* SPDX-License-Identifier: Apache-2.0
 *
 * nk-ctl HOST:PORT COMMAND...: sends one command to the control port of nk-tap, nk-scripted or nk-serve and
 * prints the answer, so that languages without sockets can use them. "HOST:" may be left out. Exit code: 0
 * for "ok", 1 for "err", 2 when there was no answer. One thread.
 */
#include "../net.h"
#include "../text.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TIMEOUT_MS = 120000 };

int main(int argc, char **argv)
{
    char host[256] = "127.0.0.1";
    uint16_t port = 0;
    uint64_t number = 0;
    struct ts_buf text = {0};
    char got[4096];
    if (argc < 3) {
        fprintf(stderr, "usage: nk-ctl [HOST:]PORT COMMAND...\n");
        return 2;
    }
    if (ts_parse_u64(argv[1], strlen(argv[1]), 65535, &number)) {
        port = (uint16_t)number;
    } else if (!ts_split_host_port(argv[1], host, sizeof host, &port)) {
        fprintf(stderr, "nk-ctl: not [HOST:]PORT: %s\n", argv[1]);
        return 2;
    }
    for (int i = 2; i < argc; i++) {
        ts_buf_printf(&text, "%s%s", i > 2 ? " " : "", argv[i]);
    }
    ts_buf_add(&text, "\n", 1);
    int fd = ts_connect_host(host, port, TIMEOUT_MS);
    if (fd < 0 || !ts_send_all(fd, text.at, text.len, TIMEOUT_MS)) {
        fprintf(stderr, "nk-ctl: nobody listens on %s:%u\n", host, port);
        return 2;
    }
    text.len = 0;
    while (!text.len || text.at[text.len - 1] != '\n') {
        long n = ts_receive(fd, got, sizeof got, TIMEOUT_MS);
        if (n <= 0) {
            fprintf(stderr, "nk-ctl: no answer from %s:%u\n", host, port);
            return 2;
        }
        ts_buf_add(&text, got, (size_t)n);
    }
    close(fd);
    fwrite(text.at, 1, text.len, stdout);
    int code = strncmp(text.at, "ok", 2) == 0 ? 0 : 1;
    ts_buf_free(&text);
    return code;
}
