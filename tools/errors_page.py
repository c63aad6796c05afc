#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the table of statuses in docs/errors.md from core/base/status.def, and holds the page's other tables
against the sources; with --check it only says what is not so.

Checked are: the names of statuses with their Python classes and Lua codes, that every code of the reference client
has its row, and that the texts of -ERR become what core/client/commands.c makes of them.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATUSES = ROOT / "core/base/status.def"
COMMANDS = ROOT / "core/client/commands.c"
CLASSES = ROOT / "bindings/python/natskit/errors.py"
PAGE = ROOT / "docs/errors.md"
BEGIN, END = "<!-- made by tools/errors_page.py -->\n", "<!-- end -->\n"

ROW = re.compile(r'^STATUS\((\w+), (-?\d+), (\w+), "([^"]*)"\)$', re.M)
ERROR_TEXT = re.compile(r'^    \{"([^"]+)", (?:NKI_)?(\w+)\},$', re.M)
TICKED = re.compile(r"`([^`]+)`")

# What to do. Every status needs its line.
ADVICE = {
    "OK": "Nothing.",
    "INVALID": "Correct the call; the error's text names the argument. Nothing was sent.",
    "BAD_HANDLE": "Correct the program: the number is no handle, or one of another kind.",
    "CLOSED": "Stop using the object. `natskit_conn_closed` tells why a connection ended.",
    "FORKED": "Open a new connection in the child.",
    "UNKNOWN_OPTION": "Correct the name; the text suggests the nearest ([options.md](options.md)).",
    "BUSY": "Take the object out of the other waitset first; answer events from one subscription only.",
    "NO_REPLY": "Answer only messages that have a reply subject.",
    "DRAINING": "Send no more; the connection is about to end.",
    "TIMEOUT": "Try again, or give up. A request may have been carried out all the same: see the outcome.",
    "WOULD_BLOCK": "Come back when a waitset or `natskit_room_start` says so, or give the call time.",
    "END": "Leave the loop; the subscription's `reason` tells why it ended.",
    "NOT_FOUND": "Nothing: it tells that there is none, or no further one.",
    "UNSUBSCRIBED": "Nothing: the program wanted it so.",
    "MAX_REACHED": "Nothing: the program wanted it so.",
    "PENDING": "Wait for the operation, or ask later.",
    "STALLED": "Take the answers that came as the answer, or raise `stall_ms`.",
    "SENTINEL": "Nothing: the answer is complete.",
    "TOO_LARGE": "Send less, in several messages, or raise the server's `max_payload`.",
    "NO_HEADERS": "Send without headers, or use another server.",
    "LIMIT": "Close what is not needed, or give a larger buffer; the text and [limits.md](limits.md) tell which.",
    "SLOW_CONSUMER": "Take messages faster, share them in a queue group, or raise `pending_msgs_limit` and "
                     "`pending_bytes_limit`; `dropped_msgs` counts what is lost.",
    "DISCONNECTED": "Nothing for the connection, which reconnects by itself. What was asked may have been carried out: "
                    "ask again if that does no harm.",
    "CONNECT_REFUSED": "Start the server, or correct host and port.",
    "RESOLVE": "Correct the host name, or look after the resolver.",
    "STALE": "Nothing: the connection reconnects by itself. If it comes often, look at network and server.",
    "IO": "See `sys_errno`.",
    "NO_SERVERS": "See the text for what the last one answered.",
    "WS_REFUSED": "See the text for the server's or proxy's words, and `server_code` for HTTP's number; correct the url's path or option `ws_headers`.",
    "WEBSOCKET": "Check that the port is one for WebSocket, and that no proxy changes what goes through it.",
    "PROTOCOL": "Check that it is a NATS server that answers there; else report it.",
    "SERVER_ERROR": "Read the server's words in the text.",
    "NO_RESPONDERS": "Start the service, correct the subject, or try again later.",
    "PERMISSION": "Have the subject permitted in the server's configuration, or use another one.",
    "SERVER_LIMIT": "Nothing: the next server is tried, and this one again later. If it comes often, raise the server's `max_connections`.",
    "AUTH": "Correct user, password or token.",
    "AUTH_EXPIRED": "Renew the credentials.",
    "TLS_REQUIRED": "Use TLS on both sides or on neither: options `tls` and `tls_first`, the url's scheme, the server's configuration.",
    "TLS": "See the text: TLS versions, a server that does not speak TLS there, a client certificate that it wants.",
    "TLS_CERTIFICATE": "Correct the host's name, give the authority (`tls_ca_file`), or have the server's certificate renewed.",
    "CREDENTIALS": "Correct the file or the value that the text names.",
    "AUTH_REVOKED": "Get new credentials.",
    "SIGNATURE": "Do not believe what was signed.",
    "NO_MEMORY": "Free memory; the object is as it was before the call.",
    "SYSTEM": "See `sys_errno`: mostly a limit of the process (descriptors, threads).",
    "SHUTDOWN": "Do not begin anything while `natskit_shutdown` runs.",
    "INTERNAL": "Report it.",
    "JS_NOT_ENABLED": "Enable JetStream on the server and for the account, or correct options `domain` and `api_prefix`.",
    "STREAM_NOT_FOUND": "Make the stream, or correct its name.",
    "CONSUMER_NOT_FOUND": "Make the consumer, or correct its name. One without a durable name goes when nobody uses it.",
    "CONSUMER_DELETED": "Make the consumer anew and begin again, or leave `abort_on_missing` out: then it is waited for.",
    "HEARTBEATS_MISSED": "Try again: the server did not answer in time. Look at server and network if it comes often.",
    "PULL_REFUSED": "Correct the options by the server's words in the text: the same request will be refused again. If "
                    "too many requests wait, close some or raise the consumer's `max_waiting`.",
    "API_LEVEL": "Use a newer server, or do without what it does not know.",
    "JS_REFUSED": "Read the server's words in the text; `err_code` is its number for them.",
    "MSG_NOT_FOUND": "Nothing: it was never there, or has gone by a limit, a purge or a deletion.",
    "ALREADY_EXISTS": "Update it instead, or take another name.",
    "WRONG_LAST": "Read again what is stored, and decide anew.",
    "JS_LIMIT": "Delete what is not needed, or raise the limit that the text names.",
    "SEALED": "Nothing: a sealed stream never changes again.",
    "NO_STREAM": "Create a stream with that subject; if there is one, try again once it has a leader.",
    "INVALID_ACK": "Look who else subscribes to the subject and answers.",
    "NO_DIRECT": "Have the stream allow it (`allow_direct`, of a mirror `mirror_direct`), or read it with an ordered consumer.",
    "NO_BATCH": "Use a server from 2.11 on, or read with an ordered consumer.",
    "SNAPSHOT_CHANGED": "Read again, have the stream keep more than one message of a subject, or ask for larger pages.",
    "KEY_NOT_FOUND": "Nothing: it tells that there is none.",
    "KEY_DELETED": "Nothing: it tells that there is none any more.",
    "KEY_EXISTS": "Read the key, and decide anew.",
    "OBJECT_NOT_FOUND": "Nothing: it tells that there is none.",
    "OBJECT_DELETED": "Nothing: it tells that there is none any more.",
    "OBJECT_EXISTS": "Choose another name, or delete the object first.",
    "OBJECT_CORRUPT": "Use nothing of what was read; put the object again from its source.",
    "OBJECT_INCOMPLETE": "Read it again: it may have been replaced meanwhile. Else put it again from its source.",
    "LINK_TO_STORE": "Open the store that the link names.",
    "LINK_TO_LINK": "Link to the object itself.",
    "CHUNKS_DISORDERED": "Put the object again.",
    "SERVICE_ERROR": "Read the service's code and description.",
    "BATCH_NOT_ALLOWED": "Configure the stream with allow_atomic (fast ingest: allow_batched).",
    "BATCH_INCOMPLETE": "Send the batch again: nothing of it is stored.",
    "BATCH_REFUSED": "Correct the batch; the text is the server's. Nothing of it is stored.",
    "BATCH_LIMIT": "Send it later, or fewer at a time.",
    "COUNTER_REFUSED": "Configure the stream with allow_msg_counter, and add a whole number.",
    "SCHEDULE_REFUSED": "Configure the stream with allow_msg_schedules; the text tells what else is wrong.",
    "TTL_REFUSED": "Configure the stream with allow_msg_ttl, and give at least one second.",
    "READ_ONLY": "Open the bucket without option `read_only`.",
    "NOT_A_BUCKET": "Name a bucket, or give the stream `max_msgs_per_subject` and the rest of a bucket's configuration.",
    "ALREADY_ACKED": "Nothing: the first ack counts. See that one place of the program acks.",
    "NOT_JS_MESSAGE": "Ack only what a JetStream consumer delivered.",
}

