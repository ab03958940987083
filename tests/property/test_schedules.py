"""Schedules and calendars against a reference that walks real time, around changes of clocks and anywhere else.

The reference decides each instant by itself from the latest reading that the wall clock has shown: it knows no turns,
no boundaries and no stretches.
"""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain import wall
from tocsin.domain.rules import Calendar, Layer, Override, Restriction, Rules, Schedule, User
from tocsin.domain.rules.directory import Absence
from tocsin.domain.schedule import calendar, on_call_at, shifts
from tocsin.domain.schedule.shifts import whole_shifts

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
STEP = timedelta(minutes=30)
USERS = ("ana", "bo", "cyd")
ANCHORS = (
    ("Europe/London", datetime(2026, 3, 29, 1, tzinfo=UTC)),
    ("Europe/London", datetime(2026, 10, 25, 1, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, 6, tzinfo=UTC)),
    ("America/Havana", datetime(2025, 11, 2, 5, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
    ("Asia/Beirut", datetime(2025, 3, 29, 22, tzinfo=UTC)),
    ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),
    ("Asia/Kathmandu", datetime(2026, 1, 1, tzinfo=UTC)),
)

times = st.integers(0, 47).map(lambda half: f"{half // 2:02}:{half % 2 * 30:02}")
restrictions = st.lists(
    st.builds(
        Restriction,
        days=st.lists(st.integers(0, 6), max_size=3).map(tuple),
        start=times,
        end=times | st.just("24:00"),
    ),
    max_size=3,
).map(tuple)


def half_hours(around: datetime, days: int) -> st.SearchStrategy[datetime]:
    return st.integers(-48 * days, 48 * days).map(lambda steps: around + STEP * steps)


@st.composite
def layers(draw: st.DrawFn, zone: str, around: datetime) -> Layer:
    reading = draw(half_hours(around, 3)).astimezone(wall.zone(zone)).replace(tzinfo=None) - DAY * draw(
        st.sampled_from((0, 30))
    )
    until = reading + DAY * draw(st.integers(1, 40))
    return Layer(
        users=tuple(draw(st.lists(st.sampled_from(USERS), min_size=1, max_size=4))),
        starts_at=f"{reading:%Y-%m-%dT%H:%M}",
        length=draw(st.integers(1, 3)),
        unit=draw(st.sampled_from(("hour", "day", "week"))),
        restrictions=draw(restrictions),
        until=draw(st.sampled_from(("", f"{until:%Y-%m-%dT%H:%M}"))),
    )


@st.composite
def stories(draw: st.DrawFn) -> tuple[Rules, datetime]:
    """Rules with the schedules `ops` and its backup `second`, and an instant around which things happen."""
    zone, around = draw(st.sampled_from(ANCHORS))

    def schedule(backup: str) -> Schedule:
        return Schedule(time_zone=zone, layers=tuple(draw(st.lists(layers(zone, around), max_size=3))), backup=backup)

    def pair() -> tuple[datetime, datetime]:
        begin = draw(half_hours(around, 2))
        return begin, begin + STEP * draw(st.integers(1, 60))

    overrides = {}
    for number in range(draw(st.integers(0, 4))):
        begin, end = pair()
        overrides[f"o{number}"] = Override(
            schedule=draw(st.sampled_from(("ops", "ops", "second"))),
            user=draw(st.sampled_from(USERS)),
            start=begin,
            end=end,
            made_at=BEFORE + HOUR * draw(st.integers(0, 2)),
            replaces=draw(st.sampled_from(("", "", *USERS))),
        )
    users = {
        name: User(away=tuple(Absence(start=a, end=b) for a, b in (pair() for _ in range(draw(st.integers(0, 2))))))
        for name in USERS
    }
    backup = draw(st.sampled_from(("", "second", "ops", "nowhere")))
    rules = Rules(
        schedules={"ops": schedule(backup), "second": schedule(draw(st.sampled_from(("", "ops"))))},
        overrides=overrides,
        users=users,
    )
    return rules, around


BEFORE = datetime(2011, 1, 1, tzinfo=UTC)


class Reference:
    """Who is on duty, decided instant by instant."""

    def __init__(self, rules: Rules, first: datetime) -> None:
        self.rules = rules
        self.latest: dict[str, datetime] = {}
        self.at = first - 2 * DAY

    def ask(self, at: datetime) -> str:
        while self.at <= at:
            for schedule in self.rules.schedules.values():
                shown = self.at.astimezone(wall.zone(schedule.time_zone)).replace(tzinfo=None)
                self.latest[schedule.time_zone] = max(self.latest.get(schedule.time_zone, shown), shown)
            self.at += STEP
        return self.duty("ops", at, ())

    def away(self, user: str, at: datetime) -> bool:
        return any(one.start <= at < one.end for one in self.rules.users[user].away)

    def duty(self, name: str, at: datetime, asked: tuple[str, ...]) -> str:
        schedule = self.rules.schedules.get(name)
        if schedule is None or name in asked:
            return ""
        user, planned = "", ""
        for layer in reversed(schedule.layers):
            turn = self.turn(layer, schedule.time_zone, at)
            if turn is None or user:
                continue
            order = [layer.users[(turn + step) % len(layer.users)] for step in range(len(layer.users))]
            planned = planned or order[0]
            user = next((one for one in order if not self.away(one, at)), "")
        mine = [(one.made_at, key, one) for key, one in self.rules.overrides.items() if one.schedule == name]
        for _, _, override in sorted(mine, key=lambda one: one[:2]):
            if not override.start <= at < override.end or self.away(override.user, at):
                continue
            if not override.replaces or override.replaces in (user, planned):
                user = planned = override.user
        return user or self.duty(schedule.backup, at, (*asked, name))

    def turn(self, layer: Layer, zone: str, at: datetime) -> int | None:
        latest = self.latest[zone]
        begin = datetime.fromisoformat(layer.starts_at)
        if latest < begin or (layer.until and latest >= datetime.fromisoformat(layer.until)):
            return None
        if layer.restrictions and not any(restricted(one, latest) for one in layer.restrictions):
            return None
        if layer.unit == "hour":
            since = wall.instant_of(begin, wall.zone(zone))
            return (at - since) // (HOUR * layer.length)
        return (latest - begin) // (DAY * layer.length * (7 if layer.unit == "week" else 1))


def restricted(one: Restriction, latest: datetime) -> bool:
    first, last = wall.minutes_of(one.start), wall.minutes_of(one.end)
    for day in (latest.date() - DAY, latest.date()):
        begin = datetime.combine(day, datetime.min.time())
        start = begin + MINUTE * first
        end = begin + MINUTE * last + (DAY if last <= first else timedelta(0))
        if start <= latest < end and (not one.days or day.weekday() in one.days):
            return True
    return False


@given(stories())
def test_the_schedule_is_what_the_reference_says(story: tuple[Rules, datetime]) -> None:
    rules, around = story
    start, end = around - 2 * DAY, around + 2 * DAY
    reference = Reference(rules, start)
    found = list(shifts("ops", rules, start, end))
    place = 0
    for step in range(int((end - start) / STEP)):
        at = start + STEP * step
        while found[place].end <= at:
            place += 1
        assert found[place].user == reference.ask(at), at


@given(stories(), st.integers(-3 * 86400, 3 * 86400), st.integers(1, 6 * 86400))
def test_shifts_tile_and_agree_with_each_instant(story: tuple[Rules, datetime], offset: int, length: int) -> None:
    rules, around = story
    start = around + timedelta(seconds=offset)
    end = start + timedelta(seconds=length)
    found = list(shifts("ops", rules, start, end))
    assert (found[0].start, found[-1].end) == (start, end)
    for one, following in zip(found, [*found[1:], None], strict=True):
        assert one.start < one.end
        assert following is None or one.end == following.start
        for at in (one.start, one.start + (one.end - one.start) / 3, one.end - timedelta(microseconds=1)):
            answer = on_call_at("ops", rules, at)
            assert (answer.users, answer.by, answer.source) == ((one.user,) * bool(one.user), one.by, one.source)
            assert answer.until is None or answer.until > at
            for user in answer.users:
                assert not any(gone.start <= at < gone.end for gone in rules.users[user].away)


@given(stories(), st.integers(0, 3 * 86400))
def test_nothing_changes_before_until(story: tuple[Rules, datetime], offset: int) -> None:
    rules, around = story
    at = around - DAY + timedelta(seconds=offset)
    answer = on_call_at("ops", rules, at)
    last = answer.until or at + 900 * DAY
    for part in range(1, 8):
        between = at + (last - at) / 8 * part
        if between < last:
            assert on_call_at("ops", rules, between) == answer


@given(stories(), st.integers(0, 40))
def test_a_whole_shift_does_not_depend_on_where_one_looks(story: tuple[Rules, datetime], hours: int) -> None:
    rules, around = story
    wide = whole_shifts("ops", rules, around - 3 * DAY, around + 3 * DAY)
    near = whole_shifts("ops", rules, around + HOUR * hours, around + HOUR * (hours + 5))
    outer = {(one.user, one.start, one.end) for one in wide}
    reach = timedelta(days=8)
    assert {(one.user, one.start, one.end) for one in near if one.end - one.start < reach} <= outer


@st.composite
def calendars(draw: st.DrawFn) -> tuple[Calendar, datetime]:
    zone, around = draw(st.sampled_from(ANCHORS))
    holidays = [around.date() + DAY * draw(st.integers(-3, 3)) for _ in range(draw(st.integers(0, 3)))]
    return Calendar(time_zone=zone, hours=draw(restrictions), holidays=tuple(holidays)), around


def open_by_hand(asked: Calendar, latest: datetime) -> bool:
    for day in (latest.date() - DAY, latest.date()):
        if day in asked.holidays or latest.date() in asked.holidays:
            continue
        midnight = datetime.combine(day, datetime.min.time())
        for one in asked.hours or (Restriction(),):
            first, last = wall.minutes_of(one.start), wall.minutes_of(one.end)
            end = midnight + MINUTE * last + (DAY if last <= first else timedelta(0))
            if midnight + MINUTE * first <= latest < end and (not one.days or day.weekday() in one.days):
                return True
    return False


@given(calendars())
def test_a_calendar_is_open_when_the_reference_says(story: tuple[Calendar, datetime]) -> None:
    asked, around = story
    place = wall.zone(asked.time_zone)
    latest = datetime.min
    at = around - 3 * DAY
    while at < around + 2 * DAY:
        latest = max(latest, at.astimezone(place).replace(tzinfo=None))
        if at >= around - 2 * DAY:
            assert calendar.open_at(asked, at) == open_by_hand(asked, latest), at
        at += STEP


@given(calendars(), st.integers(0, 72), st.integers(1, 40))
def test_open_time_adds_up(story: tuple[Calendar, datetime], offset: int, half_hours: int) -> None:
    asked, around = story
    since = around - DAY + HOUR * offset
    open_time = STEP * half_hours
    due = calendar.due_after(asked, since, open_time)
    assert calendar.open_between(asked, since, due) == open_time
    assert calendar.open_at(asked, due - timedelta(microseconds=1))
    middle = since + (due - since) / 2
    whole = calendar.open_between(asked, since, middle) + calendar.open_between(asked, middle, due)
    assert whole == open_time


@given(calendars(), st.integers(0, 72))
def test_nothing_changes_before_the_next_change(story: tuple[Calendar, datetime], offset: int) -> None:
    asked, around = story
    at = around - DAY + HOUR * offset
    is_open = calendar.open_at(asked, at)
    change = calendar.next_change(asked, at)
    if change is not None:
        assert change > at
        assert calendar.open_at(asked, change) != is_open
    last = change or at + 40 * DAY
    assert calendar.open_between(asked, at, last) == (last - at if is_open else timedelta(0))
