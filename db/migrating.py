"""Alembic operations for the revisions of tasks, reached through `op` alone::

    from alembic import op
    from forecasting.schema import Column, Kind, OutputTable

    def upgrade():
        op.create_output(OutputTable(...))      # the table and its view current_NAME

A revision spells its OutputTable out, never imports the task's present one: it must do tomorrow what it does today.
For the same reason what these operations build never changes; another way of building gets another name. To change
a table, drop its view with the old declaration, alter, and create the view with the new one.
"""

from __future__ import annotations

from typing import Any

from alembic.operations import MigrateOperation, Operations

from db.outputs import CreateView, DropView, output_table
from forecasting.schema import OutputTable


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
