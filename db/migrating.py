"""Alembic operations for the revisions of tasks, reached through `op` alone::

    from alembic import op
    from forecasting.schema import AlertLedger, Column, Kind, OutputTable

    def upgrade():
        op.create_output(OutputTable(...))              # the table and its view current_NAME
        op.create_alert_ledger(AlertLedger(...))        # the same, and its indexes

A revision spells its declarations out, never imports the task's present ones: it must do tomorrow what it does today.
For the same reason what these operations build never changes, the house's columns of a ledger included; another way
of building gets another name. To change a table, drop its view with the old declaration, alter, and create the view
with the new one.
"""

from __future__ import annotations

from typing import Any

from alembic.operations import MigrateOperation, Operations

from db.alert_ledgers import CreateLedgerView, DropLedgerView, ledger_table
from db.outputs import CreateView, DropView, output_table
from forecasting.schema import AlertLedger, OutputTable


class _OutputOperation(MigrateOperation):
    """An operation on one declared output."""

    def __init__(self, output: OutputTable):
        self.output = output

    @classmethod
    def invoke(cls, operations: Operations, output: OutputTable) -> Any:
        """Runs the operation in the migration at hand."""
        return operations.invoke(cls(output))


@Operations.register_operation("create_output", "invoke")
class CreateOutput(_OutputOperation):
    """Creates an output's table and its view."""


@Operations.register_operation("drop_output", "invoke")
class DropOutput(_OutputOperation):
    """Drops an output's view and its table."""


@Operations.register_operation("create_output_view", "invoke")
class CreateOutputView(_OutputOperation):
    """Creates an output's view over its table."""


@Operations.register_operation("drop_output_view", "invoke")
class DropOutputView(_OutputOperation):
    """Drops an output's view, leaving the table."""


class _LedgerOperation(MigrateOperation):
    """An operation on one declared ledger of alerts."""

    def __init__(self, ledger: AlertLedger):
        self.ledger = ledger

    @classmethod
    def invoke(cls, operations: Operations, ledger: AlertLedger) -> Any:
        """Runs the operation in the migration at hand."""
        return operations.invoke(cls(ledger))


@Operations.register_operation("create_alert_ledger", "invoke")
class CreateAlertLedger(_LedgerOperation):
    """Creates a ledger of alerts, its indexes and its view."""


@Operations.register_operation("drop_alert_ledger", "invoke")
class DropAlertLedger(_LedgerOperation):
    """Drops a ledger's view and its table, alerts and all."""


@Operations.register_operation("create_alert_view", "invoke")
class CreateAlertView(_LedgerOperation):
    """Creates a ledger's view over its table."""


@Operations.register_operation("drop_alert_view", "invoke")
class DropAlertView(_LedgerOperation):
    """Drops a ledger's view, leaving the table."""


@Operations.implementation_for(CreateOutput)
def _create_output(operations: Operations, operation: CreateOutput) -> None:
    output_table(operation.output).create(operations.get_bind())
    operations.execute(CreateView(operation.output))


@Operations.implementation_for(DropOutput)
def _drop_output(operations: Operations, operation: DropOutput) -> None:
    operations.execute(DropView(operation.output))
    output_table(operation.output).drop(operations.get_bind())


@Operations.implementation_for(CreateOutputView)
def _create_output_view(operations: Operations, operation: CreateOutputView) -> None:
    operations.execute(CreateView(operation.output))


@Operations.implementation_for(DropOutputView)
def _drop_output_view(operations: Operations, operation: DropOutputView) -> None:
    operations.execute(DropView(operation.output))


@Operations.implementation_for(CreateAlertLedger)
def _create_alert_ledger(operations: Operations, operation: CreateAlertLedger) -> None:
    ledger_table(operation.ledger).create(operations.get_bind())
    operations.execute(CreateLedgerView(operation.ledger))


@Operations.implementation_for(DropAlertLedger)
def _drop_alert_ledger(operations: Operations, operation: DropAlertLedger) -> None:
    operations.execute(DropLedgerView(operation.ledger))
    ledger_table(operation.ledger).drop(operations.get_bind())


@Operations.implementation_for(CreateAlertView)
def _create_alert_view(operations: Operations, operation: CreateAlertView) -> None:
    operations.execute(CreateLedgerView(operation.ledger))


@Operations.implementation_for(DropAlertView)
def _drop_alert_view(operations: Operations, operation: DropAlertView) -> None:
    operations.execute(DropLedgerView(operation.ledger))
