"""The house's own tables: ledgers of what ran, the pointer to what is published, and who is at work.

Names and columns of `runs`, `run_metrics`, `models` and `quarantine` are a contract (DESIGN.md). Instants are UTC.
The tables are made by the revisions in `migrations`; `db.migrate.check` holds both against each other.
"""

from __future__ import annotations

import sqlalchemy as sa

from db.types import UtcDateTime, document

METADATA = sa.MetaData()

_ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # SQLite numbers rows by INTEGER keys alone

RUNS = sa.Table(
    "runs",
    METADATA,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("task", sa.Text, nullable=False),  # the configured task
    sa.Column("slot", UtcDateTime, nullable=False),
    sa.Column("as_of", UtcDateTime, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # running, done, failed, abandoned
    sa.Column("trigger", sa.Text, nullable=False),  # who asked: command, job:NAME, backfill, demo
    sa.Column("model_id", sa.Text),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("finished_at", UtcDateTime),
    sa.Column("rows", sa.BigInteger),
    sa.Column("error", sa.Text),
    sa.Column("subject", sa.Text),  # whose rows these are: model, champion, baseline:NAME
    sa.Column("fallback", sa.Boolean),  # the gate failed: the rows are not the model's
    sa.Column("published_at", UtcDateTime),  # null where the pointer stayed
    sa.Column("exit_code", sa.Integer),
    sa.Column("fence", sa.BigInteger, nullable=False),
    sa.Column("code_version", sa.Text),
    sa.Column("config", document()),
    sa.Column("data_from", UtcDateTime),
    sa.Column("data_until", UtcDateTime),
    sa.Column("reason", sa.Text),  # what the gate said, such as "not_enough_data: ..."
    sa.Index("runs_by_task", "task", "started_at"),
)

RUN_METRICS = sa.Table(
    "run_metrics",
    METADATA,
    sa.Column("run_id", sa.Text, sa.ForeignKey("runs.run_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("slice", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("metric", sa.Text, primary_key=True),
    sa.Column("value", sa.Double),  # null where it is not a number
)

MODELS = sa.Table(
    "models",
    METADATA,
    sa.Column("model_id", sa.Text, primary_key=True),
    sa.Column("task", sa.Text, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("encoder", sa.Text),
    sa.Column("trained_until", UtcDateTime, nullable=False),
    sa.Column("uri", sa.Text, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("champion", sa.Boolean, nullable=False),
    sa.Column("run_id", sa.Text),
    sa.Column("config", document()),
    sa.Column("recipe", document()),
    sa.Column("warm_from", sa.Text),  # the model that this one was fine-tuned from; null for a full fit
    sa.Column("fully_trained_until", UtcDateTime),  # of the last full fit in its line; null: trained_until
    sa.Index("models_by_task", "task", "created_at"),
)
sa.Index(
    "models_one_champion",
    MODELS.c.task,
    unique=True,
    sqlite_where=MODELS.c.champion,
    postgresql_where=MODELS.c.champion,
)

CROWNS = sa.Table(
    "crowns",
    METADATA,
    sa.Column("crown_id", _ROW_ID, primary_key=True, autoincrement=True),
    sa.Column("task", sa.Text, nullable=False),
    sa.Column("model_id", sa.Text, nullable=False),  # who reigned from then on
    sa.Column("crowned_at", UtcDateTime, nullable=False),
    sa.Column("cause", sa.Text, nullable=False),  # run, promotion, rollback
    sa.Column("crowned_by", sa.Text),  # the person, where one did it
    sa.Index("crowns_by_task", "task", "crown_id"),
)

QUARANTINE = sa.Table(
    "quarantine",
    METADATA,
    sa.Column("quarantine_id", _ROW_ID, primary_key=True, autoincrement=True),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("row", document(), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Index("quarantine_by_run", "run_id", "source"),
)

PUBLICATIONS = sa.Table(
    "publications",
    METADATA,
    sa.Column("task", sa.Text, primary_key=True),  # one row a task: moving it publishes all its tables at once
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("as_of", UtcDateTime, nullable=False),
    sa.Column("fence", sa.BigInteger, nullable=False),
    sa.Column("published_at", UtcDateTime, nullable=False),
)

CLAIMS = sa.Table(
    "claims",
    METADATA,
    sa.Column("task", sa.Text, primary_key=True),
    sa.Column("slot", UtcDateTime, primary_key=True),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("fence", sa.BigInteger, nullable=False),  # grows with every claim of the task
    sa.Column("state", sa.Text, nullable=False),  # running, done, failed
    sa.Column("claimed_at", UtcDateTime, nullable=False),
    sa.Column("heartbeat_at", UtcDateTime, nullable=False),
    sa.Column("lease_expires_at", UtcDateTime, nullable=False),
    sa.Column("run_id", sa.Text),
)

JOB_RUNS = sa.Table(
    "job_runs",
    METADATA,
    sa.Column("job", sa.Text, primary_key=True),  # [jobs.NAME]
    sa.Column("slot", UtcDateTime, primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True),  # from 1; 0 for a slot that was passed over
    sa.Column("state", sa.Text, nullable=False),  # see db.job_runs.State
    sa.Column("owner", sa.Text),
    sa.Column("fence", sa.BigInteger),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("finished_at", UtcDateTime),
    sa.Column("exit_code", sa.Integer),
    sa.Column("error", sa.Text),  # what went wrong, or why the slot was passed over
    sa.Index("job_runs_by_start", "started_at"),
)

LOADS = sa.Table(
    "loads",
    METADATA,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("sha256", sa.Text, primary_key=True),
    sa.Column("file", sa.Text, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("loaded_at", UtcDateTime, nullable=False),
)

ALERT_DELIVERIES = sa.Table(
    "alert_deliveries",
    METADATA,
    sa.Column("delivery_id", sa.Text, primary_key=True),  # the idempotency key: the same however often it is sent
    sa.Column("ledger", sa.Text, nullable=False),  # the table in which the alert stands
    sa.Column("alert_id", sa.Text, nullable=False),
    sa.Column("task", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),  # whose publication raised or closed it; by hand, that which raised
    sa.Column("as_of", UtcDateTime, nullable=False),  # of that run
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("event", sa.Text, nullable=False),  # raised, closed
    sa.Column("payload", document(), nullable=False),  # the alert's columns at that moment
    sa.Column("state", sa.Text, nullable=False),  # pending, delivered, given up
    sa.Column("attempts", sa.Integer, nullable=False),  # those that came to an end, well or badly
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("next_attempt_at", UtcDateTime, nullable=False),
    sa.Column("leased_by", sa.Text),
    sa.Column("leased_until", UtcDateTime),
    sa.Column("delivered_at", UtcDateTime),
    sa.Column("last_error", sa.Text),
    sa.Index("alert_deliveries_by_alert", "alert_id", "channel"),
    sa.Index("alert_deliveries_by_run", "run_id", "channel"),
)
sa.Index(
    "alert_deliveries_due",
    ALERT_DELIVERIES.c.channel,
    ALERT_DELIVERIES.c.next_attempt_at,
    ALERT_DELIVERIES.c.delivery_id,
    sqlite_where=ALERT_DELIVERIES.c.state == "pending",
    postgresql_where=ALERT_DELIVERIES.c.state == "pending",
)
sa.Index(
    "alert_deliveries_unsettled",  # what was delivered long ago costs nobody anything
    ALERT_DELIVERIES.c.channel,
    sqlite_where=ALERT_DELIVERIES.c.state != "delivered",
    postgresql_where=ALERT_DELIVERIES.c.state != "delivered",
)
