"""Counts of exchanges by their end, which are the same in logs and metrics."""

from __future__ import annotations

from collections.abc import MutableSequence

from tailrace.gateway.exchange.record import ExchangeRecord
from tailrace.net.process.board import ENDS, Row


class Ends:
    """An observer that counts each exchange once, and the bytes that it has relayed.

    A worker counts in its row, where its parent finds the counts even if the worker is killed.
    """

    __slots__ = ("_first", "_words")

    def __init__(self, row: Row | None) -> None:
        self._words: MutableSequence[int] | memoryview[int] = [0] * len(ENDS)
        self._first = 0
        if row is not None:
            self._words, self._first = row.board.words, row.place(ENDS[0])

    def __call__(self, record: ExchangeRecord) -> None:
        """Count an exchange: as `failed` if its log line is a warning."""
        words, first = self._words, self._first
        place = first + (record.outcome == "client-left") if record.is_good else first + 2
        words[place] += 1
        if record.bytes_relayed:
            words[first + 3] += record.bytes_relayed

    def counts(self) -> dict[str, int]:
        """Return the counts since the start, by the board's names."""
        words = self._words[self._first : self._first + len(ENDS)]
        return dict(zip(ENDS, words, strict=True))
