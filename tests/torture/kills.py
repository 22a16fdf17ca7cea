"""kill -9 of functions, emulator and gateway at random, under load whose bodies are checked."""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psutil
from tests.torture.world import WAIT_S, Load, World, ask, running, until

CLIENTS = [
    *[("/callback", "1.1")] * 6,
    *[("/stream", "1.1")] * 4,
    *[("/callback", "1.0")] * 4,
    *[("/stream", "1.0")] * 2,
]
"""What each client asks for, and in which version of HTTP; a body for 1.0 ends with a close."""
VICTIMS = (*["function"] * 5, *["gateway"] * 2, "emulator")
IN_BODY = 6
"""A kill waits until so many responses are in the middle of their bodies..."""
PAUSE_S = 0.3
"""... and then up to this long, so that it meets them anywhere."""


@dataclass(frozen=True, slots=True)
class KillResult:
    """How the requests ended, and what was killed how often."""

    seconds: float
    outcomes: Counter[str]
    kills: Counter[str]

    @property
    def lies(self) -> int:
        """Responses that looked whole and were not, or had bytes of another one."""
        return sum(count for outcome, count in self.outcomes.items() if outcome.isupper())


def kills(directory: Path, seconds: float, seed: int) -> KillResult:
    """Kill for so long, and each of the victims once at least.

    Raises AssertionError if the world does not recover, or leaves a process behind.
    """
    choose = random.Random(seed)
    deck: list[str] = []
    killed: Counter[str] = Counter()
    started_s = time.monotonic()
    with running(directory, pause_s=0.02) as world, Load(world.url, CLIENTS) as load:
        while time.monotonic() - started_s < seconds or killed.total() < len(VICTIMS):
            until(lambda: len(load.in_body) >= IN_BODY, "responses to be under way")
            time.sleep(choose.uniform(0, PAUSE_S))
            if not deck:
                deck = choose.sample(VICTIMS, len(VICTIMS))
            victim = deck.pop()
            _kill(world, victim, choose)
            killed[victim] += 1
        for prefix in ("/callback", "/stream"):
            until(lambda p=prefix: ask(world.url, f"{p}/end") == "complete", "a recovery")
    return KillResult(time.monotonic() - started_s, load.outcomes, killed)


def _kill(world: World, victim: str, choose: random.Random) -> None:
    if victim == "function":
        functions = world.emulator.children()
        if functions:
            choose.choice(functions).kill()
        return
    process = world.gateway if victim == "gateway" else world.emulator
    orphans = process.children()
    process.kill()
    process.start()
    _, left = psutil.wait_procs(orphans, WAIT_S)
    assert not left, f"functions outlive their emulator: {left}"
