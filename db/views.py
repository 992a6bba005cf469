"""CREATE VIEW and DROP VIEW, which SQLAlchemy has no constructs for."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import DDLElement

from forecasting.schema import AlertLedger, OutputTable


class ViewOf(DDLElement):
    """CREATE VIEW of a select."""

    inherit_cache = False

    def __init__(self, name: str, select: sa.Select[Any]):
        self.name, self.select = name, select


class DropView(DDLElement):
    """DROP VIEW of what is declared with one."""

    inherit_cache = False

    def __init__(self, declared: OutputTable | AlertLedger):
        self.name = declared.view


@compiles(ViewOf)
def _create_view(element: ViewOf, compiler: sa.sql.compiler.DDLCompiler, **options: object) -> str:
    select = compiler.sql_compiler.process(element.select, literal_binds=True)
    return f"CREATE VIEW {compiler.preparer.quote(element.name)} AS {select}"


@compiles(DropView)
def _drop_view(element: DropView, compiler: sa.sql.compiler.DDLCompiler, **options: object) -> str:
    return f"DROP VIEW {compiler.preparer.quote(element.name)}"
