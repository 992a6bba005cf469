"""Items as numbers: by id, and by what the shop says of them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from small_journals import catalogue

from forecasting.schema import ArtifactError
from tasks.recommendation.items import ItemLayout, ItemTable, price_bands, price_edges

TITLES = np.array(["Red mug", "RED  mug, large", None, "blaue Tasse", "", "mug"], object)


def shop(**columns):
    return catalogue(6, category=["a", "a", "b", "b", "c", None], title=TITLES, price=np.arange(6.0), **columns)


def of(codes, item: int) -> dict[int, float]:
    code, share, begin = codes.descriptions(np.array([item]))
    assert begin.tolist() == [0]
    return {int(one): float(value) for one, value in zip(code, share, strict=True)}


def layout(made, seen=(0, 1, 2, 3)) -> ItemLayout:
    seen = np.isin(np.arange(len(made)), seen)
    return ItemLayout.fit(made, seen, np.ones(len(made), bool))


def test_ids_are_those_with_a_history_and_survive_a_new_catalogue():
    made = layout(shop())
    assert made.codes(shop()).id.tolist() == [1, 2, 3, 4, 0, 0]
    wider = catalogue(4, ids=np.array(["i000", "i0005", "i001", "i003"], object))
    assert made.codes(wider).id.tolist() == [1, 0, 2, 4]


def test_descriptions_of_alike_items_are_alike():
    codes = layout(shop()).codes(shop())
    red, large, plain = of(codes, 0), of(codes, 1), of(codes, 5)
    words = set(red) & set(large) & set(plain)
    assert words, "all three are mugs"
    assert len(set(red) & set(large)) >= 3, "category, red and mug"
    assert all(plain[word] == pytest.approx(1) and red[word] == pytest.approx(2**-0.5) for word in words)
    assert max(codes.code) < layout(shop()).size


def test_the_batch_does_not_change_a_description():
    codes = layout(shop()).codes(shop())
    code, share, begin = codes.descriptions(np.array([3, 0, 2]))
    ends = [*begin[1:], len(code)]
    found = [
        dict(zip(code[start:end].tolist(), share[start:end].tolist(), strict=True))
        for start, end in zip(begin, ends, strict=True)
    ]
    assert found == [of(codes, item) for item in (3, 0, 2)]


def test_bare_items_are_not_described():
    made = layout(catalogue(6))
    assert made.size == 0
    assert len(made.codes(catalogue(6)).code) == 0


def test_stored_and_restored():
    made = layout(shop())
    again = ItemLayout.restore(json.loads(json.dumps(made.document())))
    before, after = made.codes(shop()), again.codes(shop())
    for name in ("id", "offsets", "code", "share"):
        np.testing.assert_array_equal(getattr(before, name), getattr(after, name))
    with pytest.raises(ArtifactError):
        ItemLayout.restore({"ids": []})


def test_price_bands():
    edges = price_edges(np.array([1.0, 2.0, np.nan, 4.0, 8.0]))
    assert price_bands(np.array([np.nan, 0.0, 100.0]), edges).tolist() == [0, 1, len(edges) + 1]
    assert len(price_edges(np.array([np.nan]))) == 0


def test_an_unseen_item_is_what_is_said_of_it():
    codes = layout(shop()).codes(shop())
    log_share = torch.log(torch.tensor([0.4, 0.3, 0.2, 0.1]))
    table = ItemTable(log_share, torch.ones(4), layout(shop()).size, 8).eval()

    def vectors(items):
        parts = codes.descriptions(np.array(items))
        return table(torch.from_numpy(codes.id[items]), *map(torch.from_numpy, parts))

    seen, unseen = vectors([0])[0], vectors([5])
    assert unseen[0].abs().sum() > 0 and unseen[1].item() == pytest.approx(np.log(0.1))
    table.identity.weight.data.zero_()
    assert not torch.equal(vectors([0])[0], seen)
    torch.testing.assert_close(vectors([5])[0], unseen[0])
    table.train()  # always hidden: all that is left of a known item is what is said of it
    hidden, bias = vectors([0])
    table.identity.weight.data.fill_(7.0)
    torch.testing.assert_close(vectors([0])[0], hidden)
    assert bias.item() == pytest.approx(np.log(0.1))
