"""Everything a user can cause: a message, a remedy, and the exit code that goes with it."""

from __future__ import annotations

from collections.abc import Sequence

EXIT_OK, EXIT_BUG, EXIT_USAGE, EXIT_DATA, EXIT_MODEL = 0, 1, 2, 3, 4


class UserError(Exception):
    """A fault that the user can mend.

    Parameters
    ----------
    message : what is wrong, naming the file or setting.
    hint : what to do about it; may be empty.
    """

    exit_code = EXIT_USAGE

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(UserError):
    """A wrong option, setting or recipe (exit code 2)."""


class DataError(UserError):
    """Wrong, missing or unreadable data, or a disk that is full (exit code 3)."""

    exit_code = EXIT_DATA


class BusyError(DataError):
    """A folder that another process is writing into."""


class ImageError(DataError):
    """An image that is refused by the image door; the message names file and reason."""


class ModelError(UserError):
    """A model or weights file that cannot be used (exit code 4)."""

    exit_code = EXIT_MODEL


def some(names: Sequence[str], most: int = 5) -> str:
    """Return the first names, for a message; dots stand for the others."""
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
