# SPDX-License-Identifier: Apache-2.0
"""Other clients' interfaces over natskit, for programs that were written for them: natskit.compat.nats is nats-py's."""
