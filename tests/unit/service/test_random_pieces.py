"""Random bytes that are drawn for many at once."""

import os

from recsvc.service.random_pieces import RandomPieces


def test_no_piece_is_given_twice() -> None:
    """Nor a part of another one."""
    pieces = RandomPieces(8)
    given = [pieces.take() for _ in range(1_000)]
    assert {len(piece) for piece in given} == {8}
    assert len(set(given)) == 1_000
    assert len({piece[:4] for piece in given} | {piece[4:] for piece in given}) == 2_000


def test_a_fork_is_given_pieces_of_its_own() -> None:
    """What was drawn before is not given out on both sides."""
    pieces = RandomPieces(8)
    pieces.take()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, pieces.take() + pieces.take())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reading, 16)
    os.close(reading)
    os.close(writing)
    assert len(theirs) == 16
    assert {theirs[:8], theirs[8:]}.isdisjoint(pieces.take() for _ in range(300))
