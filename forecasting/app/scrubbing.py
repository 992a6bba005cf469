"""Keeps passwords out of everything that is printed, logged or written: messages of drivers love to quote URLs."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, unquote_plus, urlsplit

HIDDEN = "***"
_SHORTEST = 4  # a shorter secret also occurs inside innocent words; the patterns below still catch it in a URL
_IN_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://[^:/@\s'\"]*:)[^/\s'\"]*@(?=[^@\s'\"]*)", re.IGNORECASE)
_IN_SETTING = re.compile(
    r"(?P<key>\b(?:password|passwd|pwd|token|secret|api_?key)\b[\"']?\s*[=:]\s*[\"']?)[^\s&;,\"']+", re.I
)
_IN_HEADER = re.compile(r"(?P<key>\bauthorization\b[\"']?\s*[:=]\s*[\"']?\w+\s+)[^\s\"',;]+", re.IGNORECASE)
SECRET_PARAMETERS = re.compile(r"pass|pwd|token|secret|key|auth|sig", re.IGNORECASE)
_USER_AND_PASSWORD = re.compile(r"^[^:/?#]+://(?P<user>[^:/@]*):(?P<password>.*)@", re.DOTALL)


class Scrubber:
    """Replaces known secrets, and whatever looks like one in a URL, a setting or a header, by ***."""

    def __init__(self) -> None:
        self._secrets: tuple[str, ...] = ()  # the longest first; never changed in place: other threads read it

    def learn(self, url: str) -> None:
        """Remember the password of a URL, as written and as decoded, alone and with its user as `Authorization` has
        them, and its secret query parameters."""
        found: list[str] = []
        try:
            parts = urlsplit(url)
            found += [parts.password or ""]
            found += [value for name, value in parse_qsl(parts.query) if SECRET_PARAMETERS.search(name)]
        except ValueError:  # not a URL by the book: databases take more than that
            pass
        # A password may hold /, ? and #, which SQLAlchemy takes as they are, up to the first @ or the last.
        if match := _USER_AND_PASSWORD.match(url):
            user, longest = unquote(match["user"]), match["password"]
            for password in {longest, longest.split("@")[0]}:
                found.append(password)
                for plain in {password, unquote(password)}:
                    found += [_base64(f"{user}:{plain}"), _base64(f"\0{user}\0{plain}")]
        for secret in found:
            self.hide(secret)

    def hide(self, secret: str) -> None:
        """Remember a secret, as it is written in text, URLs, JSON, Python, HTML and base64."""
        known = {one for one in _spellings(secret) if len(one) >= _SHORTEST}
        if known - set(self._secrets):
            self._secrets = tuple(sorted(known | set(self._secrets), key=len, reverse=True))

    def scrub(self, text: str) -> str:
        """`text` without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        text = _IN_SETTING.sub(rf"\g<key>{HIDDEN}", _IN_URL.sub(rf"\g<scheme>{HIDDEN}@", text))
        return _IN_HEADER.sub(rf"\g<key>{HIDDEN}", text)

    def scrub_document(self, value: Any) -> Any:
        """The same for every text inside lists and mappings."""
        if isinstance(value, str):
            return self.scrub(value)
        if isinstance(value, Mapping):
            return {key: self.scrub_document(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.scrub_document(item) for item in value]
        return value


def _spellings(secret: str) -> Iterator[str]:
    """A secret in every way in which it may come by."""
    for plain in {secret, unquote(secret), unquote_plus(secret)}:
        yield from (plain, quote(plain, safe=""), quote_plus(plain), quote(plain), html.escape(plain))
        yield from (json.dumps(plain)[1:-1], json.dumps(plain, ensure_ascii=False)[1:-1], repr(plain)[1:-1])
        if len(plain) >= _SHORTEST:
            yield _base64(plain)


def _base64(text: str) -> str:
    """Without padding, which differs."""
    return base64.b64encode(text.encode(errors="surrogateescape")).decode().rstrip("=")
