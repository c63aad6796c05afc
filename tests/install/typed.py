# SPDX-License-Identifier: Apache-2.0
"""What type checkers are told where it depends on an argument: for the lane `types`, nothing runs it."""

from __future__ import annotations

from typing import assert_type

import natskit
import natskit.sync


async def opened(store: natskit.ObjectStore, mode: str) -> None:
    """An object as a file: what it is follows from the mode."""
    assert_type(await store.open("a"), natskit.ObjectReader)
    assert_type(await store.open("a", "rb"), natskit.ObjectReader)
    assert_type(await store.open("a", "wb", chunk_size=1000), natskit.ObjectWriter)
    assert_type(await store.open("a", mode), natskit.ObjectReader | natskit.ObjectWriter)


def opened_blocking(store: natskit.sync.ObjectStore, mode: str) -> None:
    """The same of the blocking face."""
    assert_type(store.open("a"), natskit.sync.ObjectReader)
    assert_type(store.open("a", "w", {"description": "b"}), natskit.sync.ObjectWriter)
    assert_type(store.open("a", mode), natskit.sync.ObjectReader | natskit.sync.ObjectWriter)
