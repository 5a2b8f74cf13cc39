"""Each alert posted to an address, as JSON, under an Idempotency-Key that is its event.id."""

from __future__ import annotations

import contextlib
import http.client
import os
import ssl
from collections.abc import Sequence
from urllib.parse import urlsplit

from sensor.config import WebhookSettings
from sensor.delivery.outcome import Fate, Outcome, Paused
from sensor.events.record import Record

MOST_ANSWER = 1 << 16  # bytes of an answer that are read, so that the connection can be used again
LONGEST_WAIT_S = 300.0
AGAIN = (408, 425, 429)  # and 5xx: later
OURS = (401, 403, 404, 405, 407)  # and 3xx: somebody has to set it right


class WebhookDestination:
    """One address. Certificates are verified; redirections are not followed."""

    name = "webhook"
    datasets = frozenset({"alert"})
    most_bytes, most_records = 1_000_000, 100

    def __init__(self, settings: WebhookSettings) -> None:
        """Raises ValueError for what is no address, OSError where the authorities' file cannot be read."""
        parts = urlsplit(settings.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{settings.url}: http://… or https://… was expected")
        self.target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self.headers = {"content-type": "application/json", "user-agent": "tapsight"}
        if token := settings.token or os.environ.get("TAPSIGHT_WEBHOOK_TOKEN", ""):
            self.headers["authorization"] = f"Bearer {token}"
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=settings.ca or None)
            self.connection: http.client.HTTPConnection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=settings.timeout_s, context=context)
        else:
            self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=settings.timeout_s)

    def deliver(self, records: Sequence[Record]) -> Outcome:
        """One after the other, up to the first that has to wait. Raises Paused where that is the first of all."""
        outcome = Outcome.undecided(len(records))
        for place, record in enumerate(records):
            status, wait_s = self._post(record, outcome)
            if 200 <= status < 300:
                outcome.fates[place] = Fate.DELIVERED
            elif status == 409:
                outcome.fates[place] = Fate.DUPLICATE
            elif not status or status >= 500 or status in AGAIN or status in OURS or status < 400:
                outcome.trouble = outcome.trouble or f"the webhook answered {status}"
                outcome.is_alarm, outcome.wait_s = outcome.is_alarm or status in OURS or 300 <= status < 400, wait_s
                break
            else:
                outcome.fates[place], outcome.why[place] = Fate.DEAD, (f"http_{status}", f"the webhook answered {status}")
        if outcome.trouble and not any(outcome.fates):
            raise Paused(outcome.trouble, outcome.wait_s, is_alarm=outcome.is_alarm)
        return outcome

    def _post(self, record: Record, outcome: Outcome) -> tuple[int, float | None]:
        """The status of the answer, and the seconds that it asks to wait; status 0, and the trouble told, where there was none."""
        try:
            key = record.id.encode("ascii", "backslashreplace").decode()
            self.connection.request("POST", self.target, record.document, self.headers | {"idempotency-key": "".join(filter(str.isprintable, key))})
            answer = self.connection.getresponse()
            if len(answer.read(MOST_ANSWER)) == MOST_ANSWER:
                self.connection.close()
            asked = answer.headers.get("retry-after") or ""
        except (OSError, http.client.HTTPException) as error:
            self.close()
            outcome.trouble, outcome.is_alarm = f"{type(error).__name__}: {error}", isinstance(error, ssl.SSLCertVerificationError)
            return 0, None
        return answer.status, min(float(asked), LONGEST_WAIT_S) if asked.isascii() and asked.isdigit() else None

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.close()
