"""Artifacts and checkpoints that are truncated, swapped or malicious: refused, in words, and nothing of them executed.

Without a champion to believe in the night trains anew; with `--retrain never` it ends in one clean error.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import sqlalchemy as sa
import torch
from changing_shops import ChangingShop
from program import Program
from tally import is_full, tally

from db import models
from db.tables import MODELS
from forecasting import artifacts
from forecasting.app.restoring import restored
from forecasting.artifacts import DOCUMENT, MANIFEST, TENSORS
from forecasting.checkpoints import Checkpoint
from forecasting.discovery import task_classes
from forecasting.schema import ArtifactError
from forecasting.task import Fit
from forecasting.trainer import TrainingConfig, train

SECONDS, MEGABYTES = 20, 300
"""What a refusal may take of time (of a busy machine) and, all of them together, of memory."""

Damage = Callable[[Path], None]


class _Owned:
    """What a pickle would run."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.mark}",)


@pytest.fixture
def shop(request: pytest.FixtureRequest, program: Program) -> Iterator[ChangingShop]:
    """A shop with a champion."""
    if not is_full() and program.url.startswith("sqlite") == ("forged" in request.function.__name__):
        pytest.skip("its turn is on the other database; `make faults` tries both")
    opened = ChangingShop("recommendation", program, days=14)
    opened.night(0, code=0)
    yield opened
    opened.close()


def test_a_damaged_artifact_is_refused(shop: ChangingShop, tmp_path: Path) -> None:
    champion = models.champion(shop.results, shop.task)
    assert champion is not None
    directory, whole = Path(champion.uri), tmp_path / "whole"
    shutil.copytree(directory, whole)
    before, mark = shop.published(), tmp_path / "owned"
    faults = _broken_files(mark) | {f"flipped bit {number}": _flipped(number) for number in range(12)}
    chosen = dict(list(faults.items())[:: 1 if is_full() else 6])
    with _bounded(), tally("a damaged artifact", shop.dialect, len(chosen)) as survived:
        for what, damage in chosen.items():
            with survived.point(what):
                damage(directory)
                error = _in_time(lambda: shop.night(1, "--retrain", "never", code=1))["error"]
                assert "The artifact" in error["message"] and "--retrain always" in error["remedy"], error
                assert shop.published() == before and not mark.exists()
            _put_back(directory, whole)
    _flipped(3)(directory)
    run = shop.night(1)["runs"][0]
    assert run["trained"] and run["model_id"] != champion.model_id
    assert shop.published() != before


def test_a_forged_artifact_that_the_ledger_vouches_for_is_refused(shop: ChangingShop, tmp_path: Path) -> None:
    """Somebody may write both: the artifact and its digest in the ledger."""
    champion = models.champion(shop.results, shop.task)
    assert champion is not None
    mark, before = tmp_path / "owned", shop.published()
    tensors, document = artifacts.load(Path(champion.uri))
    faults = _vouched_for(mark, tensors, document)
    chosen = dict(list(faults.items())[:: 1 if is_full() else 6])
    with _bounded(), tally("an artifact forged with its digest", shop.dialect, len(chosen)) as survived:
        for number, (what, files) in enumerate(chosen.items()):
            with survived.point(what):
                forged = Path(champion.uri).parent / f"forged-{number}"
                _ledger_says(shop, champion.model_id, uri=str(forged), sha256=_forge(forged, *files))
                error = _in_time(lambda: shop.night(1, "--retrain", "never", code=1))["error"]
                assert "The artifact" in error["message"] or "format" in error["message"], error
                assert shop.published() == before and not mark.exists()
    for change in ({"sha256": "0" * 64}, {"uri": "../../../etc"}, {"uri": "/dev/zero"}, {"uri": "\x01' or 1=1"}):
        _ledger_says(shop, champion.model_id, **{"uri": champion.uri, "sha256": champion.sha256, **change})
        shop.night(1, "--retrain", "never", code=1)
    assert shop.night(1)["runs"][0]["trained"]


