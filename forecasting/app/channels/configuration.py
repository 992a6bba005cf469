"""The tables `[alerts.NAME]`: what each kind of channel is told, as frozen dataclasses.

Secrets are named, never written: `KEY_env` is a variable that holds one, `KEY_file` a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from forecasting.app.validation import build, did_you_mean
from forecasting.schema import ConfigurationError

Event = Literal["raised", "closed"]


def _web(url: str | None) -> str | None:
    if url is not None and not url.startswith(("https://", "http://")):
        raise ValueError("this is no web address: it begins with https://")
    return url


def _address(text: str) -> str:
    name, at, domain = text.rpartition("@")
    if not at or not name or not domain or any(sign.isspace() or not sign.isprintable() for sign in text):
        raise ValueError("this is no e-mail address, such as crm@shop.example")
    return text


Address = Annotated[str, AfterValidator(_address)]


@dataclass(frozen=True, kw_only=True)
class ChannelConfig:
    """What every kind of channel is told.

    `task`: the configured task whose alerts it carries, None for all. `events`: of an alert's life, those that are
    told. `timeout_seconds`: how long the receiver may take to answer. `max_attempts`: after so many failures a
    delivery is given up.
    """

    task: str | None = None
    events: Annotated[tuple[Event, ...], Field(min_length=1)] = ("raised",)
    timeout_seconds: Annotated[float, Field(gt=0, le=300)] = 10.0
    max_attempts: Annotated[int, Field(ge=1, le=1000)] = 12


@dataclass(frozen=True, kw_only=True)
class WebhookConfig(ChannelConfig):
    """One POST for each alert, signed. `secret_env`, `secret_file`: the key, `whsec_` and base64 of 24 to 64 random
    bytes; several of them with blanks between sign side by side while a receiver changes over to the next."""

    url: Annotated[str | None, AfterValidator(_web)] = field(default=None, repr=False)
    url_env: str | None = None
    url_file: str | None = None
    secret_env: str | None = None
    secret_file: str | None = None

    def __post_init__(self) -> None:
        _one_of(self, "url", "url_env", "url_file")
        _one_of(self, "secret_env", "secret_file")


@dataclass(frozen=True, kw_only=True)
class CsvConfig(ChannelConfig):
    """One file for each run, in `directory`; a relative one is taken from the directory of forecasting.toml."""

    directory: str


@dataclass(frozen=True, kw_only=True)
class EmailConfig(ChannelConfig):
    """One digest for each run, through an SMTP server. `security`: how the connection is encrypted, "starttls",
    "ssl" or "none". `port`: 587, 465 or 25, as goes with it, where none is given. `username`, and `password_env` or
    `password_file`: where the server wants them."""

    host: str
    sender: Address
    recipients: Annotated[tuple[Address, ...], Field(min_length=1)]
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    security: Literal["starttls", "ssl", "none"] = "starttls"
    username: str | None = None
    password_env: str | None = None
    password_file: str | None = None

    def __post_init__(self) -> None:
        if self.username is not None:
            _one_of(self, "password_env", "password_file")
        elif self.password_env is not None or self.password_file is not None:
            raise ConfigurationError("a password needs a username.")
        if self.username is not None and self.security == "none":
            raise ConfigurationError(
                "a password is not sent over a connection that is not encrypted.",
                remedy='Set security to "starttls" or "ssl".',
            )


@dataclass(frozen=True, kw_only=True)
class AppriseConfig(ChannelConfig):
    """One digest for each run, to whatever service Apprise knows. `urls_env`, `urls_file`: its URLs, with blanks or
    new lines between; they hold secrets, and are never written here."""

    urls_env: str | None = None
    urls_file: str | None = None

    def __post_init__(self) -> None:
        _one_of(self, "urls_env", "urls_file")


KINDS: dict[str, type[ChannelConfig]] = {
    "webhook": WebhookConfig,
    "csv": CsvConfig,
    "email": EmailConfig,
    "apprise": AppriseConfig,
}


def channel_config(table: Mapping[str, Any], where: str) -> ChannelConfig:
    """A channel from its table; its key `kind` says which. Raises ConfigurationError naming table and key."""
    keys = dict(table)
    kind = keys.pop("kind", None)
    if kind is None:
        raise ConfigurationError(f"{where}: the key 'kind' is missing.", remedy=f"One of {', '.join(KINDS)}.")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ConfigurationError(f"{where}: key 'kind': there is no such kind.", remedy=did_you_mean(str(kind), KINDS))
    return build(KINDS[kind], keys, where)


def variables(config: ChannelConfig) -> set[str]:
    """The environment's variables that a channel reads."""
    return {value for key, value in vars(config).items() if key.endswith("_env") and value}


def _one_of(config: ChannelConfig, *keys: str) -> None:
    given = [key for key in keys if getattr(config, key) is not None]
    if len(given) != 1:
        names = f"{', '.join(keys[:-1])} and {keys[-1]}"
        raise ConfigurationError(f"give exactly one of {names}, not {' and '.join(given) if given else 'none'}.")
