"""The app's log: `log.info("read", rows=12)`. Never a password: the host redacts only the secrets it knows."""

from . import _host


def _emit(level: str, message: str, fields: dict[str, object]) -> None:
    _host.log.emit(getattr(_host.log.Level, level), message, [(name, str(value)) for name, value in fields.items()])


def debug(message: str, **fields: object) -> None:
    """A line for whoever looks closely."""
    _emit("DEBUG", message, fields)


def info(message: str, **fields: object) -> None:
    """A line for the operator."""
    _emit("INFO", message, fields)


def warn(message: str, **fields: object) -> None:
    """Something to look at."""
    _emit("WARN", message, fields)


def error(message: str, **fields: object) -> None:
    """Something is wrong."""
    _emit("ERROR", message, fields)
