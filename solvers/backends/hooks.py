"""How a running solver talks back: new incumbents, new bounds, and an orderly stop on Ctrl-C."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: Seconds between two looks at what the solver's thread has reported.
POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Hooks:
    """What to call while a backend runs; both are called in the caller's own thread.

    Parameters
    ----------
    on_incumbent : callable, optional
        ``on_incumbent(x, objective)`` for every better vector.
    on_bound : callable, optional
        ``on_bound(bound)`` for every better lower bound on the model's objective.
    """

    on_incumbent: Callable[[Floats, float], None] | None = None
    on_bound: Callable[[float], None] | None = None


@dataclass(slots=True)
class Runner:
    """Runs a solver in a thread of its own, so that signals and reports reach the caller's.

    The solver's callbacks put reports into `incumbent` and `bound`; they must look at `stopped`
    and end the solve once it is set.
    """

    hooks: Hooks
    stopped: threading.Event = field(default_factory=threading.Event)
    interrupted: bool = False
    _reports: queue.SimpleQueue[tuple[Floats | None, float]] = field(
        default_factory=queue.SimpleQueue
    )
    _best_bound: float = float("-inf")

    def incumbent(self, x: Floats, objective: float) -> None:
        """Report a vector from the solver's thread."""
        self._reports.put((x, objective))

    def bound(self, value: float) -> None:
        """Report a lower bound from the solver's thread, where it is a new one."""
        if value > self._best_bound:
            self._best_bound = value
            self._reports.put((None, value))

    def run(self, work: Callable[[], None], stop: Callable[[], None] | None = None) -> None:
        """Run `work` to its end; a first Ctrl-C stops it in order, a second one is raised.

        Parameters
        ----------
        work : callable
            The blocking solve; it must let go of the interpreter lock.
        stop : callable, optional
            Called once, beside setting `stopped`, to end the solve early.
        """
        failures: list[BaseException] = []
        # Not the thread's own state: an interrupted Thread.join() takes a live thread for dead.
        ended = threading.Event()

        def guarded() -> None:
            try:
                work()
            except BaseException as error:  # handed to the caller's thread below
                failures.append(error)
            finally:
                ended.set()

        def halt() -> None:
            self.stopped.set()
            if stop is not None:
                stop()

        thread = threading.Thread(target=guarded, daemon=True)
        thread.start()
        while True:
            try:
                done = ended.wait(POLL_S)
                self.deliver()
                if done:
                    break
            except KeyboardInterrupt:
                if self.interrupted:
                    raise
                self.interrupted = True
                halt()
            except BaseException:
                halt()
                ended.wait()
                raise
        if failures:
            raise failures[0]

    def deliver(self) -> None:
        """Hand what the solver's thread has reported to the hooks."""
        while not self._reports.empty():
            x, value = self._reports.get()
            if x is None:
                if self.hooks.on_bound is not None:
                    self.hooks.on_bound(value)
            elif self.hooks.on_incumbent is not None:
                self.hooks.on_incumbent(x, value)
