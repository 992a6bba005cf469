"""A drawn page as tests read it, and what every page must keep."""

from __future__ import annotations

from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path


class Page(HTMLParser):
    """The text of a page and its elements with their attributes, in order."""

    def __init__(self, path: Path):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def sound(page: Page, files: str) -> None:
    """The page needs nothing from outside but files beside it whose names begin with `files`, and all that it shows is
    labelled for those who hear it."""
    for tag, attributes in page.elements:
        for name in ("src", "href", "action"):
            link = attributes.get(name)
            assert link is None or link.startswith(("#", "data:", files)), (tag, link)
    assert "url(" not in page.source and "@import" not in page.source
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in page.elements:
        for name in ("aria-labelledby", "for"):
            assert attributes.get(name) is None or attributes[name] in ids, (tag, attributes)
        if (attributes.get("href") or "").startswith("#"):
            assert attributes["href"][1:] in ids  # type: ignore[index]
        if tag == "svg":
            assert attributes.get("aria-label") or attributes.get("aria-hidden") == "true"
        if tag in ("table", "section"):
            assert attributes.get("aria-label") or attributes.get("aria-labelledby")
        assert tag not in ("input", "select") or "id" in attributes
    levels = [int(tag[1]) for tag, _ in page.elements if tag in ("h1", "h2", "h3", "h4", "h5", "h6")]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(below <= above + 1 for above, below in pairwise(levels)), levels
    assert page.all("html")[0]["lang"] == "en"
