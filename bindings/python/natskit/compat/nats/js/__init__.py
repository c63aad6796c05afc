# SPDX-License-Identifier: Apache-2.0
"""JetStream."""

from __future__ import annotations

from . import api, errors
from .client import JetStreamContext
from .manager import JetStreamManager

__all__ = ["JetStreamContext", "JetStreamManager", "api", "errors"]
