"""Text of strangers (names, SQL) as TOML values and comments: nothing in it can end a string, a comment or a line."""

from __future__ import annotations

import re
import textwrap

WIDTH = 118
_LONGEST_IN_COMMENT = 80
_SHORT = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\"}


def value(text: str) -> str:
    """A string on one line."""
    return '"' + "".join(_escaped(one) for one in text) + '"'


def block(text: str) -> str:
    """A string of several lines, as it reads where it can be, else on one line with everything escaped."""
    if "'''" in text or not all(one.isprintable() or one == "\n" for one in text):
        return value(text)
    return f"'''\n{text}\n'''"


def key(name: str) -> str:
    """A key, bare where it can be."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else value(name)


def shown(name: str, longest: int = _LONGEST_IN_COMMENT) -> str:
    """A name inside a comment or a sentence: on one line, short, and without characters that hide."""
    plain = "".join(one if one.isprintable() else _escaped(one) for one in name)
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"


def comment(text: str) -> str:
    """A comment of as many lines as it takes."""
    plain = "".join(one if one.isprintable() else _escaped(one) for one in text)
    lines = textwrap.wrap(plain, WIDTH - 2, break_on_hyphens=False) or [""]
    return "".join(f"# {line}\n" for line in lines)


def commented(text: str) -> str:
    """Every line as a comment, to be uncommented."""
    return "".join(f"# {line}\n" if line else "#\n" for line in text.splitlines())


def _escaped(one: str) -> str:
    if one in _SHORT:
        return _SHORT[one]
    if one.isprintable():
        return one
    return f"\\u{ord(one):04x}" if ord(one) < 0x10000 else f"\\U{ord(one):08x}"