def test_the_model_of_another_task_is_refused(tmp_path: Path) -> None:
    """Whose digest the ledger vouches for; every task by every other's."""
    classes = {name: cls for name, cls in task_classes().items() if cls.__module__.startswith("tasks.")}
    names = list(classes) if is_full() else ["recommendation", "churn"]
    stored = {}
    for name in names if is_full() else names[:1]:
        example = classes[name].example()
        task = classes[name](example.options)
        model = task.fit(task.assemble(example.sources), Fit(example.as_of))
        stored[name] = (artifacts.save(tmp_path / name, model.tensors(), model.document()), model.trained_until)
    pairs = [(mine, other) for mine in names for other in stored if mine != other]
    with tally("the model of another task", "files", len(pairs)) as survived:
        for mine, other in pairs:
            with survived.point((mine, other)):
                sha256, until = stored[other]
                record = _record(str(tmp_path / other), sha256, until)
                try:
                    restored(classes[mine](classes[mine].example().options), record)
                except ArtifactError as refused:
                    assert str(refused)
                else:
                    raise AssertionError("it was believed")


def test_a_damaged_checkpoint_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "core"))  # where the toy training stands
    mark, config = tmp_path / "owned", TrainingConfig(epochs=2, learning_rate=0.01, device="cpu", threads=1)
    expected = _trained(config, None)
    directory = tmp_path / "checkpoint"
    with pytest.raises(KeyboardInterrupt):
        _trained(config, Checkpoint(directory, every_seconds=0), stop=5)
    (saved,) = directory.iterdir()
    shutil.copytree(saved, tmp_path / "whole")
    faults: dict[str, Damage] = dict(_broken_files(mark))
    tensors, document = artifacts.load(saved)
    for what, files in _forged_checkpoints(mark, tensors, document).items():
        faults[what] = lambda place, files=files: _replace(place, *files)
    faults = dict(list(faults.items())[:: 1 if is_full() else 5])
    with _bounded(), tally("a damaged checkpoint", "files", len(faults)) as survived:
        for what, damage in faults.items():
            with survived.point(what):
                damage(saved)
                found = _in_time(lambda: _trained(config, Checkpoint(directory)))
                assert not mark.exists()
                same = all(torch.equal(found[name], expected[name]) for name in expected)
                assert same or what in ("a symbolic link to it",), "what it trained is not what it would have been"
            shutil.rmtree(directory)
            directory.mkdir()
            shutil.copytree(tmp_path / "whole", saved)


def _broken_files(mark: Path) -> dict[str, Damage]:
    """What becomes of an artifact on disk, its digests being those of the whole one."""

    def written(name: str, content: bytes) -> Damage:
        return lambda place: _fresh(place / name).write_bytes(content) and None

    def cut(name: str, keep: float) -> Damage:
        def damage(place: Path) -> None:
            content = (place / name).read_bytes()
            (place / name).write_bytes(content[: int(keep * len(content))])

        return damage

    def swapped(place: Path) -> None:
        first, second = (place / TENSORS).read_bytes(), (place / DOCUMENT).read_bytes()
        (place / TENSORS).write_bytes(second)
        (place / DOCUMENT).write_bytes(first)

    def sparse(name: str) -> Damage:
        def damage(place: Path) -> None:
            with (place / name).open("r+b") as file:
                file.truncate(1 << 40)

        return damage

    def linked(name: str, target: str) -> Damage:
        return lambda place: _fresh(place / name).symlink_to(target)

    def moved(place: Path) -> None:
        elsewhere = place.parent.parent / f"elsewhere-{place.name}"
        shutil.rmtree(elsewhere, ignore_errors=True)
        place.rename(elsewhere)
        place.symlink_to(elsewhere)

    def a_file(place: Path) -> None:
        shutil.rmtree(place)
        place.write_bytes(pickle.dumps(_Owned(mark)))

    return {
        **{f"{name} cut to {keep:.0%}": cut(name, keep) for name in _NAMES for keep in (0.0, 0.5, 0.99)},
        **{f"{name} is a pickle": written(name, pickle.dumps(_Owned(mark))) for name in _NAMES},
        **{f"{name} is 1 TB of nothing": sparse(name) for name in _NAMES},
        **{f"{name} is /dev/zero": linked(name, "/dev/zero") for name in _NAMES},
        **{f"{name} is a pipe": (lambda place, name=name: os.mkfifo(_fresh(place / name))) for name in _NAMES},
        **{f"{name} is a directory": (lambda place, name=name: _fresh(place / name).mkdir()) for name in _NAMES},
        **{f"{name} is gone": (lambda place, name=name: _fresh(place / name) and None) for name in _NAMES},
        "a link out of it": linked(DOCUMENT, "/etc/hostname"),
        "files swapped": swapped,
        "a file too many": lambda place: (place / "model.py").write_text("import os") and None,
        "a symbolic link to it": moved,
        "a file in its place": a_file,
        "nothing there": lambda place: shutil.rmtree(place),
    }


