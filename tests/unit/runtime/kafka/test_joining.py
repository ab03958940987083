"""A join that is answered with something that aiokafka does not know is asked for again, and not for ever."""

import pytest
from aiokafka import errors as kafka

from tocsin.runtime.kafka.transport import UNKNOWN_MAX, patient


class Group:
    """Answers to joins, in turn; the last one again and again."""

    def __init__(self, *answers: bool | Exception) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.troubles: list[BaseException] = []

    async def join(self, topics: str) -> bool:
        assert topics == "topics"
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_a_coordinator_that_still_loads_is_asked_again() -> None:
    loading = kafka.KafkaError(repr(kafka.GroupLoadInProgressError()))
    group = Group(loading, loading, False, True)
    join = patient(group.join, group.troubles.append, pause=0.0)
    assert [await join("topics") for _ in range(4)] == [False, False, False, True]
    assert group.troubles == [loading, loading]


async def test_what_aiokafka_knows_is_left_to_it() -> None:
    group = Group(kafka.GroupAuthorizationFailedError("group"))
    with pytest.raises(kafka.GroupAuthorizationFailedError):
        await patient(group.join, group.troubles.append, pause=0.0)("topics")
    assert (group.asked, group.troubles) == (1, [])


async def test_an_answer_that_stays_unknown_ends_it_aloud() -> None:
    group = Group(kafka.KafkaError("[Error -1]"))
    join = patient(group.join, group.troubles.append, pause=0.0)
    for _ in range(UNKNOWN_MAX):
        assert not await join("topics")
    with pytest.raises(kafka.KafkaError, match="Error -1"):
        await join("topics")
