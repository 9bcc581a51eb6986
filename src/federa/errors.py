"""What can go wrong, as a small tree; every message is one line that names what is allowed."""


class FederaError(Exception):
    """Something the user can mend; the command line prints it and exits with ``exit_code``."""

    exit_code = 2

    def __init__(self, message: str) -> None:
        # keys, names and other libraries' messages may hold line ends and control characters
        printable = "".join(letter if letter.isprintable() else " " for letter in message)
        super().__init__(" ".join(printable.split()))


class ConfigError(FederaError):
    """A key or value of the configuration is wrong."""


class DataError(FederaError):
    """A data file is missing, unreadable or does not hold what it should."""


class ModelError(FederaError):
    """A pre-trained model cannot be found, loaded or used as asked."""


class RunError(FederaError):
    """A run folder is missing, taken, damaged or cannot be written."""


class ClientError(FederaError):
    """Too few clients of a round returned a usable update."""

    exit_code = 1
