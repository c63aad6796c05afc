/* A server that breaks off every handshake: closes at once, sends garbage, a part of an INFO, an error
 * instead of the PONG, or nothing at all until the client goes. One thread. */
#include "soak.h"

#include "support/net.h"

#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STALLED = 8 };

static const char info[] =
    "INFO {\"server_id\":\"R\",\"version\":\"2.15.1\",\"max_payload\":1048576,\"proto\":1,"
    "\"headers\":true}\r\n";

static void mistreat(int fd, struct ts_chance *chance, int *stalled)
{
    static const char *const words[] = {"\r\n", "INFO {}\r\nMSG a 1 1\r\nx\r\n", "INFO {\"a\r\n",
                                        "HTTP/1.1 400 Bad Request\r\n\r\n",
                                        "-ERR 'Authorization Violation'\r\n"};
    char got[512];
    switch (ts_chance_below(chance, 5)) {
    case 0:
        break;
    case 1:
        (void)ts_send_text(fd, words[ts_chance_below(chance, sizeof words / sizeof words[0])]);
        break;
    case 2:
        (void)ts_send_all(fd, info, ts_chance_below(chance, sizeof info), 100);
        break;
    case 3:
        (void)ts_send_text(fd, info);
        (void)ts_receive_until(fd, "PING", got, sizeof got, 100);
        (void)ts_send_text(fd, words[4]);
        break;
    default:
        for (size_t i = 0; i < STALLED; i++) {
            if (stalled[i] < 0) {
                stalled[i] = fd;
                return;
            }
        }
        break;
    }
    if (ts_chance_below(chance, 2) == 0) {
        ts_close_reset(fd);
    } else {
        close(fd);
    }
}

static void let_go(int *stalled)
{
    for (size_t i = 0; i < STALLED; i++) {
        if (stalled[i] >= 0) {
            close(stalled[i]);
            stalled[i] = -1;
        }
    }
}

void *soak_rough(void *listener)
{
    struct ts_chance chance = ts_chance_of(soak.seed, 1000);
    struct pollfd waiting = {.fd = *(int *)listener, .events = POLLIN};
    int stalled[STALLED];
    memset(stalled, -1, sizeof stalled);
    while (!atomic_load(&soak.stop)) {
        if (poll(&waiting, 1, 5) > 0) {
            int fd = accept(waiting.fd, NULL, NULL);
            if (fd >= 0) {
                mistreat(fd, &chance, stalled);
            }
        }
        if (ts_chance_below(&chance, 50) == 0) {
            let_go(stalled);
        }
        if (atomic_load(&soak.quiet)) {
            let_go(stalled);
            pthread_barrier_wait(&soak.barrier);
            pthread_barrier_wait(&soak.barrier);
        }
    }
    return NULL;
}
