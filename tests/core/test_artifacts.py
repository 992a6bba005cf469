"""Artifacts come back as they were, or not at all."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting import artifacts
from forecasting.artifacts import DOCUMENT, MANIFEST, TENSORS, load, save
from forecasting.schema import ArtifactError

TENSOR_MAP = {
    "encoder.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "vocabulary": np.array([3, 1, 2], np.int64),
    "mask": np.array([True, False]),
    "empty": np.zeros((0, 4), np.float64),
    "scalar": np.float32(2.5) * np.ones(()),
}
DOCUMENT_MAP = {"task": "demand", "levels": [0.1, 0.5], "names": {"ä": None}}


@pytest.fixture
def stored(tmp_path):
    directory = tmp_path / "models" / "m1"
    return directory, save(directory, TENSOR_MAP, DOCUMENT_MAP)


def test_round_trip(stored):
    directory, digest = stored
    tensors, document = load(directory, digest)
    assert document == DOCUMENT_MAP and tensors.keys() == TENSOR_MAP.keys()
    for name, array in TENSOR_MAP.items():
        assert tensors[name].dtype == array.dtype and tensors[name].shape == array.shape
        np.testing.assert_array_equal(tensors[name], array)


@settings(max_examples=25, deadline=None)
@given(
    document=st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
            lambda values: st.lists(values) | st.dictionaries(st.text(), values),
            max_leaves=10,
        ),
    )
)
def test_documents_round_trip(tmp_path_factory, document):
    directory = tmp_path_factory.mktemp("artifact") / "m"
    save(directory, {}, document)
    assert load(directory) == ({}, document)


def test_equal_contents_make_equal_bytes(tmp_path):
    reversed_map = {name: np.asarray(TENSOR_MAP[name], order="F") for name in reversed(TENSOR_MAP)}
    digests = [save(tmp_path / "a", TENSOR_MAP, DOCUMENT_MAP), save(tmp_path / "b", reversed_map, DOCUMENT_MAP)]
    assert digests[0] == digests[1]
    for name in (TENSORS, DOCUMENT, MANIFEST):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_nothing_is_left_aside_and_saving_twice_is_no_error(stored):
    directory, digest = stored
    assert save(directory, TENSOR_MAP, DOCUMENT_MAP) == digest
    assert [entry.name for entry in directory.parent.iterdir()] == ["m1"]
    with pytest.raises(ArtifactError, match="not the artifact"):
        save(directory, TENSOR_MAP, {"other": 1})
    assert load(directory, digest)[1] == DOCUMENT_MAP


def test_what_a_killed_writer_left_aside_goes_with_the_next_one(tmp_path):
    for hours, name in ((2.0, f".m0.{'0' * 32}"), (0.1, f".m1.{'1' * 32}"), (2.0, ".theirs"), (2.0, "m2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / TENSORS).touch()
        os.utime(tmp_path / name, (time.time() - 3600 * hours,) * 2)
    save(tmp_path / "m3", TENSOR_MAP, DOCUMENT_MAP)
    assert {entry.name for entry in tmp_path.iterdir()} == {f".m1.{'1' * 32}", ".theirs", "m2", "m3"}


@pytest.mark.parametrize("name", [TENSORS, DOCUMENT, MANIFEST])
@pytest.mark.parametrize("damage", ["truncate", "flip", "empty", "delete", "link", "directory"])
def test_damage_is_refused(stored, name, damage):
    directory, digest = stored
    file = directory / name
    content = bytearray(file.read_bytes())
    file.unlink()
    if damage == "truncate":
        file.write_bytes(content[:-3])
    elif damage == "flip":
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    elif damage == "empty":
        file.write_bytes(b"")
    elif damage == "link":
        outside = directory.parent / "outside"
        outside.write_bytes(content)
        file.symlink_to(outside)
    elif damage == "directory":
        file.mkdir()
    with pytest.raises(ArtifactError, match=name if damage in ("delete", "link", "directory") else "refused") as error:
        load(directory, digest)
    assert str(directory) in str(error.value) and error.value.remedy


def test_damage_is_seen_without_the_registered_digest_too(stored):
    directory, _ = stored
    content = bytearray((directory / TENSORS).read_bytes())
    content[-1] ^= 1
    (directory / TENSORS).write_bytes(content)
    with pytest.raises(ArtifactError, match="not the file that its manifest describes"):
        load(directory)


def test_another_model_is_refused(stored, tmp_path):
    directory, digest = stored
    save(tmp_path / "m2", TENSOR_MAP, {"task": "other"})
    with pytest.raises(ArtifactError, match="not the artifact that was registered"):
        load(tmp_path / "m2", digest)
    (directory / DOCUMENT).write_bytes((tmp_path / "m2" / DOCUMENT).read_bytes())
    with pytest.raises(ArtifactError, match=DOCUMENT):
        load(directory, digest)


def test_unexpected_files_and_missing_artifacts_are_refused(stored, tmp_path):
    directory, digest = stored
    (directory / "code.py").write_text("import os")
    with pytest.raises(ArtifactError, match=r"unexpected file 'code.py'"):
        load(directory, digest)
    with pytest.raises(ArtifactError, match="does not exist"):
        load(tmp_path / "nowhere")


def rewrite(directory, **changes):
    """Replace files and write a manifest that vouches for them, as someone with write access would."""
    for name, content in changes.items():
        (directory / {"tensors": TENSORS, "document": DOCUMENT}[name]).write_bytes(content)
    entries = {name: artifacts._entry((directory / name).read_bytes()) for name in (TENSORS, DOCUMENT)}
    (directory / MANIFEST).write_bytes(artifacts._json_bytes({"version": 1, "files": entries}))


@pytest.mark.parametrize(
    "changes",
    [
        {"tensors": b"not safetensors"},
        {"tensors": (8).to_bytes(8, "little") + b'{"a": 1}'},
        {"tensors": b""},
        {"tensors": (1 << 60).to_bytes(8, "little") + b"{}"},
        {"document": b"[1, 2]"},
        {"document": b"\xff\xfe"},
        {"document": b'{"a": '},
    ],
)
def test_contents_that_do_not_parse_are_refused(stored, changes):
    directory, digest = stored
    rewrite(directory, **changes)
    with pytest.raises(ArtifactError, match="refused"):
        load(directory)
    with pytest.raises(ArtifactError, match="not the artifact that was registered"):
        load(directory, digest)


def test_foreign_dtypes_are_refused(stored):
    directory, _ = stored
    header = json.dumps({"w": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}).encode()
    rewrite(directory, tensors=len(header).to_bytes(8, "little") + header + b"\0\0")
    with pytest.raises(ArtifactError):
        load(directory)


@pytest.mark.parametrize("manifest", [{}, {"version": 2, "files": {}}, {"version": 1, "files": {}}, {"version": 1}])
def test_manifests_of_another_kind_are_refused(stored, manifest):
    directory, _ = stored
    (directory / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match="manifest"):
        load(directory)


@pytest.mark.parametrize("tensors", [{"a": np.array(["text"])}, {"a": np.array([object()])}, {"a": np.array([1j])}])
def test_only_plain_numbers_are_stored(tmp_path, tensors):
    with pytest.raises(ArtifactError, match="tensor 'a'"):
        save(tmp_path / "m", tensors, {})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("document", [{"a": float("nan")}, {"a": object()}, {"a": float("inf")}])
def test_only_json_is_stored(tmp_path, document):
    with pytest.raises(ArtifactError, match="JSON"):
        save(tmp_path / "m", {}, document)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="cannot be written"):
        save(tmp_path / "file" / "m", {}, {})


def test_killed_while_saving_leaves_whole_artifacts_only(tmp_path):
    """A process that saves without end is killed -9: every directory that has its final name loads."""
    program = (
        "import sys, numpy as np; from pathlib import Path; from forecasting import artifacts\n"
        "for k in range(10**6):\n"
        "    artifacts.save(Path(sys.argv[1]) / f'm{k}', {'w': np.full(200_000, k, np.float32)}, {'k': k})\n"
        "    print(k, flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    assert process.stdout
    while int(next(process.stdout)) < 3:
        pass
    process.kill()
    process.wait()
    whole = sorted(tmp_path.glob("m*"))
    assert len(whole) >= 4
    for directory in whole:
        tensors, document = load(directory)
        assert (tensors["w"] == document["k"]).all()
