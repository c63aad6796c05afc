/* SPDX-License-Identifier: Apache-2.0
 *
 * Child processes of C tests: start, read a line, stop with a deadline, and a temporary folder that goes with
 * them. A child gets PR_SET_PDEATHSIG, so nothing is left when a test crashes. The kernel ties that to the
 * thread that started the child: start children from the main thread, or from one that lives longer than they
 * do. Functions may be called from several threads, each child from one thread at a time.
 */
#ifndef TS_PROC_H
#define TS_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct ts_proc {
    pid_t pid;  /* 0: not running */
    int out;    /* the child's standard output, or -1 */
    int status; /* of waitpid, once it ended */
};

/*
 * argv ends with NULL. With a log path both outputs of the child go to the end of that file, else standard
 * output is a pipe and standard error is shared. Returns false and prints the reason when the program can not
 * be run.
 */
bool ts_proc_start(struct ts_proc *proc, const char *const *argv, const char *log_path);

/* Looks, without waiting, whether the child still runs. */
bool ts_proc_running(struct ts_proc *proc);

/* Waits for the child's end; false when it still runs at the deadline. */
bool ts_proc_wait(struct ts_proc *proc, int64_t timeout_ms);

/* SIGTERM, SIGKILL after the deadline, and wait. With timeout 0 SIGKILL at once. */
void ts_proc_stop(struct ts_proc *proc, int64_t timeout_ms);

/* The exit code; 128 + signal when it was killed. */
int ts_proc_exit_code(const struct ts_proc *proc);

/* Reads one line of the child's output without its LF. */
bool ts_proc_read_line(struct ts_proc *proc, char *line, size_t cap, int64_t timeout_ms);

/* A new folder below $TMPDIR or /tmp; free() the name. */
char *ts_temp_dir(void);
void ts_remove_tree(const char *path);

/* The content of a file with a final NUL, or NULL. */
char *ts_read_file(const char *path, size_t *len);
bool ts_write_file(const char *path, const char *text);

#endif
