"""What Redis keeps of people and of writes: how long, and what is damaged."""

import pytest
from redis.client import Pipeline

from recsvc.errors import ErasedMeanwhileError, StoreUnavailableError
from recsvc.service.ports import Person
from recsvc.store.answers import KEPT_SECONDS, RedisAnswerStore
from recsvc.store.erasure import Erasure
from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema
from recsvc.store.people import RedisPeople

WHOLE = '{"home":{},"segments":[],"visitors":[],"updated":0}'


def test_what_is_set_of_a_person_stays(guarded: GuardedRedis, keys: KeySchema) -> None:
    """It has no lifetime, so full memory never evicts it."""
    RedisPeople(guarded, keys).put("8f2e", Person(segments=("vip",)), heeds=0)
    assert guarded.client.ttl(keys.person("8f2e")) == -1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        "{}",
        WHOLE.replace('"home":{}', '"home":{"planet":"mars"}'),
        WHOLE.replace('"home":{}', '"home":[]'),
        WHOLE.replace('"segments":[]', '"segments":7'),
        WHOLE.replace('"updated":0', '"updated":"today"'),
    ],
)
def test_damaged_person_is_an_error(guarded: GuardedRedis, keys: KeySchema, text: str) -> None:
    """What cannot be read is said, not taken for nothing; putting it anew mends it."""
    people = RedisPeople(guarded, keys)
    guarded.client.set(keys.person("8f2e"), text)
    with pytest.raises(StoreUnavailableError, match="damaged"):
        people.get("8f2e")
    with pytest.raises(StoreUnavailableError, match="damaged"):
        people.put("8f2e", Person(), Person(), heeds=0)
    people.put("8f2e", Person(segments=("vip",)), heeds=0)
    assert people.get("8f2e") == Person(segments=("vip",))


def test_who_is_erased_between_look_and_write_keeps_nothing(
    guarded: GuardedRedis, keys: KeySchema, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though nothing was kept of them before."""
    people = RedisPeople(guarded, keys)
    erasure = Erasure(guarded, keys, 60)
    multi = Pipeline.multi

    def overtaken(pipeline: Pipeline) -> None:
        erasure.forget("8f2e", 20)
        multi(pipeline)

    monkeypatch.setattr(Pipeline, "multi", overtaken)
    with pytest.raises(ErasedMeanwhileError, match="nothing was kept"):
        people.put("8f2e", Person(segments=("vip",)), Person(), heeds=19)
    assert people.get("8f2e") == Person()


def test_answers_are_kept_a_day_from_the_first(guarded: GuardedRedis, keys: KeySchema) -> None:
    """A repetition neither replaces an answer nor makes it live longer."""
    answers = RedisAnswerStore(guarded, keys)
    answers.put("0b5f", b"first")
    assert KEPT_SECONDS - 60 < guarded.client.ttl(keys.answer("0b5f")) <= KEPT_SECONDS
    guarded.client.expire(keys.answer("0b5f"), 100)
    answers.put("0b5f", b"second")
    assert guarded.client.ttl(keys.answer("0b5f")) <= 100
    assert answers.get("0b5f") == b"first"
