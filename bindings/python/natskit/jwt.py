# SPDX-License-Identifier: Apache-2.0
"""JWTs of NATS users: issuing them, without the tools of NATS, and what a client may want to know of its own.

user = nkeys.create("user")
token = jwt.issue_user(signing_seed, nkeys.public_key(user), account=account, name="anna", valid=3600)
nc = await natskit.connect(url, creds=jwt.format_creds(token, user))
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone

from . import _natskit, _options
from .nkeys import Bytes, _bytes

__all__ = ["expiry", "format_creds", "issue_user"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def issue_user(
    seed: Bytes,
    user: Bytes,
    *,
    account: str | None = None,
    name: str | None = None,
    valid: float | timedelta | None = None,
    tags: Iterable[str] | None = None,
    scoped: bool = True,
) -> str:
    """Issues the JWT of a user.

    Args:
        seed: of the account, or of one of its signing keys.
        user: the user's public key; who issues needs no seed of the user.
        account: the account's public key, when a signing key of it issues.
        name: of the user; None: its public key.
        valid: seconds, or a timedelta, after which it expires; None means never.
        tags: of the user; templates of a scope may use them.
        scoped: whether the signing key has a scope, which sets permissions and limits; False for a key without
            one, whose users may do all that their account may. Of the account's own key it says nothing.
    """
    if isinstance(valid, timedelta):
        valid = valid.total_seconds()
    wishes = {
        "account": account,
        "name": name,
        "valid_ms": _options.milliseconds("valid", valid),
        "tags": tags,
        "scoped": scoped,
    }
    pairs = _options.pairs(_natskit.OPTIONS_USER_JWT, wishes)
    return _natskit._jwt_issue_user(_bytes("seed", seed), _bytes("user", user), pairs)


def expiry(jwt: Bytes) -> datetime | None:
    """When a JWT expires, in UTC; None if never. Its signature is not checked."""
    nanoseconds = _natskit._jwt_expiry(_bytes("jwt", jwt))
    return None if nanoseconds == 0 else _EPOCH + timedelta(microseconds=nanoseconds // 1000)


def format_creds(jwt: Bytes, seed: Bytes) -> str:
    """The text of a credentials file with a user's JWT and seed, as connect() takes it for `creds`, and, written to a
    file that nobody else can read, by its name for `creds_file`."""
    return _natskit._creds_format(_bytes("jwt", jwt), _bytes("seed", seed))
