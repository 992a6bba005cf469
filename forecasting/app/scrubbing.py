"""Keeps passwords out of everything that is printed, logged or written: messages of drivers love to quote URLs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

HIDDEN = "***"
_SHORTEST = 4  # a shorter secret also occurs inside innocent words; the patterns below still catch it in a URL
_IN_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://[^:/@\s'\"]*:)[^/\s'\"]*@(?=[^@\s'\"]*)", re.IGNORECASE)
_IN_SETTING = re.compile(
    r"(?P<key>\b(?:password|passwd|pwd|token|secret|api_?key)\b[\"']?\s*[=:]\s*[\"']?)[^\s&;,\"']+", re.I
)
_SECRET_PARAMETERS = re.compile(r"pass|pwd|token|secret|key", re.IGNORECASE)


class Scrubber:
    """Replaces known secrets, and whatever looks like one in a URL or a setting, by ***."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()

    def learn(self, url: str) -> None:
        """Remember the password of a URL, as written and as decoded, and its secret query parameters."""
        try:
            parts = urlsplit(url)
            found = [parts.password or ""]
            found += [value for name, value in parse_qsl(parts.query) if _SECRET_PARAMETERS.search(name)]
        except ValueError:  # not a URL: then nothing in it can be told apart
            return
        for secret in found:
            self.hide(secret)

    def hide(self, secret: str) -> None:
        """Remember a secret, as written and as decoded."""
        written = {secret, unquote(secret), quote(unquote(secret), safe=""), quote_plus(unquote(secret))}
        self._secrets |= {one for one in written if len(one) >= _SHORTEST}

    def scrub(self, text: str) -> str:
        """`text` without secrets."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return _IN_SETTING.sub(rf"\g<key>{HIDDEN}", _IN_URL.sub(rf"\g<scheme>{HIDDEN}@", text))

    def scrub_document(self, value: Any) -> Any:
        """The same for every text inside lists and mappings."""
        if isinstance(value, str):
            return self.scrub(value)
        if isinstance(value, Mapping):
            return {key: self.scrub_document(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.scrub_document(item) for item in value]
        return value
