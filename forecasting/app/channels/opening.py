"""Brings configured channels to life: reads their secrets, and imports what their kind needs, which is not little."""

from __future__ import annotations

from db import outbox
from db.outbox import Delivery
from forecasting.app.channels.channel import Channel, Ledgers
from forecasting.app.channels.configuration import (
    AppriseConfig,
    ChannelConfig,
    CsvConfig,
    EmailConfig,
    WebhookConfig,
)
from forecasting.app.channels.hiding import hide, hide_written
from forecasting.app.secret import read_secret
from forecasting.app.workspace import Workspace
from forecasting.schema import ConfigurationError


def open_channel(workspace: Workspace, name: str) -> Channel:
    """The configured channel of that name, its secrets read and learned by the scrubber. Sends and writes nothing.

    Raises ConfigurationError naming file and table.
    """
    config = workspace.configuration.alerts[name]
    where = f"{workspace.configuration.label}: [alerts.{name}]"
    if isinstance(config, WebhookConfig):
        return _webhook(workspace, config, where)
    if isinstance(config, CsvConfig):
        return _csv(workspace, name, config, where)
    if isinstance(config, EmailConfig):
        return _email(workspace, config, where)
    if isinstance(config, AppriseConfig):
        return _apprise(workspace, config, where)
    raise ConfigurationError(f"{where}: there is no such kind of channel.")


def ledgers(workspace: Workspace) -> Ledgers:
    """The ledgers of all installed tasks, by name."""
    specs = (task_class.spec for task_class in workspace.task_classes.values())
    return {spec.alerts.name: spec.alerts for spec in specs if spec.alerts is not None}


def _webhook(workspace: Workspace, config: WebhookConfig, where: str) -> Channel:
    from forecasting.app.channels.signing import keys
    from forecasting.app.channels.webhook import Webhook

    url = config.url
    if url is None:
        url = _secret(workspace, config, "url", where, "the receiver's web address")
    hide_written(workspace.console.scrubber, config)
    secret = _secret(workspace, config, "secret", where, "the key that signs what is sent")
    return Webhook(url, keys(secret, where), config.timeout_seconds, where=where)


def _csv(workspace: Workspace, name: str, config: CsvConfig, where: str) -> Channel:
    from forecasting.app.channels.csv_drop import CsvDrop

    def of_run(run_id: str) -> list[Delivery]:
        return outbox.of_run(workspace.results(), name, run_id)

    return CsvDrop(workspace.configuration.path(config.directory), of_run, ledgers(workspace), where=where)


def _email(workspace: Workspace, config: EmailConfig, where: str) -> Channel:
    from forecasting.app.channels.mail import Mail

    password = None
    if config.username is not None:
        password = _secret(workspace, config, "password", where, "the password")
    return Mail(config, password, ledgers(workspace), where=where)


def _apprise(workspace: Workspace, config: AppriseConfig, where: str) -> Channel:
    from forecasting.app.channels.apprise import Apprise

    urls = _secret(workspace, config, "urls", where, "the URLs of services that Apprise knows")
    return Apprise(urls.split(), config.timeout_seconds, ledgers(workspace), where=where)


def _secret(workspace: Workspace, config: ChannelConfig, key: str, where: str, what: str) -> str:
    """What the variable or the file holds that `KEY_env` or `KEY_file` names; the scrubber knows it from then on."""
    variable, file = getattr(config, f"{key}_env"), getattr(config, f"{key}_file")
    secret = read_secret(workspace.configuration, variable, file, where=where, what=what)
    hide(workspace.console.scrubber, key, secret)
    return secret
