"""What can go wrong because of what a user gave us.

DynstError            one clear sentence: what was expected, what came, where, and the remedy
├── DataError         a sensor store, or a source that should become one
├── ConfigError       a job, a schedule, a model option
├── ArtifactError     a saved model
├── CheckpointError   the state of a training that was interrupted
└── DivergedError     a training whose error is no number any more
"""

__all__ = [
    "ArtifactError",
    "CheckpointError",
    "ConfigError",
    "DataError",
    "DivergedError",
    "DynstError",
    "in_one_line",
]


class DynstError(Exception):
    """Base of all errors that a user can mend; the command line prints it and exits with code 2.

    Its text is one line: what a file, a name or a library puts into it cannot break it, nor control
    a terminal.
    """

    def __str__(self) -> str:
        return _printable(super().__str__())


class DataError(DynstError):
    """A sensor store, or a source of readings, is not what it should be."""


class ConfigError(DynstError):
    """A setting of a job, a schedule, or a model is out of its range or contradicts another."""


class ArtifactError(DynstError):
    """A saved model is absent, incomplete, or of another format version."""


class CheckpointError(DynstError):
    """A checkpoint is of another format version, of another job, or damaged with none left before
    it.
    """


class DivergedError(DynstError):
    """The loss of a training, or its error on the validation part, is infinite or no number."""


def _printable(text: str) -> str:
    """A text whose line breaks are blanks, and whose other invisible characters are escaped."""
    line = " ".join(text.splitlines()) if "\n" in text else text
    if line.isprintable():
        return line
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in line
    )


def in_one_line(error: BaseException) -> str:
    """What another library says of its error, for a sentence of ours: without line breaks, and
    never empty.
    """
    return " ".join(str(error).split()) or type(error).__name__
