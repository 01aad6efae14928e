"""What goes wrong, and so what the host does: raise one of these.

The message is what an administrator reads in Entra's provisioning log: which attribute, what the target said, what to
do. Never a secret.
"""


class Failure(Exception):
    """Anything that went wrong. Raise one of the subclasses; `Other` when none fits."""

    fault = "other"

    def __init__(
        self,
        message: str,
        *,
        attribute: str | None = None,
        code: object = None,
        retry_after_ms: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.attribute = attribute
        self.code = None if code is None else str(code)
        self.retry_after_ms = retry_after_ms


class NotFound(Failure):
    """No object has this anchor: 404."""

    fault = "not-found"


class AlreadyExists(Failure):
    """A unique value is taken: 409 `uniqueness`. Name the attribute."""

    fault = "already-exists"


class Changed(Failure):
    """The version given is not the version stored: 412, or the host reads again and repeats."""

    fault = "changed"


class Invalid(Failure):
    """The target will never take this value: 400, not repeated. Name the attribute."""

    fault = "invalid"


class Unsupported(Failure):
    """This connector cannot do that. For a filter: the host lists and filters itself."""

    fault = "unsupported"


class Unauthenticated(Failure):
    """The target refused the app's own credentials: 503 and an alarm for the operator."""

    fault = "unauthenticated"


class Forbidden(Failure):
    """The app's account may not do this in the target."""

    fault = "forbidden"


class Busy(Failure):
    """The target asks for patience; say `retry_after_ms`."""

    fault = "busy"


class Unavailable(Failure):
    """The target was not reached, or broke off. After a write the host asks what is true."""

    fault = "unavailable"


class Timeout(Failure):
    """The target did not answer in time. After a write the host asks what is true."""

    fault = "timeout"


class Other(Failure):
    """Anything else."""
