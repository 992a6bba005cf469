"""Artifacts: a model as safetensors + JSON + SHA-256 in a directory of its own. No pickle, nothing that executes.

`model.safetensors` holds the arrays, `model.json` everything else, `manifest.json` size and SHA-256 of both; the
artifact's own digest is the SHA-256 of the manifest, which thereby vouches for every byte. Equal contents make equal
bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import stat
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from forecasting.schema import ArtifactError

TENSORS, DOCUMENT, MANIFEST = "model.safetensors", "model.json", "manifest.json"
DTYPES = frozenset(
    ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64")
)
VERSION = 1

_MANIFEST_BYTES = 4096
"""More than any manifest of ours has."""

_DEAD_AFTER_SECONDS = 3600.0
"""Age from which what was begun aside is no longer being written: its writer was killed."""


def save(directory: Path, tensors: Mapping[str, np.ndarray], document: Mapping[str, Any]) -> str:
    """Write an artifact to a directory that does not exist yet, and return its SHA-256 (hex).

    `document`: JSON values, no NaN or infinity. The files are written aside, synced and renamed: the directory
    appears whole or not at all. Raises ArtifactError where `directory` exists with other contents, or something
    cannot be stored.
    """
    files = {TENSORS: _tensor_bytes(tensors), DOCUMENT: _json_bytes(document)}
    manifest = _json_bytes({"version": VERSION, "files": {name: _entry(content) for name, content in files.items()}})
    digest = hashlib.sha256(manifest).hexdigest()
    aside = directory.parent / f".{directory.name}.{uuid.uuid4().hex}"
    try:
        aside.mkdir(parents=True)
        _clear_dead(aside)
        for name, content in {**files, MANIFEST: manifest}.items():
            _write_synced(aside / name, content)
        _sync_directory(aside)
        aside.rename(directory)
        _sync_directory(directory.parent)
    except OSError as error:
        if not directory.is_dir():
            raise ArtifactError(
                f"The artifact {directory} cannot be written: {error.strerror}.", remedy="Check space and permissions."
            ) from error
        load(directory, digest)  # the same model stored twice is no error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return digest


def load(
    directory: Path, sha256: str | None = None, *, most_bytes: int | None = None
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The tensors and the document of an artifact.

    With `sha256` the artifact must be the one saved under that digest. No file is read that has another size than the
    manifest says, nor any beyond `most_bytes` in all: what was never stored here costs no memory. Raises ArtifactError
    for anything missing, truncated, swapped, altered, unexpected or not stored here.
    """
    _check_files(directory)
    manifest_bytes = _read(directory / MANIFEST, most=_MANIFEST_BYTES)
    if sha256 is not None and hashlib.sha256(manifest_bytes).hexdigest() != sha256:
        raise _refused(directory, "it is not the artifact that was registered")
    manifest = _parse_json(directory, MANIFEST, manifest_bytes)
    entries = manifest.get("files")
    if manifest.get("version") != VERSION or not isinstance(entries, dict):
        raise _refused(directory, f"its manifest is not of version {VERSION}")
    contents: dict[str, bytes] = {}
    for name in (TENSORS, DOCUMENT):
        # hash and parse the same bytes: a file that changes in between is not believed
        entry = entries.get(name)
        size = entry.get("bytes") if isinstance(entry, dict) else None
        contents[name] = _read(directory / name, size=size, most=most_bytes)
        if entry != _entry(contents[name]):
            raise _unlike(directory / name)
    return _parse_tensors(directory, contents[TENSORS]), _parse_json(directory, DOCUMENT, contents[DOCUMENT])


def remove(directory: Path) -> None:
    """Deletes an artifact, as far as that can be done: its own files, and the directory where nothing else lies in it.
    So whatever a ledger says where an artifact lies, nothing but artifacts goes."""
    if directory.is_symlink():
        return
    with contextlib.suppress(OSError):
        for name in (MANIFEST, DOCUMENT, TENSORS):
            (directory / name).unlink(missing_ok=True)
        directory.rmdir()


def expect_format(document: Mapping[str, Any], expected: int, what: str) -> None:
    """Raises ArtifactError where the stored `document` of a model, or a part of one, has another format."""
    if document.get("format") != expected:
        raise ArtifactError(
            f"The stored {what} has format {document.get('format')!r}, not {expected}.", remedy="Train a new one."
        )


