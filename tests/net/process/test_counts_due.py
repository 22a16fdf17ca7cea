"""Counts since the last report, of processes that come and go."""

from __future__ import annotations

import random

from tailrace.net.process.board import SINCE_START, Board
from tailrace.net.process.counts_due import CountsDue


def test_what_is_taken_is_not_due_again() -> None:
    running = {"a": 3}
    due = CountsDue(lambda: running)

    first = due.take()
    running["a"] = 5
    second, third = due.take(), due.take()

    assert (first, second, third) == ({"a": 3}, {"a": 2}, {"a": 0})


def test_what_could_not_be_reported_is_due_again() -> None:
    due = CountsDue(lambda: {"a": 3})

    due.add(due.take())

    assert due.take() == {"a": 3}


def test_another_one_goes_on_with_what_is_kept() -> None:
    """A parent that becomes its new code."""
    running = {"a": 3}
    before = CountsDue(lambda: running)
    before.take()
    before.add({"b": 1})
    after = CountsDue(lambda: running)
    after.add(before.kept)
    running["a"] = 4

    assert after.take() == {"a": 1, "b": 1}


def test_no_order_of_counting_ending_and_reporting_loses_a_count_or_makes_one_negative() -> None:
    chance = random.Random(5)
    board = Board.create()
    due = CountsDue(lambda: {name: sum(board.column(name)) for name in SINCE_START})
    counted, reported, rows = 0, 0, []
    for _ in range(5_000):
        match chance.randrange(4):
            case 0 if len(rows) < 8:
                row = board.take_row(1)
                assert row is not None
                rows.append(row)
            case 1 if rows:
                chance.choice(rows)["completed"] += 1
                counted += 1
            case 2 if rows and chance.random() < 0.3:
                ended = rows.pop(chance.randrange(len(rows)))
                due.add({name: ended[name] for name in SINCE_START})
                ended.clear()
            case 3:
                taken = due.take()
                assert min(taken.values()) >= 0
                if chance.random() < 0.2:
                    due.add(taken)  # its line was lost
                else:
                    reported += taken["completed"]
    reported += due.take()["completed"]

    assert counted > 500
    assert reported == counted
    board.close()
