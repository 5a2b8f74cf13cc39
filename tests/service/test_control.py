"""Status and metrics over HTTP, on loopback only."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from sensor.service.control import Control
from sensor.service.metrics import metrics

REPORT = {"sensor": "a", "detection": {"alerts": {"high": 3}}}


@pytest.fixture(params=["127.0.0.1:0", "[::1]:0"])
def control(request: pytest.FixtureRequest) -> Iterator[Control]:
    made = Control(request.param, lambda: REPORT)
    yield made
    made.close()


def get(control: Control, path: str) -> bytes:
    with urllib.request.urlopen(f"http://{control.address}{path}", timeout=5) as answer:
        content: bytes = answer.read()
    return content


def test_status_is_the_report(control: Control) -> None:
    assert json.loads(get(control, "/status")) == REPORT
    assert get(control, "/healthz") == b"alive\n"


def test_what_there_is_not(control: Control) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404") as refused:
        get(control, "/../etc/passwd")
    refused.value.close()


def test_metrics_are_told(control: Control) -> None:
    assert get(control, "/metrics").decode() == metrics(REPORT)


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "192.0.2.1:0", "[::]:0"])
def test_nobody_else_is_told(listen: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        Control(listen, lambda: REPORT)


def test_a_report_that_cannot_be_made_is_told() -> None:
    def broken() -> dict[str, object]:
        raise KeyError("passed_over")

    made = Control("127.0.0.1:0", broken)
    try:
        with pytest.raises(urllib.error.HTTPError, match="500") as refused:
            get(made, "/status")
        refused.value.close()
        assert get(made, "/healthz") == b"alive\n"
    finally:
        made.close()