def _tensor_bytes(tensors: Mapping[str, np.ndarray]) -> bytes:
    for name, array in tensors.items():
        if array.dtype.name not in DTYPES:
            raise ArtifactError(f"The tensor {name!r} has dtype {array.dtype}, which an artifact does not hold.")
    return safetensors.numpy.save({name: np.asarray(tensors[name], order="C") for name in sorted(tensors)})


def _json_bytes(document: Mapping[str, Any]) -> bytes:
    try:
        text = json.dumps(document, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=1)
    except (TypeError, ValueError) as error:
        raise ArtifactError(f"The artifact's document cannot be stored as JSON: {error}.") from error
    return text.encode() + b"\n"


def _entry(content: bytes) -> dict[str, Any]:
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _clear_dead(aside: Path) -> None:
    """Deletes what writers that were killed have left beside a directory just begun, whose time is now."""
    with contextlib.suppress(OSError):
        dead = aside.stat().st_mtime - _DEAD_AFTER_SECONDS
        for other in aside.parent.glob(f".*.{'[0-9a-f]' * 32}"):
            if not other.is_symlink() and other.stat().st_mtime < dead:
                shutil.rmtree(other, ignore_errors=True)


def _sync_directory(directory: Path) -> None:
    """Make renames in a directory durable, where the system lets a directory be opened."""
    if os.name == "posix":
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _check_files(directory: Path) -> None:
    """A directory of exactly three plain files: a link could lead out of it."""
    if directory.is_symlink() or not directory.is_dir():
        missing = not directory.is_symlink() and not directory.exists()
        raise ArtifactError(
            f"The artifact {directory} {'does not exist' if missing else 'is refused: it is no directory of its own'}.",
            remedy="Restore it from a backup, or run with --retrain always.",
        )
    found = set()
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.name not in (TENSORS, DOCUMENT, MANIFEST):
                    raise _refused(directory, f"it holds an unexpected file {entry.name!r}")
                if not entry.is_file(follow_symlinks=False):
                    raise _refused(directory, f"{entry.name} is not a plain file")
                found.add(entry.name)
    except OSError as error:
        raise _refused(directory, f"it cannot be read ({error.strerror})") from error
    for name in (TENSORS, DOCUMENT, MANIFEST):
        if name not in found:
            raise _refused(directory, f"{name} is missing")


def _read(path: Path, *, size: int | None = None, most: int | None = None) -> bytes:
    """The bytes of a plain file that has `size` and at most `most` of them, whatever it is by now: no link is followed,
    no pipe waited for."""
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        with os.fdopen(os.open(path, flags), "rb") as file:
            there = os.fstat(file.fileno())
            if not stat.S_ISREG(there.st_mode):
                raise _refused(path.parent, f"{path.name} is not a plain file")
            if size is not None and there.st_size != size:
                raise _unlike(path)
            if most is not None and there.st_size > most:
                raise _refused(path.parent, f"{path.name} has {there.st_size:,} bytes, more than the {most:,} allowed")
            return file.read(there.st_size)
    except OSError as error:
        raise _refused(path.parent, f"{path.name} cannot be read ({error.strerror})") from error


def _parse_json(directory: Path, name: str, content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:  # also text that is not UTF-8, and nests deeper than Python can
        raise _refused(directory, f"{name} is not JSON that was stored here") from error
    if not isinstance(value, dict):
        raise _refused(directory, f"{name} is not a JSON object")
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _parse_tensors(directory: Path, content: bytes) -> dict[str, np.ndarray]:
    try:
        tensors = safetensors.numpy.load(content)
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise _refused(directory, f"{TENSORS} does not hold tensors of a known kind") from error
    for name, array in tensors.items():
        if array.dtype.name not in DTYPES:
            raise _refused(directory, f"the tensor {name!r} has dtype {array.dtype}")
    return tensors


def _unlike(path: Path) -> ArtifactError:
    return _refused(path.parent, f"{path.name} is not the file that its manifest describes")


def _refused(directory: Path, why: str) -> ArtifactError:
    return ArtifactError(
        f"The artifact {directory} is refused: {why}.",
        remedy="Restore it from a backup, or run with --retrain always.",
    )
