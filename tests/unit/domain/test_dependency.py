"""What a service needs and what needs it."""

from tocsin.domain.dependency import DISTANCE_MAX, NEIGHBOURS_MAX, downstream, upstream
from tocsin.domain.rules import Service

SERVICES = {
    "shop": Service(depends_on=("cart", "login")),
    "cart": Service(depends_on=("db",)),
    "login": Service(depends_on=("db", "mail")),
    "db": Service(depends_on=("cart",)),
}


def test_what_is_needed_comes_with_its_distance_nearest_first() -> None:
    assert list(upstream("shop", SERVICES).items()) == [("cart", 1), ("login", 1), ("db", 2), ("mail", 2)]
    assert upstream("mail", SERVICES) == {}


def test_what_needs_a_service() -> None:
    assert downstream("mail", SERVICES) == {"login": 1, "shop": 2}
    assert downstream("db", SERVICES) == {"cart": 1, "login": 1, "shop": 2}


def test_a_circle_ends_where_it_began() -> None:
    assert upstream("db", SERVICES) == {"cart": 1}
    assert upstream("self", {"self": Service(depends_on=("self",))}) == {}


def test_neither_depth_nor_number_is_without_end() -> None:
    chain = {f"s{n}": Service(depends_on=(f"s{n + 1}",)) for n in range(50)}
    assert len(upstream("s0", chain)) == DISTANCE_MAX
    star = {"hub": Service(depends_on=tuple(f"s{n}" for n in range(1000)))}
    assert len(upstream("hub", star)) == NEIGHBOURS_MAX
