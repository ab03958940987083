"""One token in a loop does not take the intake from the others."""

from itertools import count
from types import SimpleNamespace

import httpx
import pytest

from tocsin.api import gate as gate_module
from tocsin.api.gate import Gate
from tocsin.api.rate import BURST, Rates
from unit.api.test_gate import GUARDED, TOKEN, who


def test_a_bucket_empties_and_fills_at_its_rate() -> None:
    rates = Rates(per_second=2, burst=3)
    assert [rates.take("one", 10) for _ in range(4)] == [True, True, True, False]
    assert rates.take("two", 10)
    assert [rates.take("one", 10.5) for _ in range(2)] == [True, False]
    assert [rates.take("one", 1000) for _ in range(4)] == [True, True, True, False]


async def test_too_many_requests_of_a_token_are_put_off_and_others_come_in(monkeypatch: pytest.MonkeyPatch) -> None:
    times = count(0, 0.001)  # a request a millisecond, however long it really takes
    monkeypatch.setattr(gate_module, "time", SimpleNamespace(monotonic=lambda: next(times)))
    gate = Gate(who, settings=GUARDED)
    transport = httpx.ASGITransport(gate)
    answers = []
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:9393") as client:
        mine = {"authorization": f"Bearer {TOKEN}"}
        while len(answers) < 2 * BURST and (not answers or answers[-1].status_code == 200):
            answers.append(await client.get("/api/alerting", headers=mine))
        other = await client.get("/api/alerting", headers={"authorization": "Bearer tocsin_other"})
    assert len(answers) > BURST
    assert (answers[-1].status_code, answers[-1].headers["retry-after"]) == (503, "1")
    assert other.status_code == 200
