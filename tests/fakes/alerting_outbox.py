"""An outbox in memory, and a client that answers as told, for tests in virtual time.

The outbox keeps the promises of the real one that the dispatcher leans on: leases, order per alarm
and endpoint. What both must do alike is in tests/contract/test_outbox_contract.py.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID, uuid5

from alerting.alarm import ALARM_NAMESPACE, Source
from alerting.errors import StoreUnavailableError
from alerting.outgoing import Attempted, Delivery, Reply
from alerting.retry import Step
from tests.fakes.alerting_values import T0


class LoopClock:
    """The event loop's time as time of day: virtual where the loop is."""

    def now_us(self) -> int:
        return T0 + round(asyncio.get_running_loop().time() * 1e6)


@dataclass
class Row:
    """One delivery."""

    delivery: Delivery
    due_us: int
    state: str = "pending"
    claimed_until_us: int = 0
    attempts: int = 0


@dataclass
class MemoryOutbox:
    """Deliveries in memory; ``down`` makes every call fail as without a database."""

    rows: list[Row] = field(default_factory=list)
    attempted: list[Attempted] = field(default_factory=list)
    accepted: dict[UUID, str] = field(default_factory=dict)
    down: bool = False
    busy_marks: int = 0
    escalations: list[int] = field(default_factory=list)  # due times
    wake: Callable[[], None] | None = None

    def add(self, endpoint: str, now_us: int, alarm: str = "a", sequence: int = 1) -> Delivery:
        """Enqueue a message."""
        alarm_id = uuid5(ALARM_NAMESPACE, alarm)
        delivery = Delivery(
            message_id=uuid5(ALARM_NAMESPACE, f"{alarm}/{sequence}"),
            endpoint=endpoint,
            alarm_id=alarm_id,
            sequence=sequence,
            type="hoistway.alarm.raised",
            body=f'{{"data": "{alarm} {sequence}"}}'.encode(),
            attempt=0,
            created_us=now_us,
            ended_us=None,
        )
        self.rows.append(Row(delivery, now_us))
        if self.wake is not None:
            self.wake()
        return delivery

    def _check(self) -> None:
        if self.down:
            raise StoreUnavailableError("down")

    async def resume(self, now_us: int) -> None:
        self._check()
        for row in self.rows:
            row.claimed_until_us = 0

    async def claim(
        self, endpoint: str, limit: int, now_us: int, lease_us: int
    ) -> Sequence[Delivery]:
        self._check()
        due = [r for r in self.rows if r.delivery.endpoint == endpoint and self._due(r, now_us)]
        claimed = sorted(due, key=lambda r: r.due_us)[:limit]
        for row in claimed:
            row.claimed_until_us = now_us + lease_us
            row.attempts += 1
        return [replace(r.delivery, attempt=r.attempts) for r in claimed]

    def _due(self, row: Row, now_us: int) -> bool:
        d = row.delivery
        earlier = any(
            r.state == "pending"
            and (r.delivery.alarm_id, r.delivery.endpoint) == (d.alarm_id, d.endpoint)
            and r.delivery.sequence < d.sequence
            for r in self.rows
        )
        free = row.claimed_until_us <= now_us
        return row.state == "pending" and row.due_us <= now_us and free and not earlier

    async def mark(self, attempted: Sequence[Attempted]) -> Sequence[Attempted]:
        self._check()
        if self.busy_marks:
            self.busy_marks -= 1
            return attempted
        for a in attempted:
            (row,) = (r for r in self.rows if r.delivery.key == a.delivery.key)
            row.claimed_until_us = 0
            row.due_us = a.next_us or 0
            row.state = {Step.DELIVERED: "delivered", Step.GIVE_UP: "given_up"}.get(
                a.step, "pending"
            )
        self.attempted += attempted
        return []

    async def escalate_due(self, now_us: int) -> int:
        self._check()
        due = [e for e in self.escalations if e <= now_us]
        self.escalations = [e for e in self.escalations if e > now_us]
        for at_us in due:
            self.add("http://two", now_us, f"escalated {at_us}")
        return len(due)

    async def hand_on_due(self, now_us: int) -> int:
        self._check()
        return 0

    async def listen(self, wake: Callable[[], None]) -> None:
        self._check()
        self.wake = wake
        wake()
        while True:
            self._check()
            await asyncio.sleep(1)

    async def accept_all(self, names: Mapping[UUID, str], now_us: int, source: Source) -> int:
        self._check()
        new = {k: v for k, v in names.items() if k not in self.accepted}
        self.accepted.update(new)
        return len(new)


@dataclass(frozen=True)
class Sent:
    """A POST that was made."""

    at_s: float
    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class FakeClient:
    """Answers by ``answer(url)``: a status, a ``Reply``, or None to hang."""

    answer: Callable[[str], int | Reply | None] = lambda _url: 200
    takes_s: float = 0.01
    sent: list[Sent] = field(default_factory=list)
    open: dict[str, int] = field(default_factory=dict)
    most_open: int = 0

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        self.sent.append(Sent(asyncio.get_running_loop().time(), url, headers, body))
        self.open[url] = self.open.get(url, 0) + 1
        self.most_open = max(self.most_open, self.open[url])
        try:
            answer = self.answer(url)
            if answer is None:
                await asyncio.Event().wait()
            await asyncio.sleep(self.takes_s)
            return answer if isinstance(answer, Reply) else Reply(status=answer)
        finally:
            self.open[url] -= 1

    def times(self, url: str = "") -> list[float]:
        """Return when POSTs to ``url`` started [s of the loop]."""
        return [round(s.at_s, 1) for s in self.sent if url in s.url]
