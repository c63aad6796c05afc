/* natskit in a loop of libuv: the descriptor of a waitset is one more handle that is polled. A service
 * answers, requests are sent at each tick of a timer. */
#include "example.h"

#include <uv.h>

#define REQUESTS 5
#define RECORDS 16

struct program {
    uv_timer_t timer;
    uv_poll_t poll;
    natskit_conn conn;
    natskit_waitset waitset;
    natskit_sub service;
    int asked;
    int replies;
};

static void end(struct program *program)
{
    printf("libuv: %d replies in one thread\n", program->replies);
    uv_close((uv_handle_t *)&program->timer, NULL);
    uv_close((uv_handle_t *)&program->poll, NULL);
}

static void finish(struct program *program, uint64_t request)
{
    natskit_op op = {request};
    natskit_msg *reply;
    check(natskit_op_take_msg(op, &reply), "request");
    natskit_msg_release(reply);
    natskit_op_close(op);
    if (++program->replies == REQUESTS) {
        end(program);
    }
}

static void answer_all(natskit_sub service)
{
    natskit_msg *msg;
    while (natskit_sub_next(service, 0, &msg) == NATSKIT_OK) {
        check(natskit_msg_respond(msg, no_headers, "pong", 4, 1000), "respond");
        natskit_msg_release(msg);
    }
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct program *program = poll->data;
    natskit_ready ready[RECORDS];
    size_t count = 0;
    (void)events;
    while (status == 0 &&
           natskit_waitset_wait(program->waitset, ready, sizeof ready[0], RECORDS, 0, &count) == NATSKIT_OK) {
        for (size_t i = 0; i < count; i++) {
            if (ready[i].kind == NATSKIT_KIND_OP) {
                finish(program, ready[i].object);
            } else {
                answer_all(program->service);
            }
        }
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct program *program = timer->data;
    natskit_op op;
    if (program->asked++ < REQUESTS) {
        check(natskit_request_start(program->conn, "example.libuv", NATSKIT_ZLEN, no_headers, "ping", 4,
                                    no_options, 5000, &op, NULL),
              "request");
        check(natskit_waitset_add(program->waitset, op.id, 0), "add");
    }
}

int main(void)
{
    struct program program = {.conn = connect_or_exit()};
    int32_t fd;
    program.service = subscribe_or_exit(program.conn, "example.libuv", NULL);
    check(natskit_waitset_open(&program.waitset), "waitset");
    check(natskit_waitset_fd(program.waitset, &fd), "fd");
    check(natskit_waitset_add(program.waitset, program.service.id, 0), "add");

    uv_loop_t *loop = uv_default_loop();
    uv_timer_init(loop, &program.timer);
    uv_poll_init(loop, &program.poll, fd);
    program.timer.data = program.poll.data = &program;
    uv_timer_start(&program.timer, on_tick, 10, 10);
    uv_poll_start(&program.poll, UV_READABLE, on_readable);
    uv_run(loop, UV_RUN_DEFAULT);
    uv_loop_close(loop);

    natskit_waitset_close(program.waitset);
    natskit_sub_close(program.service);
    check(natskit_conn_close(program.conn, 1000), "close");
    return 0;
}
