"""What tasks, warehouses and reports agree on, said as plain data.

Frozen dataclasses and errors without dependencies: a task says here what it reads, which tables it writes and what its
report shows; `db` turns that into SQL and `reports` into pages. Every other package may import this module.

Arrow types. `db` delivers each source as one `pyarrow.Table` whose columns have exactly these types, whatever
the warehouse held:

=========  ==================================  =====================================================
kind       Arrow type                          meaning
=========  ==================================  =====================================================
ID         dictionary<int32, string>           an identifier, verbatim (an integer 7 reads as "7")
TEXT       dictionary<int32, string>           free text or a label
NUMBER     float64                             a quantity; NaN never occurs, missing is null
INTEGER    int64
FLAG       bool
TIMESTAMP  timestamp[us, UTC]                  an instant
DATE       date32                              a day; as an instant it is its first moment in UTC
JSON       string                              a JSON document (outputs only)
ANY        float64, bool or dictionary string  an extra column, by what the warehouse holds
=========  ==================================  =====================================================
"""

from forecasting.schema.alerts import ALERT_STATES, CLOSED_BECAUSE, AlertLedger, AlertPolicy
from forecasting.schema.declarations import (
    KNOWN_AT,
    Column,
    Kind,
    OutputTable,
    Report,
    ReportSection,
    Source,
    SourceNeed,
    TaskSpec,
)
from forecasting.schema.errors import (
    ArtifactError,
    ClaimLost,
    ConfigurationError,
    DataError,
    ExitCode,
    ForecastingError,
    NotEnoughData,
    SlotTaken,
    TrainingDiverged,
)
from forecasting.schema.sources import SOURCES

__all__ = [
    "ALERT_STATES",
    "CLOSED_BECAUSE",
    "KNOWN_AT",
    "SOURCES",
    "AlertLedger",
    "AlertPolicy",
    "ArtifactError",
    "ClaimLost",
    "Column",
    "ConfigurationError",
    "DataError",
    "ExitCode",
    "ForecastingError",
    "Kind",
    "NotEnoughData",
    "OutputTable",
    "Report",
    "ReportSection",
    "SlotTaken",
    "Source",
    "SourceNeed",
    "TaskSpec",
    "TrainingDiverged",
]