REFERENCE_CODES = """
    BAD API; BAD_AUTHENTICATION; BAD_CREDS; BAD_HEADER; BAD_JSON; BAD_PAYLOAD; BAD_SUBJECT; CANCELLED;
    CONNECTION_CLOSED; CONNECTION_DRAINING; CONNECTION_REFUSED; CONNECTION_TIMEOUT; DISCONNECT; INVALID_OPTION;
    INVALID_PAYLOAD; MAX_PAYLOAD_EXCEEDED; 503; NOT_FUNC; REQUEST_ERROR; SERVER_OPT_NA; SUB_CLOSED; SUB_DRAINING;
    TIMEOUT; TLS; UNKNOWN_ERROR; WSS_REQUIRED; JESTREAM_INVALID_ACK; 404; 408; 409; IDLE_HEARTBEAT;
    AUTHORIZATION_VIOLATION; AUTHENTICATION_EXPIRED; NATS_PROTOCOL_ERR; PERMISSIONS_VIOLATION;
    AUTHENTICATION_TIMEOUT; ACCOUNT_EXPIRED"""

# Classes for one cause of a status, beside that of the status itself: as the bindings raise them.
NARROWER = {"BadSubjectError": "INVALID", "SubscriptionClosedError": "CLOSED", "OutboundBufferLimitError": "WOULD_BLOCK"}
HOSTS = {"TypeError", "asyncio.CancelledError", "json.JSONDecodeError"}  # of the language itself


