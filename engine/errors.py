"""Typed errors. Each message is one line that names what was wrong, where, and what to do next.

A face (command line, screen) prints the message as it is and leaves with `exit_code`.
"""

from __future__ import annotations


class ConvtuiError(Exception):
    """A failure that a person can act on; its text is written for that person."""

    exit_code = 1


class UsageError(ConvtuiError):
    """The command, or a name in it, was wrong; nothing was started."""

    exit_code = 2


class CodeError(UsageError):
    """The code of a person's own net cannot be used: it was not named, is not there, fails, or is of another net."""


class SpecError(UsageError):
    """A hyperparameter has a value that it cannot have, or does not exist."""


class DataError(UsageError):
    """A dataset is damaged, empty or unsafe to read."""


class DataUnavailable(DataError):
    """A dataset is neither on disk nor to be had over the network."""


class NotApplicable(UsageError):
    """A view has no meaning for this net, layer or run; says why, and what would serve."""


class DeviceError(UsageError):
    """A device that is not there, or cannot do what was asked of it."""


class RunNotFound(UsageError):
    """No run answers to this id, name or prefix."""


class RunBusy(UsageError):
    """The run is not in a state that allows what was asked."""


class StoreError(ConvtuiError):
    """The store cannot be opened, read or written."""


class StoreTooNew(StoreError):
    """The store was written by a newer convtui; it is left untouched."""

    exit_code = 2


class CheckpointError(ConvtuiError):
    """A checkpoint is missing, damaged or belongs to another net."""
