# SPDX-License-Identifier: Apache-2.0
"""JetStream's configurations and infos, for both faces: `from natskit.js.api import StreamConfig`."""

from __future__ import annotations

from . import api

__all__ = ["api"]
