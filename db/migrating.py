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

from db.alert_ledgers import CreateLedgerView, ledger_table
from db.outputs import CreateView, output_table
from db.views import DropView
from forecasting.schema import AlertLedger, OutputTable


class _Operation(MigrateOperation):
    """An operation on what a task declares."""

    def __init__(self, declared: Any):
        self.declared = declared

    @classmethod
    def invoke(cls, operations: Operations, declared: OutputTable | AlertLedger) -> Any:
        """Runs the operation in the migration at hand."""
        return operations.invoke(cls(declared))


@Operations.register_operation("create_output", "invoke")
class CreateOutput(_Operation):
    """Creates an output's table and its view."""


@Operations.register_operation("drop_output", "invoke")
class DropOutput(_Operation):
    """Drops an output's view and its table."""


@Operations.register_operation("create_output_view", "invoke")
class CreateOutputView(_Operation):
    """Creates an output's view over its table."""


@Operations.register_operation("drop_output_view", "invoke")
class DropOutputView(_Operation):
    """Drops an output's view, leaving the table."""


@Operations.register_operation("create_alert_ledger", "invoke")
class CreateAlertLedger(_Operation):
    """Creates a ledger of alerts, its indexes and its view."""


@Operations.register_operation("drop_alert_ledger", "invoke")
class DropAlertLedger(_Operation):
    """Drops a ledger's view and its table, alerts and all."""


@Operations.register_operation("create_alert_view", "invoke")
class CreateAlertView(_Operation):
    """Creates a ledger's view over its table."""


@Operations.register_operation("drop_alert_view", "invoke")
class DropAlertView(_Operation):
    """Drops a ledger's view, leaving the table."""


@Operations.implementation_for(CreateOutput)
def _create_output(operations: Operations, operation: CreateOutput) -> None:
    output_table(operation.declared).create(operations.get_bind())
    operations.execute(CreateView(operation.declared))


@Operations.implementation_for(DropOutput)
def _drop_output(operations: Operations, operation: DropOutput) -> None:
    operations.execute(DropView(operation.declared))
    output_table(operation.declared).drop(operations.get_bind())


@Operations.implementation_for(CreateOutputView)
def _create_output_view(operations: Operations, operation: CreateOutputView) -> None:
    operations.execute(CreateView(operation.declared))


@Operations.implementation_for(DropOutputView)
@Operations.implementation_for(DropAlertView)
def _drop_view(operations: Operations, operation: DropOutputView | DropAlertView) -> None:
    operations.execute(DropView(operation.declared))


@Operations.implementation_for(CreateAlertLedger)
def _create_alert_ledger(operations: Operations, operation: CreateAlertLedger) -> None:
    ledger_table(operation.declared).create(operations.get_bind())
    operations.execute(CreateLedgerView(operation.declared))


@Operations.implementation_for(DropAlertLedger)
def _drop_alert_ledger(operations: Operations, operation: DropAlertLedger) -> None:
    operations.execute(DropView(operation.declared))
    ledger_table(operation.declared).drop(operations.get_bind())


@Operations.implementation_for(CreateAlertView)
def _create_alert_view(operations: Operations, operation: CreateAlertView) -> None:
    operations.execute(CreateLedgerView(operation.declared))