_NAMES = (TENSORS, DOCUMENT, MANIFEST)


def _flipped(seed: int) -> Damage:
    def damage(place: Path) -> None:
        random = np.random.default_rng(seed)
        file = place / _NAMES[seed % 3]
        content = bytearray(file.read_bytes())
        content[random.integers(len(content))] ^= 1 << int(random.integers(8))
        file.write_bytes(content)

    return damage


Files = tuple[bytes, bytes]


def _vouched_for(mark: Path, tensors: Mapping[str, np.ndarray], document: Mapping) -> dict[str, Files]:
    """Tensors and document that are not those of a model, whoever vouches for them."""
    good, text = artifacts._tensor_bytes(tensors), artifacts._json_bytes(document)
    first = next(iter(tensors))
    other = {name: np.zeros((2, 2), np.float32) for name in tensors}
    return {
        **_hostile_files(mark, good, text),
        "no tensors": (artifacts._tensor_bytes({}), text),
        "one tensor less": (artifacts._tensor_bytes({k: v for k, v in tensors.items() if k != first}), text),
        "other shapes": (artifacts._tensor_bytes(other), text),
        "names that lead out": (
            artifacts._tensor_bytes({f"../../{name}": value for name, value in tensors.items()}),
            text,
        ),
        "no document": (good, b"{}"),
        **{
            f"no {key}": (good, artifacts._json_bytes({k: v for k, v in document.items() if k != key}))
            for key in list(document)[:8]
        },
        **{
            f"{key} is another thing": (good, artifacts._json_bytes({**document, key: {"../../etc/passwd": [None]}}))
            for key in list(document)[:8]
        },
    }


def _forged_checkpoints(mark: Path, tensors: Mapping[str, np.ndarray], document: Mapping) -> dict[str, Files]:
    good, text = artifacts._tensor_bytes(tensors), artifacts._json_bytes(document)
    poisoned = {
        name: np.full_like(value, np.nan) if value.dtype.kind == "f" else value for name, value in tensors.items()
    }
    small = {name: value.reshape(-1)[:1] if name.startswith("best/") else value for name, value in tensors.items()}
    flat = {name: value.reshape(-1) if name.startswith("optimiser/") else value for name, value in tensors.items()}
    progress = document["progress"]
    return {
        **_hostile_files(mark, good, text),
        "not a number": (artifacts._tensor_bytes(poisoned), text),
        "best of another": (artifacts._tensor_bytes({**small, "best/x": np.zeros(1, np.float32)}), text),
        "moments of another": (artifacts._tensor_bytes(flat), text),
        "no random state": (
            artifacts._tensor_bytes({name: value for name, value in tensors.items() if name != "random/cpu"}),
            text,
        ),
        "unknown part": (artifacts._tensor_bytes({**tensors, "../x": np.zeros(1)}), text),
        "no progress": (good, artifacts._json_bytes({k: v for k, v in document.items() if k != "progress"})),
        **{
            f"{key} is {value!r}": (good, artifacts._json_bytes({**document, "progress": {**progress, key: value}}))
            for key, value in (("epoch", -1), ("epoch", "1"), ("step", -3), ("steps", None), ("history", 7), ("x", 1))
        },
    }


