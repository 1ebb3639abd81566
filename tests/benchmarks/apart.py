"""Candidates in processes of their own: what one does to memory, threads or the compiler's caches does nothing to another's times."""

import gc
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from harness import Timing

from sra.core.progress import Progress

Turns = dict[str, Callable[[], object]]


@dataclass(frozen=True)
class Group:
    """One process. build(**options) runs in it and returns its candidates by name, and what can be compared after the turns, or nothing."""

    build: Callable[..., tuple[Turns, Callable[[], list[float] | None] | None]]
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of the one candidate that was given one; else empty."""
        return self.options.get("name", "")


@dataclass(frozen=True)
class Found:
    """times: of each candidate.  compared: what each group gave, in their order.  peak_bytes: of each group, libraries included."""

    times: dict[str, Timing]
    compared: list[list[float] | None]
    peak_bytes: list[int]


def take_turns_apart(groups: list[Group], turns: int, warm_up: int = 1, cuda: bool = False, repeats: int = 1) -> Found:
    """As harness.take_turns. Every process is built before the first turn, and waits while others take theirs.

    repeats: calls in a turn, whose mean is its time: on a GPU, where one call may be shorter than the wait for its end.
    On a GPU those that wait give back what memory they do not hold on to, and take it again in a call before the timed ones.
    """
    context = multiprocessing.get_context("spawn")
    served = []
    for group in groups:
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(there, group, cuda, repeats), daemon=True)
        process.start()
        there.close()
        served.append((process, here))
    try:
        named = [(pipe, name) for _, pipe in served for name in _answer(pipe)]
        seconds: dict[str, list[float]] = {name: [] for _, name in named}
        assert len(seconds) == len(named), f"two candidates have one name: {[name for _, name in named]}"
        with Progress("benchmark", (warm_up + turns) * len(named), "turns") as progress:
            for turn in range(warm_up + turns):
                for pipe, name in named:
                    pipe.send(name)
                    taken = _answer(pipe)
                    if turn >= warm_up:
                        seconds[name].append(taken)
                    progress.advance()
        ends = []
        for _, pipe in served:
            pipe.send(None)
            ends.append(_answer(pipe))
    finally:
        for process, _ in served:
            process.kill()
            process.join()
    return Found({name: Timing(tuple(taken)) for name, taken in seconds.items()}, *map(list, zip(*ends, strict=True)))


def _answer(pipe) -> Any:
    try:
        return pipe.recv()
    except EOFError:
        sys.exit("a candidate's process ended; what it printed says why")


def _serve(pipe, group: Group, cuda: bool, repeats: int) -> None:
    turns, compare = group.build(**group.options)
    pipe.send(list(turns))
    while name := pipe.recv():
        gc.collect()
        if cuda:
            turns[name]()
            torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(repeats):
            turns[name]()
        if cuda:
            torch.cuda.synchronize()
        taken = (time.perf_counter() - start) / repeats
        if cuda:
            torch.cuda.empty_cache()
        pipe.send(taken)
    peak = torch.cuda.max_memory_allocated() if cuda else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    pipe.send((compare() if compare else None, peak))
