# SPDX-License-Identifier: Apache-2.0
"""A bucket in which each tenant sees only keys of its own, and values are packed: codecs that the program brings, through
which every call goes. Needs a server with JetStream."""

import asyncio  # [async]
import os
import zlib

import natskit

URL = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")


# snippet: codec
class Tenant:
    """Keys of one tenant: `host` is stored as `red.host`."""

    def __init__(self, name: str) -> None:
        self.prefix = name + "."

    def encode(self, key: str) -> str:
        return self.prefix + key

    encode_filter = encode  # patterns, too: `*` and `>` in them are left alone

    def decode(self, stored: str) -> str:
        if not stored.startswith(self.prefix):
            raise ValueError(f"{stored} is another tenant's key")
        return stored.removeprefix(self.prefix)


class Packed:
    """Values as they are, unless packing them saves something; the first byte tells."""

    def encode(self, value: bytes) -> bytes:
        packed = zlib.compress(value)
        return b"z" + packed if len(packed) < len(value) else b"-" + value

    def decode(self, stored: bytes) -> bytes:
        if stored[:1] not in (b"z", b"-"):
            raise ValueError("this codec has not written it")
        return zlib.decompress(stored[1:]) if stored[:1] == b"z" else stored[1:]


# snippet end
async def main() -> None:
    async with natskit.connect(URL, name="example kv_codec") as nc:
        js = nc.jetstream()
        stored = await js.create_key_value(bucket="TENANTS", storage="memory")  # as it is
        # snippet: codec
        red = js.kv("TENANTS", key_codec=Tenant("red"), value_codec=Packed())
        blue = js.kv("TENANTS", key_codec=Tenant("blue"), value_codec=Packed())
        # snippet end

        await red.put("host", b"10.0.0.7")
        await blue.put("host", b"10.0.0.8")
        await red.put("notes", b"much the same, " * 100)

        print(f"red: host {(await red.get('host')).value!r}, {len((await red.get('notes')).value)} bytes of notes")
        print(f"red sees {sorted(await red.keys('*'))}, blue {sorted(await blue.keys('*'))}")
        print(f"stored: {sorted(await stored.keys())}")
        print(f"packed: {len((await stored.get('red.notes')).value) < 100}")

        await stored.put("red.odd", b"?")  # by a client that does not know of the codec
        try:
            print((await red.get("odd")).value)
        except natskit.errors.InvalidError as error:
            print(f"refused: {error}")
        await js.delete_key_value("TENANTS")


if __name__ == "__main__":
    asyncio.run(main())
