/* SPDX-License-Identifier: Apache-2.0
 *
 * Child processes of C tests: start, read a line, stop with a deadline, temporary folders.
 * No shared state; each child is used from one thread at a time.
 */
#include "proc.h"

#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Only calls that are safe after fork() in a threaded program. Never returns. */
static void run_child(const char *const *argv, int out, int log, int report, pid_t parent)
{
    sigset_t none;
    char **args;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(126); /* the parent died before the call above */
    }
    if (log >= 0) {
        dup2(log, STDOUT_FILENO);
        dup2(log, STDERR_FILENO);
    } else {
        dup2(out, STDOUT_FILENO);
    }
    memcpy(&args, &argv, sizeof args); /* execvp wants char *const * and does not change the texts */
    execvp(args[0], args);
    int error = errno;
    if (write(report, &error, sizeof error) < 0) {
        _exit(127);
    }
    _exit(127);
}

bool ts_proc_start(struct ts_proc *proc, const char *const *argv, const char *log_path)
{
    int out[2] = {-1, -1}, report[2] = {-1, -1}, log = -1;
    int error = 0;
    *proc = (struct ts_proc){.out = -1};
    if (log_path) {
        log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
    if ((log_path && log < 0) || pipe2(out, O_CLOEXEC) != 0 || pipe2(report, O_CLOEXEC) != 0) {
        fprintf(stderr, "test support: can not start %s: %s\n", argv[0], strerror(errno));
        return false;
    }
    pid_t parent = getpid();
    proc->pid = fork();
    if (proc->pid == 0) {
        run_child(argv, out[1], log, report[1], parent);
    }
    if (proc->pid < 0) {
        error = errno;
    }
    close(out[1]);
    close(report[1]);
    if (log >= 0) {
        close(log);
        close(out[0]);
        out[0] = -1;
    }
    /* the pipe closes on exec: the read ends with nothing when the program runs */
    if (!error && read(report[0], &error, sizeof error) <= 0) {
        error = 0;
    }
    close(report[0]);
    if (!error) {
        proc->out = out[0];
        return true;
    }
    fprintf(stderr, "test support: can not run \"%s\": %s\n", argv[0], strerror(error));
    if (proc->pid > 0) {
        waitpid(proc->pid, &proc->status, 0);
    }
    if (out[0] >= 0) {
        close(out[0]);
    }
    proc->pid = 0;
    return false;
}

bool ts_proc_running(struct ts_proc *proc)
{
    if (proc->pid <= 0) {
        return false;
    }
    pid_t rc = waitpid(proc->pid, &proc->status, WNOHANG);
    if (rc == 0) {
        return true;
    }
    proc->pid = 0;
    return false;
}

bool ts_proc_wait(struct ts_proc *proc, int64_t timeout_ms)
{
    int64_t deadline = ts_now_ms() + timeout_ms;
    while (ts_proc_running(proc)) {
        if (ts_now_ms() >= deadline) {
            return false;
        }
        ts_pause_ms(2);
    }
    return true;
}

void ts_proc_stop(struct ts_proc *proc, int64_t timeout_ms)
{
    if (proc->pid > 0) {
        kill(proc->pid, SIGCONT); /* a stopped process would not see SIGTERM */
        if (timeout_ms > 0) {
            kill(proc->pid, SIGTERM);
        }
        if (timeout_ms <= 0 || !ts_proc_wait(proc, timeout_ms)) {
            kill(proc->pid, SIGKILL);
            waitpid(proc->pid, &proc->status, 0);
            proc->pid = 0;
        }
    }
    if (proc->out >= 0) {
        close(proc->out);
        proc->out = -1;
    }
}

int ts_proc_exit_code(const struct ts_proc *proc)
{
    return WIFEXITED(proc->status) ? WEXITSTATUS(proc->status) : 128 + WTERMSIG(proc->status);
}

bool ts_proc_read_line(struct ts_proc *proc, char *line, size_t cap, int64_t timeout_ms)
{
    int64_t deadline = ts_now_ms() + timeout_ms;
    size_t used = 0;
    while (used + 1 < cap) {
        struct pollfd p = {.fd = proc->out, .events = POLLIN};
        int64_t left = deadline - ts_now_ms();
        int ready = poll(&p, 1, left > 0 ? (int)left : 0);
        if (ready < 0 && errno == EINTR) {
            continue;
        }
        if (ready <= 0 || read(proc->out, line + used, 1) != 1) {
            break;
        }
        if (line[used] == '\n') {
            line[used] = '\0';
            return true;
        }
        used++;
    }
    line[used] = '\0';
    return false;
}

char *ts_temp_dir(void)
{
    const char *base = getenv("TMPDIR");
    struct ts_buf name = {0};
    ts_buf_printf(&name, "%s/natskit-test-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(name.at)) {
        fprintf(stderr, "test support: can not make the folder %s: %s\n", name.at, strerror(errno));
        abort();
    }
    return name.at;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void ts_remove_tree(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

char *ts_read_file(const char *path, size_t *len)
{
    struct ts_buf text = {0};
    char chunk[16384];
    FILE *file = fopen(path, "rbe");
    if (!file) {
        return NULL;
    }
    ts_buf_add(&text, "", 0);
    for (size_t got; (got = fread(chunk, 1, sizeof chunk, file)) > 0;) {
        ts_buf_add(&text, chunk, got);
    }
    fclose(file);
    if (len) {
        *len = text.len;
    }
    return text.at;
}

bool ts_write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "wbe");
    bool good = file && fputs(text, file) >= 0;
    if (file) {
        good = fclose(file) == 0 && good;
    }
    if (!good) {
        fprintf(stderr, "test support: can not write %s: %s\n", path, strerror(errno));
    }
    return good;
}