def statuses():
    return ROW.findall(STATUSES.read_text(encoding="utf-8"))


def python_classes(rows):
    """Status -> class: from errors.py, or as it makes one of the name."""
    known = dict(re.findall(r'^    "(\w+)": (\w+),$', CLASSES.read_text(encoding="utf-8"), re.M))
    return {name: known.get(name) or "".join(w.capitalize() for w in name.split("_")) + "Error" for name, *_ in rows}


def status_table(rows):
    lines = ["| status | number | class | meaning | what to do | Python | Lua |", "|---|---|---|---|---|---|---|"]
    classes = python_classes(rows)
    for name, number, kind, text in rows:
        python, lua = (f"`{classes[name]}`", f"`{name.lower()}`") if name != "OK" else ("", "")
        lua = "raises" if name in ("INVALID", "UNKNOWN_OPTION") else lua
        lines.append(f"| `{name}` | {number} | {kind.lower()} | {text} | {ADVICE[name]} | {python} | {lua} |")
    return "\n".join(lines) + "\n"


def tables(text, heading):
    """Rows of the table below a heading, as lists of cells."""
    part = text.split(f"\n## {heading}\n", 1)[-1].split("\n## ", 1)[0]
    rows = [line for line in part.split("\n") if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows[2:]]


def check_reference(text, rows, report):
    names, classes = {row[0] for row in rows}, python_classes(rows)
    of_class = {cls: name for name, cls in classes.items()} | NARROWER
    table = tables(text, "The reference client's codes")
    listed = [code for row in table for code in TICKED.findall(row[0])]
    for code in {c.strip() for c in REFERENCE_CODES.split(";")} ^ set(listed):
        report(f"code {code}: missing, or none of the reference client's")
    for code, _, ours, python, lua, _ in table:
        mine = TICKED.findall(ours)
        for name in mine:
            if name not in names:
                report(f"{code}: there is no status {name}")
        wanted = {of_class.get(cls) for cls in TICKED.findall(python) if cls not in HOSTS}
        if wanted != set(mine) and not HOSTS & set(TICKED.findall(python)):
            report(f"{code}: the Python classes are not those of {', '.join(mine) or 'nothing'}")
        raised = {"INVALID", "UNKNOWN_OPTION"}
        if set(TICKED.findall(lua)) - {"invalid"} != {name.lower() for name in mine if name not in raised}:
            report(f"{code}: the Lua codes are not those of {', '.join(mine) or 'nothing'}")
        if raised & set(mine) and "raises" not in lua:
            report(f"{code}: Lua raises")


def check_server_texts(text, report):
    source = ERROR_TEXT.findall(COMMANDS.read_text(encoding="utf-8"))
    used = set()
    if not source:
        report("core/client/commands.c: its texts of -ERR were not found")
    for words, stays, ours, *_ in tables(text, "Errors of the server"):
        for words_of_server in TICKED.findall(words):
            found = next(((b, s) for b, s in source if words_of_server.lower().startswith(b)), ("", "SERVER_ERROR"))
            used.add(found[0])
            if (found[1] == "0") != (stays == "stays"):
                report(f"{words_of_server}: whether the connection stays is told differently by commands.c")
            status = found[1] if found[1] != "0" else \
                "PERMISSION" if found[0] == "permissions violation" else "SERVER_ERROR"
            if TICKED.findall(ours) != [status]:
                report(f"{words_of_server}: commands.c makes {status} of it")
    for begin, _ in source:
        if begin not in used:
            report(f"the text '{begin}' of commands.c has no row")


def main():
    bad = []
    rows = statuses()
    text = PAGE.read_text(encoding="utf-8")
    if {row[0] for row in rows} != set(ADVICE):
        print("tools/errors_page.py: ADVICE and core/base/status.def do not name the same statuses: "
              + ", ".join(sorted({row[0] for row in rows} ^ set(ADVICE))))
        return 1
    before, rest = text.split(BEGIN, 1)
    made = before + BEGIN + status_table(rows) + END + rest.split(END, 1)[1]
    check_reference(text, rows, bad.append)
    check_server_texts(text, bad.append)
    if "--check" in sys.argv[1:]:
        if made != text:
            bad.append("not what tools/errors_page.py writes; run it")
    else:
        PAGE.write_text(made, encoding="utf-8")
    for line in bad:
        print(f"docs/errors.md: {line}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
