"""Counts over several processes: never above the limit, and no place is lost."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tailrace import limits
from tailrace.net.process.board import (
    CELLS_FROM,
    COLUMNS_WORD,
    DIGESTS_FROM,
    SLOTS_WORD,
    Board,
    Row,
)
from tailrace.net.process.shared_count import SharedCount

PROCESSES = multiprocessing.get_context("fork")
WAIT_S = 30.0


@pytest.fixture(name="board")
def _board() -> Iterator[Board]:
    board = Board.create()
    yield board
    board.close()


def row_of(board: Board) -> Row:
    """A row that was free."""
    row = board.take_row(1)
    assert row is not None
    return row


@contextmanager
def processes(
    board: Board, count: int, work: Callable[..., None], *arguments: Any
) -> Iterator[Any]:
    """Run `work(row, …)` in processes of their own, each with a row; all must end well."""
    started = [
        PROCESSES.Process(target=work, args=(row_of(board), *arguments)) for _ in range(count)
    ]
    for process in started:
        process.start()
    yield
    for process in started:
        process.join(WAIT_S)
        assert process.exitcode == 0


def test_one_process_takes_what_there_is(board: Board) -> None:
    count = SharedCount(row_of(board), b"thing")

    assert [count.take(3) for _ in range(5)] == [True, True, True, False, False]
    assert count.total == 3
    count.leave()
    assert count.take(3)


def test_a_limit_counts_over_rows(board: Board) -> None:
    one, two = (SharedCount(row_of(board), b"thing") for _ in range(2))
    other = SharedCount(row_of(board), b"other")

    assert [one.take(3), two.take(3), one.take(3), two.take(3)] == [True, True, True, False]
    assert (one.total, two.total, other.total) == (3, 3, 0)
    assert other.take(1)


def test_a_lower_limit_refuses_until_enough_have_left(board: Board) -> None:
    """As after a reload: what is taken stays counted."""
    old, new = (SharedCount(row_of(board), b"thing") for _ in range(2))
    for _ in range(5):
        assert old.take(5)

    assert not new.take(2)
    for _ in range(4):
        old.leave()
    assert new.take(2)


def _storm(row: Row, most: int, inside: Any, highest: Any) -> None:
    count = SharedCount(row, b"thing")
    for _ in range(3_000):
        if count.take(most):
            with inside.get_lock():
                inside.value += 1
                highest.value = max(highest.value, inside.value)
            with inside.get_lock():
                inside.value -= 1
            count.leave()


@pytest.mark.parametrize("most", [1, 2, 5])
def test_there_are_never_more_than_the_limit(board: Board, most: int) -> None:
    """Four processes take and leave as fast as they can; a lock of the test's own counts them."""
    inside, highest = PROCESSES.Value("i", 0), PROCESSES.Value("i", 0)
    with processes(board, 4, _storm, most, inside, highest):
        pass

    assert highest.value <= most
    assert SharedCount(row_of(board), b"thing").total == 0


def _fill(row: Row, most: int, round_: Any, taken: Any) -> None:
    for turn in range(30):
        count = SharedCount(row, b"thing %d" % turn)
        round_.wait(WAIT_S)
        mine = sum(count.take(most) for _ in range(most))
        with taken.get_lock():
            taken[turn] += mine


def test_no_place_is_refused_in_vain(board: Board) -> None:
    """Four processes ask at the same time for more than there is: together they get all of it."""
    round_, taken = PROCESSES.Barrier(4), PROCESSES.Array("i", 30)
    with processes(board, 4, _fill, 50, round_, taken):
        pass

    assert list(taken) == [50] * 30


def _hold_and_lock(row: Row, is_ready: Any) -> None:
    count = SharedCount(row, b"thing")
    count.take(1)
    with count._lock((count._cells - CELLS_FROM) // limits.WORKER_SLOTS_MAX):
        is_ready.set()
        signal.pause()


def test_a_killed_process_leaves_neither_its_places_nor_a_lock(board: Board) -> None:
    is_ready = PROCESSES.Event()
    dead, alive = row_of(board), SharedCount(row_of(board), b"thing")
    process = PROCESSES.Process(target=_hold_and_lock, args=(dead, is_ready))
    process.start()
    assert is_ready.wait(WAIT_S)

    assert not alive.take(1), "a lock that is held for longer is not waited for"
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(WAIT_S)
    assert not alive.take(1), "the row is not cleared yet"
    dead.clear()

    assert alive.take(1)


# --- columns -------------------------------------------------------------------------------------


def claim_all(board: Board) -> None:
    """Give every column that was never claimed to something."""
    words = board.words
    for column in range(words[COLUMNS_WORD], limits.ROUTES_COUNTED_MAX):
        words[DIGESTS_FROM + column] = column + 1
    words[COLUMNS_WORD] = limits.ROUTES_COUNTED_MAX


def test_a_column_without_counts_gets_another_owner(board: Board) -> None:
    row = row_of(board)
    unused, used = SharedCount(row, b"unused"), SharedCount(row, b"used")
    assert unused.take(5)
    unused.leave()
    assert used.take(5)
    claim_all(board)

    others = [SharedCount(row, b"%d" % number) for number in range(3)]
    assert all(other.take(1) for other in others)

    assert used.take(2), "its own count is 1"
    assert not used.take(2)
    assert unused.total == 0, "it has a column again"
    assert unused.take(1)
    assert not unused.take(1)
    assert [other.total for other in others] == [1, 1, 1]


def test_without_a_free_column_nothing_is_taken(board: Board) -> None:
    row = row_of(board)
    claim_all(board)
    first = CELLS_FROM + row.slot
    for column in range(limits.ROUTES_COUNTED_MAX):
        board.words[first + column * limits.WORKER_SLOTS_MAX] = 1

    count = SharedCount(row, b"thing")

    assert not count.take(5)
    assert not count.has_column
    assert count.total == 0
    assert board.words[SLOTS_WORD] == 1
    assert not board.is_draining
    row.clear()  # the process that had all has ended
    assert count.take(5)
    assert count.has_column
