"""Names of lists that are made ahead."""

import os
from concurrent.futures import ThreadPoolExecutor

from recsvc.core.recommendation_id import ListOrigin, Surface, read_recommendation_id
from recsvc.service.list_names import ListNames

TIME = 1_775_000_000
ORIGIN = ListOrigin(Surface.RECOMMEND, TIME)


def test_each_list_has_a_name_of_its_own_origin() -> None:
    """Surface, experiment and second, asked for in turns, and one second again after the next."""
    origins = [
        ORIGIN,
        ListOrigin(Surface.SIMILAR, TIME),
        ListOrigin(Surface.RECOMMEND, TIME, 7, 1),
        ListOrigin(Surface.RECOMMEND, TIME, 7, 2),
        ListOrigin(Surface.RECOMMEND, TIME + 1),
    ]
    asked = [origin for origin in origins for _ in range(40)] + origins * 40
    names = ListNames()
    given = [names.take(origin) for origin in asked]
    assert [read_recommendation_id(name) for name in given] == asked
    assert len(set(given)) == len(asked)


def test_threads_are_given_names_of_their_own() -> None:
    """Those of one second, all at once."""
    names = ListNames()
    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(names.take, [ORIGIN] * 20_000))
    assert len(set(given)) == 20_000


def test_a_fork_is_given_names_of_its_own() -> None:
    """What was made ahead before it is not given out on both sides."""
    names = ListNames()
    before = [names.take(ORIGIN) for _ in range(8)]
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, names.take(ORIGIN).encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reading, 32).decode()
    os.close(reading)
    os.close(writing)
    assert read_recommendation_id(theirs) == ORIGIN
    assert theirs not in {*before, *(names.take(ORIGIN) for _ in range(300))}
