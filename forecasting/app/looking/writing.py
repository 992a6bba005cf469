"""The configuration that `init` writes of what it saw: what is sure in force, what is guessed in comments, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from forecasting.app.looking import toml
from forecasting.app.looking.columns import Guess
from forecasting.app.looking.look import Look
from forecasting.app.looking.proposals import Proposal
from forecasting.app.looking.readiness import Readiness, readers
from forecasting.app.template import TEMPLATE
from forecasting.schema import SOURCES
from forecasting.task import Task


@dataclass(frozen=True)
class Place:
    """Where the shop's tables stand, and where results go.

    `name`: of the source warehouse. `warehouses`: the tables [warehouses.NAME] to write, name -> {key: value}.
    `address`: of the source, without secrets. `variable`: the one that must be set because its URL holds a secret.
    `same`: the results could stand in the same database, in a schema of their own.
    """

    name: str
    warehouses: Mapping[str, Mapping[str, str]]
    address: str
    variable: str = ""
    same: bool = False


def written(look: Look, place: Place, tasks: Mapping[str, Task], ready: Sequence[Readiness]) -> str:
    """The whole file."""
    parts = _template()
    return "\n".join(
        [
            parts[""].rstrip() + "\n",
            _title("Warehouses", parts) + _warehouses(place),
            _title("Sources", parts) + _sources(look, place, tasks),
            _title("Tasks", parts) + _tasks(ready, parts["Tasks"], look.proposals.get("order_events")),
            _title("Alerts", parts) + parts["Alerts"].partition("\n")[2].strip("\n") + "\n",
            _title("Jobs", parts) + _jobs(ready, tasks),
        ]
    )


def _template() -> dict[str, str]:
    """Parts of the template by the word that their title begins with, title included; "" is what comes first."""
    first, *others = TEMPLATE.split("\n# --- ")
    return {"": first} | {part.split(":")[0].split()[0]: f"# --- {part}" for part in others}


def _title(name: str, parts: Mapping[str, str]) -> str:
    return parts[name].partition("\n")[0] + "\n\n"


def _warehouses(place: Place) -> str:
    text = toml.comment(f"{place.name} is {place.address}. A source is only ever read.")
    for name, keys in place.warehouses.items():
        text += f"[warehouses.{toml.key(name)}]\n" + "".join(f"{k} = {toml.value(v)}\n" for k, v in keys.items())
        if place.variable and name == place.name:
            text += toml.comment(f"Its URL holds a secret: it is taken from the variable {place.variable}.")
        text += "\n"
    if "results" not in place.warehouses:
        text += "# Results go to SQLite at var/warehouse.db, unless you say otherwise:\n# [warehouses.results]\n"
        if place.same:
            (key, value), *_ = place.warehouses[place.name].items()
            text += f"# {key} = {toml.value(value)}".ljust(34) + " # the same database, in a schema `forecasting`\n"
        else:
            text += '# url = "postgresql+psycopg://USER@HOST/DATABASE"\n'
    return text


def _sources(look: Look, place: Place, tasks: Mapping[str, Task]) -> str:
    text = toml.comment(
        f"Proposed by `forecasting init` from names, types, keys and first rows of {look.tables:,} tables. Lines in "
        "force are those that it is sure of; guesses are comments. Read them once: nobody knows your shop as you do."
    )
    for source in SOURCES:
        proposal = look.proposals.get(source)
        text += "\n"
        if proposal is None:
            said = readers(source, tasks)
            text += toml.comment(f"{source}: nothing was found for it. " + "; ".join(said) + ("." if said else ""))
        else:
            text += _source(proposal, place.name, tasks)
    return text


def _source(proposal: Proposal, warehouse: str, tasks: Mapping[str, Task]) -> str:
    text = toml.comment(_headline(proposal))
    if proposal.why:
        text += toml.comment(f"Why: {'; '.join(proposal.why)}.")
    if proposal.others:
        text += toml.comment("Considered, too: " + ", ".join(map(toml.shown, proposal.others)) + ".")
    body = f"[sources.{proposal.source}]\nwarehouse = {toml.value(warehouse)}\n"
    if proposal.query:
        body += f"query = {toml.block(proposal.query)}\n" + _zone(proposal)
        notes = "".join(
            toml.comment(f"{name}: {toml.shown(guess.theirs)}, {_reason(guess)}")
            for name, guess in proposal.columns.items()
        )
        notes += "".join(toml.comment(f"{name}: {what}") for name, what in proposal.fixed.items())
    else:
        body += f"table = {toml.value(proposal.studied.label)}\n" + _zone(proposal)
        body += _columns(proposal)
        notes = ""
    text += (body if proposal.sure else toml.commented(body)) + notes
    if proposal.missing:
        text += toml.comment(f"Not found: {', '.join(proposal.missing)}." + _cost(proposal, tasks))
    return text


def _headline(proposal: Proposal) -> str:
    rows = proposal.studied.rows
    many = "" if rows is None else f", {rows:,} rows" if rows <= 100_000 else ", more than 100,000 rows"
    sure = "sure" if proposal.sure else "guessed, so left out until you uncomment it"
    kind = "a query over " if proposal.query else ""
    return f"{proposal.source}: {kind}{toml.shown(proposal.studied.label)}{many}; {sure} ({proposal.confidence:.2f})."


def _columns(proposal: Proposal) -> str:
    """A table of its own, for the sake of comments. Columns with our names need no line."""
    required = {column.name for column in SOURCES[proposal.source].columns if column.required}
    named = [guess for name, guess in proposal.columns.items() if guess.theirs != name]
    lines = [
        ("" if guess.sure or (guess.canonical in required and not proposal.sure) else "# ")
        + f"{guess.canonical} = {toml.value(guess.theirs)}"
        for guess in named
    ]
    width = min(max(map(len, lines), default=0), 60)
    text = f"[sources.{proposal.source}.columns]\n" if lines else ""
    for line, guess in zip(lines, named, strict=True):
        text += f"{line.ljust(width)}  # {_reason(guess)}\n"
    own = [name for name, guess in proposal.columns.items() if guess.theirs == name]
    return text + (toml.comment(f"Under their canonical names: {', '.join(own)}.") if own else "")


def _reason(guess: Guess) -> str:
    """Why, how sure, and what else it could have been."""
    said = toml.shown(guess.why, 160)
    text = said if guess.sure else f"guessed: {said}" if said else "guessed"
    return text + (f"; or {', '.join(map(toml.shown, guess.others))}" if guess.others else "")


def _zone(proposal: Proposal) -> str:
    if not proposal.timed:
        return ""
    names = ", ".join(map(toml.shown, dict.fromkeys(proposal.timed)))
    line = '# timezone = "Europe/Berlin"'
    return (
        toml.comment(f"Times without a zone ({names}) are read as UTC. Where they are local, say whose:") + f"{line}\n"
    )


def _cost(proposal: Proposal, tasks: Mapping[str, Task]) -> str:
    """What the most telling of the missing columns costs."""
    said = []
    for name, task in tasks.items():
        for need in task.needs():
            for columns, cost in need.columns_without.items() if need.source == proposal.source else ():
                if any(column.strip() in proposal.missing for column in columns.split(",")):
                    said.append(f"{name} without {columns}: {cost}")
    return " " + "; ".join(said) + "." if said else ""


def _tasks(ready: Sequence[Readiness], template: str, events: Proposal | None) -> str:
    options = _options(template)
    text = ""
    for one in ready:
        header = f"[tasks.{toml.key(one.task)}]"
        text += toml.comment(f"{one.task}: {one.why}." if one.ready else f"{one.task} cannot run yet: {one.why}.")
        text += (header if one.ready else f"# {header}") + "\n" + _stages(options.get(one.task, ""), events) + "\n"
    return text.rstrip("\n") + "\n"


def _stages(options: str, events: Proposal | None) -> str:
    """The statuses that there are, where the option is about them."""
    found = [name.removeprefix("status=") for name in events.columns if name.startswith("status=")] if events else []
    if not found or not options.startswith("# stages = "):
        return options
    named = ", ".join(map(toml.value, ["placed", *found]))
    return f"# stages = [{named}]  # all of them by default\n{options.partition(chr(10))[2]}"


def _options(template: str) -> dict[str, str]:
    """The commented options of each task in the template."""
    found = {}
    for part in template.split("\n\n"):
        head, _, lines = part.partition("\n")
        if head.startswith("# [tasks.") and "type =" not in lines.partition("\n")[0]:
            found[head.removeprefix("# [tasks.").rstrip("]")] = lines.rstrip("\n") + "\n"
    return found


def _jobs(ready: Sequence[Readiness], tasks: Mapping[str, Task]) -> str:
    able = [one.task for one in ready if one.ready] or [one.task for one in ready]
    text = "# Uncomment what `forecasting schedule` is to do every night.\n\n"
    for task in able:
        text += f"# [jobs.{toml.key(f'nightly-{task}')}]\n# task = {toml.value(task)}\n"
        text += '# cron = "0 2 * * *"             # minute hour day-of-month month day-of-week\n'
        text += '# timezone = "Europe/Berlin"\n# retrain_after_days = 7\n\n'
    after = ", ".join(toml.value(f"nightly-{task}") for task in able)
    text += f'# [jobs.reports]\n# report = "all"\n# after = [{after}]\n'
    warning = [task for task in able if tasks[task].spec.alerts is not None]
    if warning:
        names = ", ".join(toml.value(f"nightly-{task}") for task in warning)
        text += f"\n# [jobs.alerts]\n# alerts = true\n# after = [{names}]\n"
    return text


def plain(place: Place) -> str:
    """The template, with the results warehouse in it where one was given: there was nothing to look at."""
    keys = place.warehouses.get("results", {})
    lines = "".join(f"{key} = {toml.value(value)}\n" for key, value in keys.items())
    given = f"[warehouses.results]           # the target of everything that is written\n{lines}\n" if lines else ""
    return TEMPLATE.replace("# [warehouses.results]", f"{given}# [warehouses.results]", 1) if given else TEMPLATE
