"""Labels as codes."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.schema import ArtifactError
from forecasting.vocabulary import Vocabulary


def test_frequent_labels_come_first_and_ties_by_name():
    values = ["b", "c", "a", "c", None, "b", "d"]
    assert Vocabulary.fit(values).labels == ("b", "c", "a", "d")
    assert Vocabulary.fit(values[::-1]) == Vocabulary.fit(values)
    assert Vocabulary.fit(values, minimum_count=2).labels == ("b", "c")
    assert Vocabulary.fit(values, maximum_size=3).labels == ("b", "c", "a")


def test_what_training_did_not_show_is_unknown():
    vocabulary = Vocabulary.fit(["a", "b"])
    codes = vocabulary.encode(["b", "never seen", None, "a", ""])
    assert codes.dtype == np.int32
    assert codes.tolist() == [2, 0, 0, 1, 0]
    assert vocabulary.decode(codes).tolist() == ["b", None, None, "a", None]
    assert vocabulary.size == 3
    assert Vocabulary.fit([]).encode(["a"]).tolist() == [0]


def test_every_holder_of_text_gives_the_same():
    texts = ["x", None, "y", "x"]
    plain = pa.array(texts)
    for values in (
        np.array(texts, dtype=object),
        plain,
        plain.dictionary_encode(),
        pa.chunked_array([plain[:1].dictionary_encode(), plain[1:].dictionary_encode()]),
        pa.chunked_array([plain[:0], plain]),
    ):
        assert Vocabulary.fit(values).labels == ("x", "y")
        assert Vocabulary(("y", "x")).encode(values).tolist() == [2, 0, 1, 2]


def test_codes_of_categories_translate():
    categories, codes = np.array(["p", "q", "r"], dtype=object), np.array([[2, -1], [0, 1]])
    vocabulary = Vocabulary.fit_counts(categories, np.array([1, 0, 5]))
    assert vocabulary.labels == ("r", "p")
    assert vocabulary.encode_codes(codes, categories).tolist() == [[1, 0], [2, 0]]


@given(st.lists(st.one_of(st.none(), st.text(max_size=5)), max_size=30))
@settings(deadline=None)
def test_a_vocabulary_survives_json(values):
    vocabulary = Vocabulary.fit(values)
    restored = Vocabulary.restore(json.loads(json.dumps(vocabulary.document())))
    assert restored == vocabulary
    assert list(restored.decode(restored.encode(values))) == values


@pytest.mark.parametrize("document", [{}, {"labels": "ab"}, {"labels": [1]}, {"labels": ["a", "a"]}])
def test_a_damaged_document_is_refused(document):
    with pytest.raises(ArtifactError):
        Vocabulary.restore(document)
