"""Apprise, the extra: a digest to a service on this machine, and no URL in what is said about it."""

from __future__ import annotations

import json

import pytest
from receivers import Reply, at_most, delivery, hanging, receiving

from forecasting.app.channels.apprise import Apprise
from forecasting.schema import ConfigurationError
from tasks.churn.outputs import CHURN_ALERTS

pytest.importorskip("apprise")

LEDGERS = {CHURN_ALERTS.name: CHURN_ALERTS}


def apprise(*urls: str, timeout: float = 5.0) -> Apprise:
    return Apprise(urls, timeout, LEDGERS, where="[alerts.chat]")


def test_a_digest_goes_to_every_service() -> None:
    with receiving() as receiver:
        url = receiver.url.replace("http:", "json:")
        answers = apprise(url, url + "/too").send([delivery(1), delivery(2), delivery(3, run_id="run-2")])
    assert [answer.state for answer in answers] == ["delivered"] * 3
    messages = [json.loads(request.body) for request in receiver.requests]
    assert (
        sorted(message["title"] for message in messages)
        == ["churn: 1 alert, as of 2026-03-01"] * 2 + ["churn: 2 alerts, as of 2026-03-01"] * 2
    )
    keys = {message["message"].rsplit("Key ", 1)[1] for message in messages}
    assert len(keys) == 2 and "C2: high" in messages[0]["message"]


@pytest.mark.parametrize("how", ["answer", "hang", "close"])
def test_a_service_that_fails(how: str, capfd: pytest.CaptureFixture[str]) -> None:
    with receiving(Reply(500, how=how)) as receiver, at_most(10):
        answers = apprise(receiver.url.replace("http:", "json:"), timeout=0.5).send(
            [delivery(1), delivery(2, run_id="r")]
        )
    assert [answer.state for answer in answers] == ["failed", "untried"]
    assert answers[0].error == "not taken by JSON"
    assert "s3cr3t" not in "".join(capfd.readouterr())


def test_a_name_that_nobody_can_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with hanging(monkeypatch), at_most(5):
        (answer,) = apprise("json://chat.example/", timeout=0.1).send([delivery(1)])
    assert answer.state == "failed" and answer.error == "not taken by JSON"


def test_a_url_that_is_none_is_not_repeated() -> None:
    with pytest.raises(ConfigurationError, match="URL number 2 is none") as caught:
        apprise("json://localhost", "t0ken")
    assert "t0ken" not in str(caught.value)
