"""Sources that no table holds as they are wanted, but a query makes: statuses out of timestamps, orders out of invoice
lines, people out of accounts, units out of rows, kinds out of the words of a click log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from db.catalogue import distinct_share
from db.engines import Warehouse
from forecasting.app.looking.columns import SURE, Guess, Studied, columns_of
from forecasting.app.looking.meanings import STAGE, STAGES
from forecasting.app.looking.proposals import Proposal
from forecasting.app.looking.query import Select, present, relation, since_1970, sql_of
from forecasting.app.looking.values import clicks_in, suits
from forecasting.schema import SOURCES, Kind

_NOT_SALES = ("CART", "RETURNED", "SUPPLIER", "SUPPLY", "OTHER", "BACKUP", "STOCK")


def derived(proposals: Mapping[str, Proposal], studied: Sequence[Studied], warehouse: Warehouse) -> dict[str, Proposal]:
    """The proposals, and those that queries add or replace."""
    found, dialect = dict(proposals), warehouse.engine.dialect
    if "orders" not in found or not found["orders"].sure:
        found |= _out_of_invoices(studied, dialect)
    if "order_lines" in found and found["order_lines"].fixed:
        found["order_lines"] = _counted(found["order_lines"], dialect)
    if "interactions" in found:
        found["interactions"] = _in_our_words(found["interactions"], dialect)
    if "orders" in found and found["orders"].sure and not found["orders"].query:
        if "order_events" not in found or not found["order_events"].sure:
            stages = _stages(found["orders"], dialect)
            found |= {"order_events": stages} if stages else {}
        if "customers" in found:
            found |= _people(found["customers"], found["orders"], warehouse)
    return found


def plain_query(proposal: Proposal, dialect: sa.Dialect) -> str:
    """A table as a query, for one whose name a mapping cannot write."""
    source = _from(proposal.studied)
    return sql_of([Select(_sure(proposal, source, dialect), source)], dialect)


def counted_since_1970(proposal: Proposal) -> list[str]:
    """Their columns of times that are numbers, among those that are read."""
    times = {column.name for column in SOURCES[proposal.source].columns if column.kind is Kind.TIMESTAMP}
    held = proposal.studied.held
    found = [guess.theirs for name, guess in proposal.columns.items() if name in times and guess.sure]
    return [theirs for theirs in found if theirs in held and held[theirs].epoch]


def _from(studied: Studied, alias: str | None = None) -> sa.FromClause:
    table = studied.table
    return relation(table.schema, table.name, [column.name for column in table.columns], alias)


def _sure(proposal: Proposal, source: sa.FromClause, dialect: sa.Dialect) -> list[tuple[str, sa.ColumnElement[Any]]]:
    numbers = set(counted_since_1970(proposal))
    return [
        (
            name,
            _time(proposal.studied, source, guess.theirs, dialect)
            if guess.theirs in numbers
            else source.c[guess.theirs],
        )
        for name, guess in proposal.columns.items()
        if guess.sure
    ]


def _time(studied: Studied, source: sa.FromClause, theirs: str, dialect: sa.Dialect) -> sa.ColumnElement[Any]:
    units = studied.held[theirs].epoch if theirs in studied.held else 0
    return since_1970(source.c[theirs], units, dialect.name) if units else source.c[theirs]


def _only_sure(columns: Mapping[str, Guess]) -> dict[str, Guess]:
    return {name: guess for name, guess in columns.items() if guess.sure}


def _counted(proposal: Proposal, dialect: sa.Dialect) -> Proposal:
    """Lines without a quantity."""
    source = _from(proposal.studied)
    columns = [*_sure(proposal, source, dialect), *((name, sa.literal(1)) for name in proposal.fixed)]
    return replace(proposal, query=sql_of([Select(columns, source)], dialect), columns=_only_sure(proposal.columns))


def _in_our_words(proposal: Proposal, dialect: sa.Dialect) -> Proposal:
    """Clicks whose kinds have other names, or one for all of them."""
    source = _from(proposal.studied)
    columns = dict(_sure(proposal, source, dialect))
    if "kind" in proposal.fixed:
        columns["kind"] = sa.literal("view")
        return replace(proposal, query=sql_of([Select(list(columns.items()), source)], dialect))
    theirs = proposal.columns["kind"].theirs
    words = proposal.studied.held[theirs].words if theirs in proposal.studied.held else ()
    known = clicks_in(words)
    if set(words) <= set(known.values()) or "kind" not in columns:
        return proposal
    columns["kind"] = sa.case(*((source.c[theirs] == word, sa.literal(ours)) for word, ours in known.items()))
    where = [source.c[theirs].in_(sorted(known))]
    left = [word for word in words if word not in known]
    why = [f"{word!r} is read as {ours}" for word, ours in known.items() if word != ours]
    why += [f"rows of other kinds stay out: {', '.join(map(repr, left[:8]))}"] if left else []
    query = sql_of([Select(list(columns.items()), source, where)], dialect)
    return replace(proposal, query=query, columns=_only_sure(proposal.columns), why=(*proposal.why, *why))


def _stages(orders: Proposal, dialect: sa.Dialect) -> Proposal | None:
    """A column of the orders for each status becomes a row for each."""
    studied = orders.studied
    used = {guess.theirs for guess in orders.columns.values() if guess.sure}
    wanted = SOURCES["order_events"].columns[-1]
    found: dict[str, Guess] = {}
    for concept, status in STAGES.items():
        fits = {
            column.name: STAGE[concept].fits(studied.columns[column.name])
            * suits(column, studied.held.get(column.name), wanted)
            for column in studied.table.columns
            if column.name not in used and studied.empty(column.name) < 1
        }
        best = max(fits, key=lambda name: fits[name], default=None)
        if best is not None and fits[best] >= SURE:
            said = f"a time that speaks of {concept.lower()}"
            if studied.empty(best) >= 0.005:
                said += f"; {studied.empty(best):.0%} of the first {studied.held[best].rows:,} rows have none"
            others = tuple(name for name in fits if name != best and fits[name] >= 0.5)
            found[f"status={status}"] = Guess(f"status={status}", best, min(1.0, fits[best]), said, others)
            used.add(best)
    if not found:
        return None
    source = _from(studied)
    key = orders.columns["order_id"]
    selects = [
        Select(
            [
                ("order_id", source.c[key.theirs]),
                ("status", sa.literal(name.removeprefix("status="))),
                ("occurred_at", _time(studied, source, guess.theirs, dialect)),
            ],
            source,
            [present(source.c[guess.theirs], studied.column(guess.theirs).family, dialect.name)],
        )
        for name, guess in found.items()
    ]
    why = f"{studied.label} has a time for each status: each becomes a row"
    return Proposal(
        "order_events",
        studied,
        {"order_id": key, **found},
        min(orders.confidence, *(guess.confidence for guess in found.values())),
        (why,),
        query=sql_of(selects, dialect),
    )


def _people(customers: Proposal, orders: Proposal, warehouse: Warehouse) -> dict[str, Proposal]:
    """Where an order has an account of its own and people stand behind several accounts: the people."""
    studied, dialect = customers.studied, warehouse.engine.dialect
    account = customers.columns["customer_id"]
    person = next(
        (
            name
            for name, words in studied.columns.items()
            if name != account.theirs
            and any(word.means("UNIQUE") for word in words)
            and any(word.means("CUSTOMER") for word in words)
            and suits(studied.column(name), studied.held.get(name), SOURCES["customers"].columns[0])
        ),
        None,
    )
    if person is None or "customer_id" not in orders.columns or not orders.columns["customer_id"].sure:
        return {}
    share = distinct_share(warehouse, studied.table, person)
    if share is None or share == 1:  # each has one account: there is nobody behind it
        return {}
    why = f"{person} is the person, {account.theirs} an account of an order"
    who = Guess("customer_id", person, 0.9, "the person, who may have many accounts", (account.theirs,), studied.label)

    o, c = _from(orders.studied, "o"), _from(studied, "c")
    joined = o.join(c, c.c[account.theirs] == o.c[orders.columns["customer_id"].theirs])
    columns = [(name, c.c[person] if name == "customer_id" else value) for name, value in _sure(orders, o, dialect)]
    with_person = replace(
        orders,
        columns={**_only_sure(orders.columns), "customer_id": who},
        query=sql_of([Select(columns, joined)], dialect),
        why=(*orders.why, why),
    )

    source = _from(studied)
    functions: dict[str, Any] = {"signed_up_at": sa.func.min, "latitude": sa.func.avg, "longitude": sa.func.avg}
    grouped = [
        (name, source.c[person] if name == "customer_id" else functions.get(name, sa.func.max)(value))
        for name, value in _sure(customers, source, dialect)
    ]
    people = replace(
        customers,
        columns={**_only_sure(customers.columns), "customer_id": replace(who, table="")},
        query=sql_of([Select(grouped, source, [source.c[person].is_not(None)], [source.c[person]])], dialect),
        why=(*customers.why, "one row for each person"),
    )
    return {"orders": with_person, "customers": people}


def _out_of_invoices(studied: Sequence[Studied], dialect: sa.Dialect) -> dict[str, Proposal]:
    """One flat table that repeats the order on each of its lines."""
    found = [proposals for table in studied if (proposals := _of_invoices(table, dialect))]
    return max(found, key=lambda one: one["orders"].confidence, default={})


def _of_invoices(table: Studied, dialect: sa.Dialect) -> dict[str, Proposal]:
    if any(word.means(concept) for word in table.words for concept in _NOT_SALES) or not table.rows:
        return {}
    lines = columns_of(table, "order_lines", grouped=True)
    head = columns_of(table, "orders", ("order_id", "placed_at", "customer_id"), grouped=True)
    needed = [lines.get("order_id"), lines.get("item_id"), lines.get("quantity"), head.get("placed_at")]
    order_id = lines.get("order_id")
    if (
        order_id is None
        or any(guess is None or not guess.sure for guess in needed)
        or table.held[order_id.theirs].unique
    ):
        return {}
    confidence = min(guess.confidence for guess in needed if guess is not None)
    source = _from(table)
    why = (f"{table.label} repeats the order on each of its lines",)
    order = source.c[order_id.theirs]
    found = {"order_lines": Proposal("order_lines", table, lines, confidence, why)}

    columns: list[tuple[str, sa.ColumnElement[Any]]] = [
        ("order_id", order),
        ("placed_at", sa.func.min(_time(table, source, head["placed_at"].theirs, dialect))),
    ]
    fixed = {}
    if "customer_id" in head and head["customer_id"].sure:
        columns.append(("customer_id", sa.func.max(source.c[head["customer_id"].theirs])))
    if "unit_price" in lines and lines["unit_price"].sure:
        columns.append(
            ("value", sa.func.sum(source.c[lines["quantity"].theirs] * source.c[lines["unit_price"].theirs]))
        )
        fixed["value"] = "the sum of quantity times price"
    query = sql_of([Select(columns, source, [order.is_not(None)], [order])], dialect)
    guesses = {"order_id": order_id} | {n: g for n, g in head.items() if n != "order_id" and g.sure}
    found["orders"] = Proposal("orders", table, guesses, confidence, why, query=query, fixed=fixed)

    for name, key in (("items", lines["item_id"]), ("customers", head.get("customer_id"))):
        if key is None or not key.sure:
            continue
        optional = ("title", "category", "brand") if name == "items" else ("region",)
        told = {n: g for n, g in columns_of(table, name, optional, grouped=True).items() if g.sure}
        own = source.c[key.theirs]
        selected = [(key.canonical, own), *((n, sa.func.max(source.c[g.theirs])) for n, g in told.items())]
        query = sql_of([Select(selected, source, [own.is_not(None)], [own])], dialect)
        found[name] = Proposal(name, table, {key.canonical: key, **told}, confidence, why, query=query)
    return found
