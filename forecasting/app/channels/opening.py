"""Brings configured channels to life: reads their secrets, and imports what their kind needs, which is not little."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from db import outbox
from db.outbox import Delivery
from forecasting.app.channels.channel import Channel, Ledgers
from forecasting.app.channels.configuration import AppriseConfig, CsvConfig, EmailConfig, WebhookConfig
from forecasting.app.secret import read_secret
from forecasting.app.workspace import Workspace
from forecasting.schema import ConfigurationError

_SIGNS = re.compile(r"[/@:?&=#,]+")
_SHORTEST_TOKEN = 8  # shorter ones are rather ports and words


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
    from forecasting.app.channels.signing import PREFIX, keys
    from forecasting.app.channels.webhook import Webhook

    url = config.url
    if url is None:
        url = _secret(workspace, config.url_env, config.url_file, where, "the receiver's web address")
    workspace.console.scrubber.learn(url)
    if config.url is None:
        workspace.console.scrubber.hide(urlsplit(url).path.strip("/"))
    secret = _secret(workspace, config.secret_env, config.secret_file, where, "the key that signs what is sent")
    for word in secret.split():
        workspace.console.scrubber.hide(word)
        workspace.console.scrubber.hide(word.removeprefix(PREFIX))
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
        password = _secret(workspace, config.password_env, config.password_file, where, "the password")
    return Mail(config, password, ledgers(workspace), where=where)


def _apprise(workspace: Workspace, config: AppriseConfig, where: str) -> Channel:
    from forecasting.app.channels.apprise import Apprise

    urls = _secret(workspace, config.urls_env, config.urls_file, where, "the URLs of services that Apprise knows")
    for url in urls.split():
        workspace.console.scrubber.learn(url)
        for word in _SIGNS.split(url.partition("://")[2]):  # services build addresses of their own from them
            if len(word) >= _SHORTEST_TOKEN:
                workspace.console.scrubber.hide(word)
    return Apprise(urls.split(), config.timeout_seconds, ledgers(workspace), where=where)


def _secret(workspace: Workspace, variable: str | None, file: str | None, where: str, what: str) -> str:
    secret = read_secret(workspace.configuration, variable, file, where=where, what=what)
    workspace.console.scrubber.hide(secret)
    return secret
