"""Signatures of the Standard Webhooks specification 1.0.0 (https://www.standardwebhooks.com): HMAC-SHA256, "v1"."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

from forecasting.schema import ConfigurationError

PREFIX = "whsec_"
LEAST_BYTES, MOST_BYTES = 24, 64


def keys(secret: str, where: str) -> tuple[bytes, ...]:
    """The keys of a secret: one or more words, `whsec_` and the base64 of 24 to 64 bytes ("Signature scheme").

    Raises ConfigurationError, without the secret, for anything else.
    """
    found = []
    for word in secret.split():
        try:
            key = base64.b64decode(word.removeprefix(PREFIX), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not word.startswith(PREFIX) or not LEAST_BYTES <= len(key) <= MOST_BYTES:
            raise ConfigurationError(
                f"{where}: the secret is no key for webhooks: that is {PREFIX} and the base64 of {LEAST_BYTES} to "
                f"{MOST_BYTES} bytes.",
                remedy='Make one with `echo "whsec_$(openssl rand -base64 32)"`, and give it to the receiver as well.',
            )
        found.append(key)
    return tuple(found)


def signature(keys: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`: of every key the HMAC of `id.timestamp.body`, `timestamp` in Unix seconds."""
    content = f"{message_id}.{timestamp}.".encode() + body
    digests = (hmac.new(key, content, hashlib.sha256).digest() for key in keys)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)
