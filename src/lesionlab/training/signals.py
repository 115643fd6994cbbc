"""Ctrl-C and SIGTERM: the first asks the run to save and leave, a second Ctrl-C leaves at once."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType


class RunStoppedError(Exception):
    """The run was asked to stop and has saved its checkpoint; `exit_code` is 130 or 143."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by signal {number}")
        self.exit_code = 128 + number


class StopRequest:
    """While entered, turns SIGINT and SIGTERM into a request that `check` honours between two steps."""

    def __init__(self) -> None:
        self.number = 0
        self._before: dict[int, object] = {}

    @property
    def requested(self) -> bool:
        """Whether a signal has come."""
        return self.number != 0

    def check(self) -> None:
        """Raise `RunStoppedError` when a signal has come."""
        if self.number:
            raise RunStoppedError(self.number)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.number = number
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    def __enter__(self) -> StopRequest:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
