"""Templates to HTML: autoescaped Jinja2, the style sheet and script inlined, and a policy that allows nothing else."""

from __future__ import annotations

import base64
import hashlib
from datetime import date, datetime
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reports import wording
from reports.view import ExtraTable


def draw(template: str, **values: Any) -> str:
    """The page that `template` makes of `values`; every value is escaped unless it is a drawing of ours."""
    style, script = _asset("page.css"), _asset("page.js")
    return (
        _environment()
        .get_template(template)
        .render(
            style=Markup(style),  # our own files
            script=Markup(script),
            style_hash=_hash(style),
            script_hash=_hash(script),
            **values,
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("count", "day", "days_away", "instant", "long_day", "money", "number", "odds", "part", "percent"):
        environment.globals[name] = getattr(wording, name)
    environment.globals.update(difference=difference, signed=signed, show=show, numeric=numeric)
    return environment


@cache
def _asset(name: str) -> str:
    return (resources.files("reports") / "templates" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """A content security policy source: sha256-... of an inline style sheet or script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def signed(value: float) -> str:
    """`+12` or `−12`."""
    text = wording.number(value, digits=0)
    return f"+{text}" if value > 0 and text != "0" else text


def difference(new: float, old: float) -> str:
    """`+12%`; a dash where there is nothing to compare with."""
    return signed(100 * (new / old - 1)) + "%" if old else wording.UNKNOWN


def show(value: object) -> str:
    """Any cell of a generic table as text."""
    if value is None:
        return wording.UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return wording.number(value)
    if isinstance(value, float):
        small = value != 0 and abs(value) < 1
        return wording.number(value, digits=3 if small else None)
    if isinstance(value, datetime):
        return wording.instant(value)
    if isinstance(value, date):
        return wording.day(value, year=True)
    return str(value)


def numeric(table: ExtraTable, column: int) -> bool:
    """Whether a column of a small table holds numbers, which are set flush right."""
    cells = [row[column] for row in table.rows if row[column] is not None]
    return bool(cells) and all(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in cells)
