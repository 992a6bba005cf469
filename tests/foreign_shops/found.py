"""What `forecasting init` is sure of, held against what a person would map."""

from __future__ import annotations

from dataclasses import dataclass

from db.engines import open_warehouse
from forecasting.app.looking.look import Look, look
from foreign_shops.shop import Shop, columns_of


@dataclass(frozen=True)
class Found:
    """`right` and `wrong`: (source, canonical column, "table.column") of columns in force; `missed`: (source, canonical
    column) of those that should be; `needed`: how many these are with the right ones."""

    look: Look
    right: frozenset[tuple[str, str, str]]
    wrong: frozenset[tuple[str, str, str]]
    missed: frozenset[tuple[str, str]]
    needed: int


def found(shop: Shop, url: str) -> Found:
    """Looks at the shop's tables, which must stand at `url`."""
    warehouse = open_warehouse(url, name="shop", role="source")
    try:
        seen = look(warehouse)
    finally:
        warehouse.close()
    sure = [(source, one) for source, one in seen.proposals.items() if one.sure]
    mapped = {
        (source, name, f"{guess.table or one.studied.label}.{guess.theirs}")
        for source, one in sure
        for name, guess in one.columns.items()
        if guess.sure
    } | {(source, name, "=1") for source, one in sure for name, what in one.fixed.items() if what == "1"}
    right: set[tuple[str, str, str]] = set()
    missed: set[tuple[str, str]] = set()
    needed = 0
    for source, name, theirs in columns_of(shop.expected):
        hits = {one for one in mapped if one[:2] == (source, name) and one[2] in theirs.lstrip("?").split("|")}
        right |= hits
        needed += not theirs.startswith("?")
        if not hits and not theirs.startswith("?"):
            missed.add((source, name))
    return Found(seen, frozenset(right), frozenset(mapped - right), frozenset(missed), needed)


def main() -> None:
    """Prints precision and recall over all shops, on SQLite."""
    import tempfile
    from pathlib import Path

    from foreign_shops import held_out, tuned, unseen

    for group, shops in (("tuned", tuned.TUNED), ("held out", held_out.HELD_OUT), ("unseen", unseen.UNSEEN)):
        right = wrong = missed = needed = 0
        for make in shops:
            with tempfile.TemporaryDirectory() as directory:
                shop, url = make(), f"sqlite:///{Path(directory) / 'shop.db'}"
                shop.create(url)
                one = found(shop, url)
            right, wrong, missed = right + len(one.right), wrong + len(one.wrong), missed + len(one.missed)
            needed += one.needed
            print(
                f"{group}: {shop.name}: {len(one.right)} right, wrong {sorted(one.wrong)}, missed {sorted(one.missed)}"
            )
        print(f"{group}: precision {right / (right + wrong):.3f}, recall {1 - missed / needed:.3f} of {needed} columns")


if __name__ == "__main__":
    main()
