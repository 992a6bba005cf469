"""What of a channel's configuration is secret, and by which of its parts it could be told."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from forecasting.app.channels.configuration import ChannelConfig, WebhookConfig
from forecasting.app.channels.signing import PREFIX
from forecasting.app.scrubbing import Scrubber

SECRET_KEYS = ("url", "urls", "secret", "password")
"""Keys of `[alerts.NAME]` that `KEY_env` and `KEY_file` can stand for."""

_SIGNS = re.compile(r"[/@:?&=#,]+")
_SHORTEST_TOKEN = 8  # shorter ones are rather ports and words


def hide(scrubber: Scrubber, key: str, text: str) -> None:
    """Makes the scrubber know the secret that a key stands for, whole and in the parts that receivers talk of."""
    if key == "url":
        scrubber.learn(text)
        scrubber.hide(text)
        scrubber.hide(_path(text))
        return
    scrubber.hide(text)
    for word in text.split():
        scrubber.hide(word)
        if key == "urls":  # services build addresses of their own from them
            scrubber.learn(word)
            for part in _SIGNS.split(word.partition("://")[2]):
                if len(part) >= _SHORTEST_TOKEN:
                    scrubber.hide(part)
        else:
            scrubber.hide(word.removeprefix(PREFIX))


def hide_written(scrubber: Scrubber, config: ChannelConfig) -> None:
    """The same for a web address that stands in the configuration itself: its password, and a path long enough to hold
    a token; the rest is no secret to whoever reads it there."""
    if isinstance(config, WebhookConfig) and config.url is not None:
        scrubber.learn(config.url)
        if len(_path(config.url)) >= _SHORTEST_TOKEN:
            scrubber.hide(_path(config.url))


def _path(url: str) -> str:
    try:
        return urlsplit(url).path.strip("/")
    except ValueError:
        return ""
