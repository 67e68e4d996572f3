"""Progress of a long solve on stderr: one line that renews itself, or a few lines in a log."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from ..formulations.partition.outcome import Watch

#: Seconds of silence at the start, between two renewals on a terminal, between two lines of a log.
QUIET_S, TERMINAL_S, LOG_S = 1.0, 0.2, 10.0


class Progress:
    """Shows what a solve has reached, from a thread of its own so that silence shows as well.

    Parameters
    ----------
    stream : TextIO
    show : callable
        Formats an objective value.
    enabled : bool
    """

    def __init__(self, stream: TextIO, show: Callable[[float], str], *, enabled: bool = True):
        self._stream, self._show = stream, show
        self._terminal = bool(getattr(stream, "isatty", lambda: False)())
        self._watch: Watch | None = None
        self._started = time.perf_counter()
        self._done = threading.Event()
        self._width = 0
        self._thread = threading.Thread(target=self._tell, daemon=True) if enabled else None

    def update(self, watch: Watch) -> None:
        """Remember the running watch (a solve calls this at each improvement)."""
        self._watch = watch

    def __enter__(self) -> Progress:
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join()
            if self._width:
                self._write(f"\r{' ' * self._width}\r")

    def line(self) -> str:
        """What is known now, in one line."""
        parts = [f"{time.perf_counter() - self._started:.0f} s"]
        watch = self._watch
        if watch is None or not math.isfinite(watch.objective):
            parts.append("no plan yet")
        else:
            parts.append(f"plan {self._show(watch.objective)}")
        if watch is not None and math.isfinite(watch.bound):
            parts.append(f"bound {self._show(watch.bound)}")
            if math.isfinite(watch.gap):
                parts.append(f"gap {watch.gap:.2%}")
        return f"orbweave: {', '.join(parts)} (Ctrl-C takes the best so far)"

    def _tell(self) -> None:
        pause = QUIET_S
        while not self._done.wait(pause):
            line = self.line()
            if self._terminal:
                self._write(f"\r{line.ljust(self._width)}")
                self._width = max(self._width, len(line))
                pause = TERMINAL_S
            else:
                self._write(f"{line}\n")
                pause = LOG_S

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # a closed stderr must not end a solve
            self._stream.write(text)
            self._stream.flush()
