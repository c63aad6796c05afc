/* SPDX-License-Identifier: Apache-2.0
 *
 * The arguments of natskit-bench. */
#include "tool.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: natskit-bench MODE SUBJECT [options]\n"
    "\n"
    "modes:\n"
    "  pub      publish; the clock stops when the server has confirmed all\n"
    "  sub      receive; the clock starts with the first message\n"
    "  pubsub   publish and receive, after a warm-up; tells how many messages were lost\n"
    "  req      send requests and wait for their replies\n"
    "  reply    answer requests, with what came or with --size bytes, until Ctrl-C or --msgs\n"
    "\n"
    "options:\n"
    "  --url URL            server, or several cut at commas ($NATS_URL, else nats://127.0.0.1:4222)\n"
    "  --msgs N             messages or requests in all (100000; reply: no end); with several subscribers\n"
    "                       outside a queue group each gets N\n"
    "  --size BYTES         bytes of each payload (128)\n"
    "  --clients N          publishers, subscribers (pubsub: as many of both), requesters or repliers; each\n"
    "                       has its own connection and thread (1)\n"
    "  --batch[=N]          hand over and take up to N messages in one call (256)\n"
    "  --headers N          headers in each message (0)\n"
    "  --queue GROUP        subscribe as members of this queue group (reply: natskit-bench)\n"
    "  --in-flight N        req: requests of each client that wait for their reply at once (1)\n"
    "  --warmup N           messages or requests of each client before the clock starts (pubsub: 1000,\n"
    "                       req: 0)\n"
    "  --wait SECONDS       end if nothing moves for so long (10); sub and reply wait for their first\n"
    "                       message without limit\n"
    "  --option NAME=VALUE  any option of natskit, user, password and token included; may be repeated\n"
    "  --json               one line of JSON instead of the report\n"
    "  --help, --version\n"
    "\n"
    "Ctrl-C ends it with the figures so far; a second one at once.\n"
    "exit codes: 0 done, 1 failed, 2 wrong arguments, 3 messages were lost or requests not answered, 130 or\n"
    "143 ended by Ctrl-C or SIGTERM (reply: 0)\n";

static int wrong(const char *what, const char *why)
{
    fprintf(stderr, "natskit-bench: %s: %s (natskit-bench --help)\n", what, why);
    return TOOL_EXIT_USAGE;
}

static int number(const char *name, const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    char *end;
    char why[96];
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value < min || value > max) {
        snprintf(why, sizeof why, "a number from %llu to %llu is wanted", (unsigned long long)min,
                 (unsigned long long)max);
        return wrong(name, why);
    }
    *out = value;
    return -1;
}

/* The option belongs to whichever set knows its name. */
static int library_option(struct tool_setup *setup, const char *text)
{
    const char *cut = strchr(text, '=');
    natskit_options sets[] = {setup->connect, setup->subscribe, setup->request};
    natskit_error first = {0};
    if (cut == NULL || cut == text) {
        return wrong("--option", "NAME=VALUE is wanted");
    }
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        natskit_error err = {0};
        natskit_status status =
            natskit_options_set(sets[i], text, (size_t)(cut - text), cut + 1, NATSKIT_ZLEN, &err);
        if (status != NATSKIT_UNKNOWN_OPTION) {
            return status == NATSKIT_OK ? -1 : wrong("--option", err.text);
        }
        first = i == 0 ? err : first;
    }
    return wrong("--option", first.text);
}

enum {
    URL = 1,
    MSGS,
    SIZE,
    CLIENTS,
    BATCH,
    HEADERS,
    QUEUE,
    IN_FLIGHT,
    WARMUP,
    WAIT,
    OPTION,
    JSON,
    HELP,
    VERSION,
};

static const struct option long_options[] = {
    {"url", required_argument, NULL, URL},
    {"msgs", required_argument, NULL, MSGS},
    {"size", required_argument, NULL, SIZE},
    {"clients", required_argument, NULL, CLIENTS},
    {"batch", optional_argument, NULL, BATCH},
    {"headers", required_argument, NULL, HEADERS},
    {"queue", required_argument, NULL, QUEUE},
    {"in-flight", required_argument, NULL, IN_FLIGHT},
    {"warmup", required_argument, NULL, WARMUP},
    {"wait", required_argument, NULL, WAIT},
    {"option", required_argument, NULL, OPTION},
    {"json", no_argument, NULL, JSON},
    {"help", no_argument, NULL, HELP},
    {"version", no_argument, NULL, VERSION},
    {NULL, 0, NULL, 0},
};

