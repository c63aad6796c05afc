# SPDX-License-Identifier: Apache-2.0
"""Money that is moved from one account to another, so that nobody ever sees it twice or not at all: both are read as of
one moment, and changed together. Needs a server with JetStream, 2.12 or later."""

import asyncio  # [async]
import os

import natskit
from natskit import errors

URL = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")


# snippet: transaction
async def move(kv: natskit.KeyValue, source: str, target: str, amount: int) -> list[int]:
    while True:  # again, whenever somebody else was faster
        found = await kv.get_many([source, target])
        try:
            async with kv.batch() as batch:
                for key, more in ((source, -amount), (target, amount)):
                    entry = found.get(key)
                    present = int(entry.value) if entry else 0
                    batch.update(key, b"%d" % (present + more), entry.revision if entry else None)
            return batch.revisions
        except errors.WrongLastSequenceError:
            continue
# snippet end


async def main() -> None:
    async with natskit.connect(URL, name="example kv_batch") as nc:
        js = nc.jetstream()
        kv = await js.create_or_update_key_value(bucket="ACCOUNTS", storage="memory", allow_atomic=True)
        await kv.put("joe", b"100")
        print(f"revisions: {await move(kv, 'joe', 'pam', 40)}")  # who has no account yet
        await move(kv, "pam", "joe", 10)
        accounts = {key: int(entry.value) for key, entry in (await kv.get_many(["joe", "pam"])).items()}
        print(f"accounts: joe {accounts['joe']}, pam {accounts['pam']}")
        await js.delete_key_value("ACCOUNTS")


if __name__ == "__main__":
    asyncio.run(main())
