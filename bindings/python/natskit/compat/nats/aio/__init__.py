# SPDX-License-Identifier: Apache-2.0
"""The client, its subscriptions and messages."""

from . import errors

__all__ = ["errors"]
