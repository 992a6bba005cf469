"""Files as streams of raw Arrow batches: CSV, CSV.GZ and Parquet.

CSV fields are read as bytes and typed later, row by row, so that one odd field costs one row. The separator is the one
that the header uses; empty, NULL and \\N are missing.
"""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from db.mapping import match_columns
from forecasting.schema import Column, ConfigurationError, DataError, Kind, Source

BATCH_ROWS = 65_536
_BLOCK_BYTES = 4 << 20
_MISSING = ["", "NULL", "\\N"]


@dataclass
class SourceFile:
    """An open file of rows of a source.

    `columns`: canonical columns that it has, then its extra ones as ANY. `broken`: filled while the batches are
    read, lines with too few or too many fields. `typed`: whether the file itself knows the types of its columns.
    """

    path: Path
    columns: tuple[Column, ...]
    theirs: tuple[str, ...]
    typed: bool
    encoding: str = "utf8"
    separator: str = ","
    header: tuple[str, ...] = ()
    broken: list[str] = field(default_factory=list)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows, columns as in `columns`. Raises DataError where the file cannot be read."""
        try:
            for batch in self._parquet() if self.typed else self._csv():
                arrays = [batch.column(name) for name in self.theirs]
                yield pa.RecordBatch.from_arrays(arrays, [column.name for column in self.columns])
        except (pa.ArrowException, OSError, EOFError, ValueError) as error:
            raise DataError(f"{self.path} cannot be read: {error}.") from error

    def _parquet(self) -> Iterator[pa.RecordBatch]:
        with pq.ParquetFile(self.path) as file:
            yield from file.iter_batches(BATCH_ROWS, columns=list(dict.fromkeys(self.theirs)))

    def _csv(self) -> Iterator[pa.RecordBatch]:
        read = pyarrow.csv.ReadOptions(
            block_size=_BLOCK_BYTES, column_names=list(self.header), skip_rows=1, encoding=self.encoding
        )
        parse = pyarrow.csv.ParseOptions(
            delimiter=self.separator, newlines_in_values=True, invalid_row_handler=self._set_aside
        )
        convert = pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(self.header, pa.binary()),
            include_columns=list(dict.fromkeys(self.theirs)),
            strings_can_be_null=True,
            null_values=_MISSING,
        )
        with (
            pa.input_stream(str(self.path)) as stream,
            pyarrow.csv.open_csv(stream, read, parse, convert) as reader,
        ):
            yield from reader

    def _set_aside(self, row: pyarrow.csv.InvalidRow) -> str:
        self.broken.append(row.text)
        return "skip"


def open_source_file(
    path: Path, source: Source, columns: Mapping[str, str] | None = None, encoding: str = "utf8"
) -> SourceFile:
    """Finds a source's columns in a file; `columns` maps canonical (or extra) names to theirs.

    Raises DataError for a file that is none or lacks a required column, ConfigurationError for names that clash."""
    mapped = dict(columns or {})
    typed = path.name.lower().endswith((".parquet", ".pq"))
    separator, header = (",", _parquet_header(path)) if typed else _csv_header(path, encoding)
    clash = next((name for name, count in Counter(map(str.lower, header)).items() if count > 1), None)
    if clash is not None:
        raise ConfigurationError(f"{path} has two columns named {clash!r}.", remedy="Rename one of them.")
    there = dict.fromkeys(name for name in header if name)
    how = "say --column {column}=THEIRS"
    wanted = match_columns(
        f"file {path.name!r}", how, mapped, source, [n for n in mapped if not source.column(n)], there
    )
    taken = {column.theirs for column in wanted}
    names = {column.column.name.lower() for column in wanted} | {column.name for column in source.columns}
    extra = [name for name in there if name not in taken and name.lower() not in names]
    return SourceFile(
        path,
        (*(column.column for column in wanted), *(Column(name, Kind.ANY, required=False) for name in extra)),
        (*(column.theirs for column in wanted), *extra),
        typed,
        encoding,
        separator,
        header,
    )


def typed_by_content(values: pa.Array) -> pa.Array:
    """A text column of a file without types as what all its values are: numbers, flags (true, false), else text.
    Numbers with leading zeros are text: they are codes."""
    if not pa.types.is_dictionary(values.type) or values.null_count == len(values):
        return values
    distinct = values.dictionary
    number = r"^[+-]?(0|[1-9]\d*)?(\.\d+)?([eE][+-]?\d+)?$"
    if pc.all(pc.and_(pc.match_substring_regex(distinct, number), pc.match_substring_regex(distinct, r"\d"))).as_py():
        plain = pc.replace_substring_regex(distinct, r"^\+", "").cast(pa.float64())
        if pc.all(pc.is_finite(plain)).as_py():
            return plain.take(values.indices)
    lower = pc.utf8_lower(distinct)
    if pc.all(pc.is_in(lower, value_set=pa.array(["true", "false"]))).as_py():
        return pc.equal(lower, "true").take(values.indices)
    return values


def _parquet_header(path: Path) -> tuple[str, ...]:
    try:
        return tuple(pq.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is no Parquet file: {error}.") from error


def _csv_header(path: Path, encoding: str) -> tuple[str, tuple[str, ...]]:
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            line = file.readline(1 << 20).decode("utf-8-sig" if encoding == "utf8" else encoding)
    except (OSError, EOFError, UnicodeDecodeError, LookupError) as error:
        raise DataError(f"{path} cannot be read as {encoding} text: {error}.") from error
    separator = max(",;\t|", key=line.count)
    header = next(csv.reader([line], delimiter=separator), [])
    if not any(header):
        raise DataError(f"{path} is empty.", remedy="Its first line should name the columns.")
    return separator, tuple(header)