/* The options with a number: where it goes, and its bounds. */
static int numeric(struct tool_setup *setup, int option, const char *text)
{
    static const uint64_t max_msgs = UINT64_C(1000000000000);
    uint64_t value = 0;
    int code = -1;
    switch (option) {
    case MSGS:
        return number("--msgs", text, 1, max_msgs, &setup->msgs);
    case WARMUP:
        return number("--warmup", text, 0, max_msgs, &setup->warmup);
    case SIZE:
        code = number("--size", text, 0, 64U << 20, &value);
        setup->size = (size_t)value;
        setup->size_given = true;
        return code;
    case CLIENTS:
        code = number("--clients", text, 1, TOOL_CLIENTS_MAX, &value);
        setup->clients = (unsigned)value;
        return code;
    case BATCH:
        value = 256;
        code = text != NULL ? number("--batch", text, 1, TOOL_BATCH_MAX, &value) : -1;
        setup->batch = (unsigned)value;
        return code;
    case HEADERS:
        code = number("--headers", text, 0, 100, &value);
        setup->headers = (unsigned)value;
        return code;
    case IN_FLIGHT:
        code = number("--in-flight", text, 1, TOOL_IN_FLIGHT_MAX, &value);
        setup->in_flight = (unsigned)value;
        return code;
    default:
        code = number("--wait", text, 1, 86400, &value);
        setup->wait_ms = (int64_t)value * 1000;
        return code;
    }
}

static int one_option(struct tool_setup *setup, int option, const char *text)
{
    const char *version = "";
    switch (option) {
    case URL:
        setup->url = text;
        return -1;
    case QUEUE:
        setup->queue = text;
        return -1;
    case OPTION:
        return library_option(setup, text);
    case JSON:
        setup->json = true;
        return -1;
    case HELP:
        fputs(usage, stdout);
        return TOOL_EXIT_OK;
    case VERSION:
        natskit_version(NULL, NULL, &version);
        printf("natskit-bench %s\n", version);
        return TOOL_EXIT_OK;
    default:
        return numeric(setup, option, text);
    }
}

static int mode_of(struct tool_setup *setup, const char *name)
{
    static const char *const names[] = {"pub", "sub", "pubsub", "req", "reply"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0) {
            setup->mode = (enum tool_mode)i;
            setup->mode_name = names[i];
            return -1;
        }
    }
    return wrong(name, "the mode is pub, sub, pubsub, req or reply");
}

static int finish(struct tool_setup *setup)
{
    natskit_error err = {0};
    bool sends = setup->mode == TOOL_PUB || setup->mode == TOOL_PUBSUB || setup->mode == TOOL_REQ;
    if (natskit_subject_check(setup->subject, NATSKIT_ZLEN, !sends, &err) != NATSKIT_OK) {
        return wrong(setup->subject, err.text);
    }
    if (setup->in_flight > 1 && setup->mode != TOOL_REQ) {
        return wrong("--in-flight", "is for req");
    }
    if (setup->queue[0] != '\0' && (setup->mode == TOOL_PUB || setup->mode == TOOL_REQ)) {
        return wrong("--queue", "is for sub, pubsub and reply");
    }
    if (setup->batch > 1 && setup->mode == TOOL_REQ) {
        return wrong("--batch", "is not for req; --in-flight is");
    }
    if (setup->mode == TOOL_REPLY && setup->queue[0] == '\0') {
        setup->queue = "natskit-bench";
    }
    if (setup->warmup == UINT64_MAX) {
        setup->warmup = setup->mode == TOOL_PUBSUB ? 1000 : 0;
    }
    if (setup->msgs == 0 && setup->mode != TOOL_REPLY) {
        setup->msgs = 100000;
    }
    return -1;
}

int tool_setup_read(struct tool_setup *setup, int argc, char **argv)
{
    const char *url = getenv("NATS_URL");
    static char empty[] = "";
    *setup = (struct tool_setup){.url = url != NULL ? url : "nats://127.0.0.1:4222",
                                 .queue = empty,
                                 .warmup = UINT64_MAX,
                                 .size = 128,
                                 .clients = 1,
                                 .batch = 1,
                                 .in_flight = 1,
                                 .wait_ms = 10000};
    if (natskit_options_open(NATSKIT_OPTIONS_CONNECT, &setup->connect) != NATSKIT_OK ||
        natskit_options_open(NATSKIT_OPTIONS_SUBSCRIBE, &setup->subscribe) != NATSKIT_OK ||
        natskit_options_open(NATSKIT_OPTIONS_REQUEST, &setup->request) != NATSKIT_OK ||
        natskit_options_set(setup->connect, "name", NATSKIT_ZLEN, "natskit-bench", NATSKIT_ZLEN, NULL) !=
            NATSKIT_OK) {
        return wrong("start", "no memory");
    }
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        int code = option == '?'
                       ? wrong(argv[optind - 1], "no such option, or its value is wanted or too much")
                       : one_option(setup, option, optarg);
        if (code >= 0) {
            return code;
        }
    }
    if (argc - optind != 2) {
        return wrong("arguments", "MODE and SUBJECT are wanted");
    }
    int code = mode_of(setup, argv[optind]);
    setup->subject = argv[optind + 1];
    return code >= 0 ? code : finish(setup);
}
