# SPDX-License-Identifier: Apache-2.0
"""Unique ids, of the library's generator."""

from __future__ import annotations

import natskit

DIGITS = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
BASE = 62
PREFIX_LENGTH = 12
SEQ_LENGTH = 10
TOTAL_LENGTH = PREFIX_LENGTH + SEQ_LENGTH


class NUID:
    """All of them share one generator, so that nothing has to be begun anew."""

    def next(self) -> bytearray:
        """The next id, 22 letters and digits."""
        return bytearray(natskit.nuid().encode())

    def randomize_prefix(self) -> None:
        """Nothing: the library does it when it is due."""

    def reset_sequential(self) -> None:
        """Nothing: the library does it when it is due."""
