"""The one family of errors that charnn raises: what is wrong, with which thing, and the remedy, in one line."""


class CharnnError(Exception):
    """A failure of the machine (disk, memory, permissions) or of the run. The message is one line."""

    exit_code = 1


class InputError(CharnnError):
    """Bad usage or bad input: a missing file, an impossible option, an occupied folder."""

    exit_code = 2


class ModelFileError(InputError):
    """A model file that is missing, damaged or not one of ours."""


class CorpusError(InputError):
    """A corpus that is missing, too short, not UTF-8, or no longer the one a run began with."""


class UnknownCharacterError(InputError):
    """A character that the model never saw, named with its code point and place; of pairs it is a symbol."""

    def __init__(self, message: str, character: str) -> None:
        super().__init__(message)
        self.character = character


class DivergedError(CharnnError):
    """Training diverged again and again; the best model so far is kept."""


class InterruptedRunError(CharnnError):
    """A signal ended the run after its state was saved. `exit_code` is 128 + the signal's number."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number


class LostProcessError(CharnnError):
    """Of several processes that train together another is gone, or none of them can reach it."""


class FollowedError(LostProcessError):
    """Another process ended the run and said why; this one says nothing. Its exit code is that one's."""

    def __init__(self, exit_code: int) -> None:
        super().__init__("")
        self.exit_code = exit_code
