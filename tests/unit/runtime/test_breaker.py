"""When a channel is given work: pace, patience, breaker."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from tocsin.notify.channel import Sent
from tocsin.runtime.breaker import FAILURES_MAX, PAUSE_LONGEST, PROBE_LONGEST, Breaker

T0 = datetime(2026, 11, 21, 12, tzinfo=UTC)
BAD = Sent("failed", "503 Service Unavailable")
GOOD = Sent("delivered", "200")


class Line:
    """A breaker with its time."""

    def __init__(self, per_second: float = 0.0) -> None:
        self.breaker = Breaker(per_second)
        self.at = 1000.0

    def send(self, sent: Sent, takes: float = 0.0) -> None:
        self.begin()
        self.at += takes
        self.end(sent)

    def begin(self) -> None:
        self.breaker.begins(self.at, self.now)

    def end(self, sent: Sent) -> None:
        self.breaker.ended(sent, self.at, self.now)

    def room(self) -> int:
        return self.breaker.room(self.at, 8)

    def waits(self) -> float:
        return self.breaker.waits(self.at)

    def pass_by(self, seconds: float) -> None:
        self.at += seconds

    @property
    def now(self) -> datetime:
        return T0 + timedelta(seconds=self.at)


def test_a_channel_without_a_pace_has_all_its_places() -> None:
    line = Line()
    for _ in range(100):
        line.send(GOOD)
    assert (line.room(), line.waits()) == (8, 0)


def test_a_pace_of_one_a_second_lets_one_go_each_second() -> None:
    line = Line(1.0)
    sent = []
    for _ in range(50):  # looked at five times a second for ten seconds
        for _ in range(line.room()):
            line.send(GOOD)
            sent.append(line.at)
        line.pass_by(0.2)
    assert 10 <= len(sent) <= 11
    assert min(later - sooner for sooner, later in pairwise(sent)) > 0.99


def test_the_wait_for_a_token_ends_when_it_says() -> None:
    line = Line(2.0)
    while line.room():
        line.send(GOOD)
    wait = line.waits()
    assert 0 < wait <= 0.5
    line.pass_by(wait)
    assert (line.room(), line.waits()) == (1, 0)


def test_what_was_not_sent_is_caught_up_with_for_one_second_only() -> None:
    line = Line(5.0)
    line.pass_by(3600)
    assert line.room() == 5


def test_a_receiver_that_asks_for_patience_pauses_the_channel() -> None:
    line = Line()
    line.send(Sent("failed", "429", retry_after_seconds=30))
    assert (line.breaker.looked_at(line.at, line.now), line.room(), line.waits()) == ("paused", 0, 30)
    line.pass_by(30)
    assert (line.breaker.looked_at(line.at, line.now), line.room()) == ("closed", 8)


def test_a_delivery_that_was_under_way_does_not_end_the_patience() -> None:
    line = Line()
    line.begin()
    line.send(Sent("failed", "429", retry_after_seconds=30))
    line.end(GOOD)
    assert line.waits() == 30


def test_patience_has_an_end() -> None:
    line = Line()
    line.send(Sent("failed", "429", retry_after_seconds=10**9))
    assert line.waits() == PAUSE_LONGEST
    line.send(Sent("failed", "429", retry_after_seconds=float("nan")))
    assert line.waits() == PAUSE_LONGEST


def test_failures_in_a_row_open_it_and_others_do_not() -> None:
    line = Line()
    for _ in range(FAILURES_MAX - 1):
        line.send(BAD)
    line.send(GOOD)
    for _ in range(FAILURES_MAX - 1):
        line.send(BAD)
    line.send(Sent("refused", "no such mailbox"))  # an answer
    for _ in range(FAILURES_MAX - 1):
        line.send(BAD)
    assert line.room() == 8
    line.send(BAD)
    assert (line.breaker.state, line.room()) == ("open", 0)
    assert line.breaker.error == BAD.detail


def test_an_open_one_lets_one_message_try_and_waits_longer_each_time() -> None:
    line = Line()
    for _ in range(FAILURES_MAX):
        line.send(BAD)
    waits = []
    for _ in range(8):
        waits.append(line.waits())
        line.pass_by(line.waits())
        assert line.room() == 1
        line.begin()
        assert (line.breaker.state, line.room()) == ("half_open", 0)
        line.pass_by(3)
        line.end(BAD)
    assert waits == [1, 2, 4, 8, 16, 30, 30, PROBE_LONGEST]
    assert line.breaker.down_at == 1000.0


def test_one_success_closes_it_and_the_next_outage_begins_anew() -> None:
    line = Line()
    for _ in range(2):
        for _ in range(FAILURES_MAX):
            line.send(BAD)
        assert line.waits() == 1
        line.pass_by(1)
        line.send(GOOD)
        assert (line.breaker.state, line.room(), line.breaker.down_at) == ("closed", 8, None)


def test_sends_that_were_under_way_when_it_opened_do_not_lengthen_the_pause() -> None:
    line = Line()
    for _ in range(20):
        line.begin()
    for _ in range(20):
        line.end(BAD)
    assert line.waits() == 1


def test_a_probe_that_is_cut_off_is_tried_again_at_once() -> None:
    line = Line()
    for _ in range(FAILURES_MAX):
        line.send(BAD)
    line.pass_by(1)
    line.begin()
    line.breaker.abandoned(line.at, line.now)
    assert (line.breaker.state, line.room()) == ("open", 1)


def test_a_login_that_is_denied_opens_it_and_one_message_at_a_time_tries_whether_it_was_mended() -> None:
    line = Line()
    for _ in range(FAILURES_MAX):
        line.send(Sent("denied", "535 wrong password"))
    assert (line.breaker.state, line.room()) == ("open", 0)
    line.pass_by(PROBE_LONGEST)
    assert line.room() == 1
    line.send(GOOD)
    assert (line.breaker.state, line.room()) == ("closed", 8)
