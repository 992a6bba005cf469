"""Turns the tables of a configuration file into frozen dataclasses, and says exactly where one is wrong."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from forecasting.schema import ConfigurationError

T = TypeVar("T")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """ " Did you mean 'horizon'?" for a near miss, else the list of what is known, else nothing."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"Known: {', '.join(names)}." if names else ""


def build(cls: type[T], table: Mapping[str, Any], where: str) -> T:
    """An instance of the dataclass `cls` from a table of the configuration.

    `where` names file and table ("forecasting.toml: [tasks.demand]") in every message. Raises ConfigurationError for
    an unknown key (with the nearest known one), a missing key, and a value of the wrong type or out of its range.
    """
    known = [item.name for item in fields(cls) if item.init]  # type: ignore[arg-type]
    for key in table:
        if key not in known:
            raise ConfigurationError(f"{where}: unknown key {key!r}.", remedy=did_you_mean(key, known))
    for item in fields(cls):  # type: ignore[arg-type]
        if item.init and item.default is MISSING and item.default_factory is MISSING and item.name not in table:
            raise ConfigurationError(f"{where}: the key {item.name!r} is missing.")
    try:
        return TypeAdapter(cls).validate_python(dict(table))
    except ValidationError as error:
        raise ConfigurationError(f"{where}: {_first(error)}") from None
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}: {error.message}", remedy=error.remedy) from None


def _first(error: ValidationError) -> str:
    """The first problem in words. The rejected value is left out: it may be a secret."""
    problem = error.errors(include_url=False, include_input=False)[0]
    key = ".".join(str(part) for part in problem["loc"] if not str(part).startswith("function-"))
    if problem["type"] == "tuple_type":
        return f'key {key!r}: it should be a list, such as ["..."].'
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return f"key {key!r}: {_lower(message)}." if key else f"{message}"


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:].rstrip(".")