def _hostile_files(mark: Path, good: bytes, text: bytes) -> dict[str, Files]:
    """What parsers choke on."""

    def header(content: object, data: bytes = b"") -> bytes:
        written = content if isinstance(content, bytes) else json.dumps(content).encode()
        return len(written).to_bytes(8, "little") + written + data

    def tensor(dtype: str, shape: list[int], offsets: list[int]) -> dict[str, object]:
        return {"dtype": dtype, "shape": shape, "data_offsets": offsets}

    return {
        "pickled tensors": (pickle.dumps(_Owned(mark)), text),
        "pickled document": (good, pickle.dumps(_Owned(mark))),
        "a header of 2^60 bytes": ((1 << 60).to_bytes(8, "little") + b"{}", text),
        "a header of 2^63 bytes": ((1 << 63).to_bytes(8, "little") + b"{}", text),
        "overlapping tensors": (
            header({"a": tensor("F32", [2], [0, 8]), "b": tensor("F32", [2], [4, 12])}, bytes(12)),
            text,
        ),
        "tensors out of the file": (header({"a": tensor("F32", [1 << 40], [0, 1 << 42])}), text),
        "shapes beyond integers": (header({"a": tensor("F32", [1 << 62, 1 << 62], [0, 0])}), text),
        "empty and huge": (header({"a": tensor("F32", [0, 1 << 63], [0, 0])}), text),
        "negative offsets": (header(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}'), text),
        "unknown numbers": (header({"a": tensor("BF16", [1], [0, 2])}, bytes(2)), text),
        "a header nested": (header(b'{"a":' * 50_000), text),
        "a document nested": (good, b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
        "lists nested": (good, b'{"a":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}"),
        "no number": (good, b'{"format": NaN}'),
        "infinity": (good, b'{"format": Infinity}'),
        "a giant number": (good, b'{"format": 1' + b"0" * 1_000_000 + b"}"),
        "a list": (good, b"[]"),
        "bytes": (good, b"\xff\xfe\x00"),
        "nothing": (b"", b""),
    }


def _forge(place: Path, tensors: bytes, document: bytes) -> str:
    """An artifact of these files with a manifest that vouches for them; its digest."""
    place.mkdir(parents=True, exist_ok=True)
    return _replace(place, tensors, document)


def _replace(place: Path, tensors: bytes, document: bytes) -> str:
    files = {TENSORS: tensors, DOCUMENT: document}
    for name, content in files.items():
        (place / name).write_bytes(content)
    entries = {name: artifacts._entry(content) for name, content in files.items()}
    manifest = artifacts._json_bytes({"version": artifacts.VERSION, "files": entries})
    (place / MANIFEST).write_bytes(manifest)
    return hashlib.sha256(manifest).hexdigest()


def _fresh(path: Path) -> Path:
    path.unlink()
    return path


def _put_back(directory: Path, whole: Path) -> None:
    if directory.is_symlink() or directory.is_file():
        directory.unlink()
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(whole, directory)


def _ledger_says(shop: ChangingShop, model_id: str, **values: str) -> None:
    with shop.results.writing() as connection:
        connection.execute(sa.update(MODELS).where(MODELS.c.model_id == model_id).values(**values))


def _record(uri: str, sha256: str, until: np.datetime64) -> models.ModelRecord:
    at = until.astype("datetime64[us]").item().replace(tzinfo=UTC)
    return models.ModelRecord("m", "t", at, "gru", at, uri, sha256, True, None, None, None)


def _trained(config: TrainingConfig, checkpoint: Checkpoint | None, stop: int | None = None) -> dict[str, torch.Tensor]:
    import toy_training as toy

    from forecasting.callbacks import Callback

    class Stop(Callback):
        def on_step(self, trainer: object) -> None:
            if trainer.progress.steps == stop:  # type: ignore[attr-defined]
                raise KeyboardInterrupt

    model = toy.network()
    train(model, toy.source(), toy.loss, replace(config), callbacks=[Stop()], checkpoint=checkpoint)
    return {name: value.clone() for name, value in model.state_dict().items()}


def _in_time(work: Callable[[], Any]) -> Any:
    began = time.process_time()
    done = work()
    assert time.process_time() - began < SECONDS
    return done


class _bounded:
    """Memory at the end is about that at the beginning."""

    def __enter__(self) -> None:
        self.before = psutil.Process().memory_info().rss

    def __exit__(self, *failure: object) -> None:
        assert psutil.Process().memory_info().rss - self.before < MEGABYTES << 20
