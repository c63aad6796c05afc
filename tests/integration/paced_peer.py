# SPDX-License-Identifier: Apache-2.0
"""The Python end of the paced tests (paced.h): paced_peer.py send|receive URL NAME COUNT"""
import sys

import natskit.sync as natskit

CREDIT = 256
WINDOW = 4
BLOCK = bytes((i * 131 + (i >> 8) * 17) & 255 for i in range(131072))


def message(index):
    mixed = index * 2654435761 & 0xFFFFFFFF
    base = 16 << (mixed >> 24) % 12
    size = base + (mixed & 0xFFFFFF) % base
    offset = index * 8191 % 65536
    return index.to_bytes(8, "little") + BLOCK[offset : offset + size - 8]


def receive(nc, name, count):
    sub = nc.subscribe(name + ".data")
    for _ in range(WINDOW):
        nc.publish(name + ".credit.py", b"")
    index = 0
    while index < count:
        for msg in sub.next_batch(64, timeout=60):
            if msg.data != message(index):
                sys.exit(f"message {index} is not what was sent: {len(msg.data)} bytes")
            index += 1
            if index % CREDIT == 0:
                nc.publish(name + ".credit.py", b"")
    nc.publish(name + ".done.py", b"")
    nc.flush()


def send(nc, name, count):
    credits = nc.subscribe(name + ".credit.c")
    nc.publish(name + ".ready", b"")
    allowed = 0
    for index in range(count):
        while index >= allowed:
            credits.next_msg(timeout=60)
            allowed += CREDIT
        nc.publish(name + ".data", message(index))
    nc.flush()


def main():
    action, url, name, count = sys.argv[1:]
    with natskit.connect(url) as nc:
        {"send": send, "receive": receive}[action](nc, name, int(count))


main()
