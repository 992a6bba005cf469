"""The style sheet's promise: every text can be read, in light and in dark."""

from __future__ import annotations

import re
from importlib import resources

import pytest

STYLE = (resources.files("reports") / "templates" / "page.css").read_text()
SCHEMES = dict(zip(("light", "dark"), re.findall(r":root\{(.*?)\}", STYLE)[:2], strict=True))
TEXT = [
    ("ink", "paper"), ("soft", "paper"), ("ink", "faint"), ("soft", "faint"), ("blue", "paper"), ("bad", "paper"),
    ("note-ink", "note"), ("warn-ink", "warn"),
]  # fmt: skip
GRAPHICS = [("sold", "paper"), ("blue", "paper"), ("bad", "paper"), ("blue", "likely"), ("sold", "faint")]


def luminance(color: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    digits = color.lstrip("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    parts = [int(digits[start : start + 2], 16) / 255 for start in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(colors: dict[str, str], one: str, other: str) -> float:
    low, high = sorted((luminance(colors[one]), luminance(colors[other])))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_contrast(scheme: str) -> None:
    colors = dict(re.findall(r"--([\w-]+):(#\w+)", SCHEMES[scheme]))
    assert all(contrast(colors, *pair) >= 4.5 for pair in TEXT), scheme
    assert {pair: round(contrast(colors, *pair), 2) for pair in GRAPHICS if contrast(colors, *pair) < 3} == {}


def test_it_is_made_for_print_phone_and_dark() -> None:
    for media in ("@media print", "max-width:760px", "prefers-color-scheme:dark", "focus-visible"):
        assert media in STYLE


def test_paper_is_no_phone() -> None:
    """An A4 page is 700 px wide: rules for narrow screens must not reach it."""
    assert all(rule.startswith("screen and ") for rule in re.findall(r"@media ([^{]*max-width[^{]*)", STYLE))
