"""The program with the task that does next to nothing (`tests/idle`) and a few orders for it to count."""

from __future__ import annotations

from dataclasses import replace

import pytest
from program import IDLE, Program
from shell import Shell

CUSTOMERS = 40


def create(program: Program, monkeypatch: pytest.MonkeyPatch, options: str = "", settings: str = "") -> Program:
    """The program with the task installed, in this process too, its tables made and its orders loaded. `options`:
    lines of `[tasks.idle]`, such as "pause = 0.2"; `settings`: what else stands in forecasting.toml, before it."""
    monkeypatch.syspath_prepend(str(IDLE))
    program = replace(program, with_idle=True)
    (program.directory / "forecasting.toml").write_text(f"{settings}\n[tasks.idle]\n{options}\n")
    orders = program.directory / "orders.csv"
    lines = [f"O{n},C{n % CUSTOMERS:02},2024-01-{n % 28 + 1:02}T12:00:00Z" for n in range(3 * CUSTOMERS)]
    orders.write_text("\n".join(["order_id,customer_id,placed_at", *lines]) + "\n")
    shell = Shell(program)
    shell("db", "upgrade")
    shell("load", "orders", str(orders))
    return program
