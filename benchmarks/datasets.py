"""The development sets of ../shared/data as sales grids, for research and benchmarks; none of them ships but one.

from benchmarks.datasets import DATASETS, load
grid, options, cutoffs = load("bakery_daily")
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasks.demand.assemble import assemble
from tasks.demand.options import DemandOptions
from tasks.demand.sales import SalesGrid

DATA = Path(os.environ.get("FORECASTING_BENCH_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


@dataclass(frozen=True)
class Dataset:
    """A development set: its file, how it is forecast, and `windows`, how many of the last horizons are judged."""

    file: str
    options: DemandOptions
    windows: int


DATASETS = {
    "bakery_daily": Dataset(
        "bakery_daily.parquet",
        DemandOptions(
            "D",
            28,
            known_ahead=("promo", "is_holiday", "is_schoolholiday", "is_holiday_next2days"),
            features=("rain_mm", "temp_avg_celsius"),
        ),
        3,
    ),
    "online_retail_daily": Dataset(
        "online_retail_daily.parquet", DemandOptions("D", 28, known_ahead=("is_open",), features=("price",)), 3
    ),
    "walmart_dept_weekly": Dataset(
        "walmart_dept_weekly.parquet", DemandOptions("W", 8, known_ahead=("promo", "is_holiday")), 2
    ),
    "stallion_monthly": Dataset("stallion_monthly.parquet", DemandOptions("M", 6, known_ahead=("price", "promo")), 1),
    "store_item_daily": Dataset("store_item_daily.parquet", DemandOptions("D", 28), 3),
}


def sales_table(name: str, replicas: int = 1) -> pa.Table:
    """The set as the source `sales`, with the types that `db` delivers; `replicas` copies under other item ids."""
    table = pq.read_table(DATA / DATASETS[name].file)
    columns = {}
    for column in table.column_names:
        values = table[column]
        if column in ("item_id", "location_id"):
            values = values.cast(pa.string()).dictionary_encode()
        elif column == "date":
            values = values.cast(pa.date32())
        else:
            values = values.cast(pa.float64())
            if column == "price":
                values = pc.if_else(pc.less(values, 0), pa.scalar(None, pa.float64()), values)
        columns[column] = values
    single = pa.table(columns)
    if replicas == 1:
        return single
    return pa.concat_tables(_renamed(single, number) for number in range(replicas)).unify_dictionaries()


def _renamed(table: pa.Table, number: int) -> pa.Table:
    ids = table["item_id"].unify_dictionaries().combine_chunks()
    ids = ids.chunk(0) if isinstance(ids, pa.ChunkedArray) else ids
    names = pc.binary_join_element_wise(ids.dictionary, str(number), "-")
    return table.set_column(0, "item_id", pa.DictionaryArray.from_arrays(ids.indices, names))


def load(name: str) -> tuple[SalesGrid, DemandOptions, np.ndarray]:
    """(grid, options, cutoffs datetime64[us], oldest first, of the windows that are judged)."""
    dataset = DATASETS[name]
    grid = assemble({"sales": sales_table(name)}, dataset.options)
    end = int((grid.sales.first + np.diff(grid.sales.offsets)).max())
    begins = end - dataset.options.steps * np.arange(dataset.windows, 0, -1)
    return grid, dataset.options, grid.periods.start(begins).astype("datetime64[us]")
