"""The development sets of ../shared/data as journals of recommendation, for research and benchmarks.

from benchmarks.sessions import load
journal, start, end = load("yoochoose_100k")    # fit until `start`, judge on the steps in [start, end)
cases = judged("yoochoose_100k", journal, start, end)
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.csv as pv

from benchmarks.datasets import DATA
from forecasting.app import invoices
from forecasting.task import Cases
from tasks.recommendation.assemble import assemble
from tasks.recommendation.folds import backtest_cases, steps_seen
from tasks.recommendation.journal import Journal
from tasks.recommendation.options import RecommendationOptions

SETS = ("yoochoose_100k", "diginetica_sessions", "online_retail")

_SECOND = np.timedelta64(1_000_000, "us")


def tables(name: str) -> dict[str, pa.Table]:
    """The set as source tables, with the types that `db` delivers."""
    if name == "online_retail":
        return _encoded(invoices.canonical_tables(invoices.read_lines(), invoices.read_titles()))
    return {"interactions": interactions(name)}


def interactions(name: str) -> pa.Table:
    """A session set as the source `interactions`: anonymous sessions of views, in the order of the file where instants
    are equal. Without times (diginetica) an event takes a second, in the order of the sessions: training from
    2016-01-01 on, and the test from the midnight after it."""
    table = read(name)
    if "timestamp" in table.column_names:
        at = (table["timestamp"].to_numpy() * 1e6).round().astype("datetime64[us]")
    else:
        order = np.lexsort((table["position"].to_numpy(), table["order"].to_numpy()))
        at = np.empty(len(table), "datetime64[us]")
        at[order] = np.datetime64("2016-01-01", "us") + np.arange(len(table)) * _SECOND
        test = table["split"].to_numpy(zero_copy_only=False) == "test"
        at[test] += (at[~test].max().astype("datetime64[D]") + 1) - at[test].min()
    return _encoded(
        {
            "interactions": pa.table(
                {
                    "session_id": table["session_id"],
                    "item_id": table["item_id"],
                    "kind": pa.array(np.full(len(table), "view")),
                    "occurred_at": pa.array(at, pa.timestamp("us", "UTC")),
                }
            )
        }
    )["interactions"]


def read(name: str) -> pa.Table:
    """The file of a session set as it is: session_id, item_id and split as text, timestamp or position and order."""
    types = {"session_id": pa.string(), "item_id": pa.string(), "timestamp": pa.float64(), "split": pa.string()}
    return pv.read_csv(DATA / f"{name}.csv.gz", convert_options=pv.ConvertOptions(column_types=types))


def window(name: str) -> tuple[np.datetime64, np.datetime64]:
    """[start, end), datetime64[us], of what is judged: the set's test split; from 1 October 2011 for Online Retail."""
    if name == "online_retail":
        return np.datetime64("2011-10-01", "us"), np.datetime64("2011-12-10", "us")
    at = interactions(name)["occurred_at"].cast(pa.timestamp("us")).to_numpy()
    test = read(name)["split"].to_numpy(zero_copy_only=False) == "test"
    return at[test].min(), at[test].max() + _SECOND


def load(name: str, options: RecommendationOptions | None = None) -> tuple[Journal, np.datetime64, np.datetime64]:
    """(journal, start, end): fit on what was known at `start`, judge on the steps in [start, end)."""
    return assemble(tables(name), options or RecommendationOptions()), *window(name)


def judged(name: str, journal: Journal, start: np.datetime64, end: np.datetime64) -> Cases:
    """The cases in [start, end) by which the set's peers are measured (../shared/PEERS.md): every step with a history;
    in Online Retail the first order of each customer known before `start`. What is wanted is counted by the score,
    which leaves out items that the journal does not list (score/recommendation.py: those unknown in training)."""
    cases = backtest_cases(journal, start, end)
    if name == "online_retail":
        cases = cases.take(np.sort(np.unique(cases.entity, return_index=True)[1]))  # cases come in order of time
    return cases.take(steps_seen(journal, cases) > 0)


def _encoded(sources: dict[str, pa.Table]) -> dict[str, pa.Table]:
    """The tables with texts as dictionaries, as `db` delivers them."""
    return {
        name: pa.table(
            {
                column: table[column].cast(pa.string()).dictionary_encode()
                if pa.types.is_string(table[column].type) or pa.types.is_large_string(table[column].type)
                else table[column]
                for column in table.column_names
            }
        )
        for name, table in sources.items()
    }
