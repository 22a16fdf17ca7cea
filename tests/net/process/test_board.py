"""Counters in shared memory: what one process counts, others read."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tailrace import limits
from tailrace.net.process.board import ACCEPTING, COUNTS, Board

COUNTING = """
import sys
from tailrace.net.process.board import ACCEPTING, Board
board = Board(int(sys.argv[1]))
row = board.row(int(sys.argv[2]))
row["held"] += 3
row["state"] = ACCEPTING
"""


def test_what_another_process_counts_is_seen_here() -> None:
    board = Board.create()
    row = board.take_row(generation=7)
    assert row is not None
    arguments = [sys.executable, "-c", COUNTING, str(board.descriptor), str(row.slot)]
    subprocess.run(arguments, check=True, pass_fds=[board.descriptor], timeout=30)
    counts = row.counts()
    assert (counts["held"], counts["state"], counts["generation"]) == (3, ACCEPTING, 7)
    assert list(counts) == list(COUNTS)
    board.close()


def test_a_cleared_row_is_free_and_can_be_taken_again() -> None:
    board = Board.create()
    rows = [board.take_row(1) for _ in range(limits.WORKER_SLOTS_MAX)]
    assert None not in rows
    assert board.take_row(1) is None, "all are taken"
    assert rows[5] is not None
    rows[5]["held"] = 9
    rows[5].clear()
    assert sum(1 for _ in board.rows()) == limits.WORKER_SLOTS_MAX - 1
    again = board.take_row(2)
    assert again is not None
    assert (again.slot, again["held"]) == (5, 0)
    board.close()


def test_the_node_drains_for_all_who_map_the_table() -> None:
    board = Board.create()
    other = Board(os.dup(board.descriptor))
    board.is_draining = True
    assert other.is_draining
    other.close()
    board.close()


def test_a_table_of_another_layout_is_refused() -> None:
    """New code may not count into what old code has laid out."""
    board = Board.create()
    board.words[4] = 99
    with pytest.raises(OSError, match="start the gateway anew"):
        Board(board.descriptor)
    os.truncate(other := os.memfd_create("short"), 4096)
    with pytest.raises(OSError, match="start the gateway anew"):
        Board(other)
    os.close(other)
    board.close()
