# SPDX-License-Identifier: Apache-2.0
"""The client, its subscriptions and messages."""
