"""Artifacts: a model as safetensors + JSON + SHA-256 in a directory of its own. No pickle, nothing that executes.

`model.safetensors` holds the arrays, `model.json` everything else, `manifest.json` size and SHA-256 of both; the
artifact's own digest is the SHA-256 of the manifest, which thereby vouches for every byte. Equal contents make equal
bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
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


def load(directory: Path, sha256: str | None = None) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The tensors and the document of an artifact.

    With `sha256` the artifact must be the one saved under that digest. Raises ArtifactError for anything missing,
    truncated, swapped, altered, unexpected or not stored here.
    """
    _check_files(directory)
    manifest_bytes = _read(directory / MANIFEST)
    if sha256 is not None and hashlib.sha256(manifest_bytes).hexdigest() != sha256:
        raise _refused(directory, "it is not the artifact that was registered")
    manifest = _parse_json(directory, MANIFEST, manifest_bytes)
    if manifest.get("version") != VERSION or not isinstance(manifest.get("files"), dict):
        raise _refused(directory, f"its manifest is not of version {VERSION}")
    contents: dict[str, bytes] = {}
    for name in (TENSORS, DOCUMENT):
        # hash and parse the same bytes: a file that changes in between is not believed
        contents[name] = _read(directory / name)
        if manifest["files"].get(name) != _entry(contents[name]):
            raise _refused(directory, f"{name} is not the file that its manifest describes")
    return _parse_tensors(directory, contents[TENSORS]), _parse_json(directory, DOCUMENT, contents[DOCUMENT])


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


def _sync_directory(directory: Path) -> None:
    """Make renames in a directory durable, where the system lets a directory be opened."""
    if os.name == "posix":
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _check_files(directory: Path) -> None:
    """Exactly three plain files: a link could lead out of the directory."""
    if not directory.is_dir():
        raise ArtifactError(
            f"The artifact {directory} does not exist.",
            remedy="Restore it from a backup, or run with --retrain always.",
        )
    found = {entry.name: entry for entry in directory.iterdir()}
    for name in (TENSORS, DOCUMENT, MANIFEST):
        if name not in found:
            raise _refused(directory, f"{name} is missing")
        if found[name].is_symlink() or not found[name].is_file():
            raise _refused(directory, f"{name} is not a plain file")
    unexpected = sorted(found.keys() - {TENSORS, DOCUMENT, MANIFEST})
    if unexpected:
        raise _refused(directory, f"it holds an unexpected file {unexpected[0]!r}")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _refused(path.parent, f"{path.name} cannot be read ({error.strerror})") from error


def _parse_json(directory: Path, name: str, content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except ValueError as error:  # includes text that is not UTF-8
        raise _refused(directory, f"{name} is not JSON") from error
    if not isinstance(value, dict):
        raise _refused(directory, f"{name} is not a JSON object")
    return value


def _parse_tensors(directory: Path, content: bytes) -> dict[str, np.ndarray]:
    try:
        tensors = safetensors.numpy.load(content)
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise _refused(directory, f"{TENSORS} does not hold tensors of a known kind") from error
    for name, array in tensors.items():
        if array.dtype.name not in DTYPES:
            raise _refused(directory, f"the tensor {name!r} has dtype {array.dtype}")
    return tensors


def _refused(directory: Path, why: str) -> ArtifactError:
    return ArtifactError(
        f"The artifact {directory} is refused: {why}.",
        remedy="Restore it from a backup, or run with --retrain always.",
    )
