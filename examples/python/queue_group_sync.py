# SPDX-License-Identifier: Apache-2.0
# Generated from examples/python/queue_group.py by bindings/python/tools/generate_sync.py: change that one.
"""Queue groups: of the members of a group, one gets each message, so work is shared between them."""

import os

import natskit.sync as natskit

URL = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")
JOBS = 30


def main() -> None:
    with natskit.connect(URL, name="example queue group") as nc:
        workers = [nc.subscribe("jobs.>", queue="workers") for _ in range(3)]
        for number in range(JOBS):
            nc.publish(f"jobs.{number}", f"job {number}")
        nc.flush()  # the server has handed all of them out

        done = 0
        for number, worker in enumerate(workers, 1):
            worker.unsubscribe()
            mine = [msg.data.decode() for msg in worker]
            print(f"worker {number}: {len(mine)} jobs")
            done += len(mine)
        print(f"queue group: {JOBS} jobs, {done} done once")
        assert done == JOBS


if __name__ == "__main__":
    main()
