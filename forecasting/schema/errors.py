"""Errors that reach a user: one clear sentence each, and the exit code of the contract. Never a traceback."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every command (DESIGN.md, Commands)."""

    DONE = 0
    ERROR = 1
    USAGE = 2
    GATE_FAILED = 3
    DATA_BROKEN = 4
    SLOT_TAKEN = 5


class ForecastingError(Exception):
    """Something went wrong that the user can act on. `remedy` says what to do about it."""

    exit_code: ExitCode = ExitCode.ERROR

    def __init__(self, message: str, *, remedy: str = ""):
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class ConfigurationError(ForecastingError):
    """The configuration or the command line cannot be followed (exit code 2)."""

    exit_code = ExitCode.USAGE


class DataError(ForecastingError):
    """A source broke its contract (exit code 4); the message names source, column and row where they are known."""

    exit_code = ExitCode.DATA_BROKEN

    def __init__(
        self,
        message: str,
        *,
        source: str | None = None,
        column: str | None = None,
        row: int | None = None,
        remedy: str = "",
    ):
        place = ", ".join(
            f"{name} {value!r}" if isinstance(value, str) else f"{name} {value}"
            for name, value in (("source", source), ("column", column), ("row", row))
            if value is not None
        )
        super().__init__(f"{place}: {message}" if place else message, remedy=remedy)
        self.source, self.column, self.row = source, column, row


class NotEnoughData(ForecastingError):
    """Too little history to fit or judge a model; the pipeline answers with the best baseline (exit code 3)."""

    exit_code = ExitCode.GATE_FAILED


class TrainingDiverged(ForecastingError):
    """The loss or a weight stopped being a finite number."""


class SlotTaken(ForecastingError):
    """The slot is running elsewhere or done (exit code 5); `done` says which."""

    exit_code = ExitCode.SLOT_TAKEN

    def __init__(self, message: str, *, remedy: str = "", done: bool = False):
        super().__init__(message, remedy=remedy)
        self.done = done


class ClaimLost(ForecastingError):
    """Another worker took the lease over; nothing may be published under the old claim."""


class ArtifactError(ForecastingError):
    """A stored model is missing, truncated or altered: it is refused."""
