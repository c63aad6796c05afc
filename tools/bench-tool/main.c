/* SPDX-License-Identifier: Apache-2.0
 *
 * natskit-bench: how fast publishing, receiving and requests are with natskit, on this machine and server. */
#include "tool.h"

int main(int argc, char **argv)
{
    static struct tool tool;
    struct tool_figures figures = {0};
    int code = tool_setup_read(&tool.setup, argc, argv);
    if (code < 0) {
        pthread_mutex_init(&tool.lock, NULL);
        pthread_cond_init(&tool.wake, NULL);
        code = tool_open(&tool) ? tool_run(&tool, &figures) : TOOL_EXIT_FAILED;
    }
    tool_close(&tool);
    return code;
}
