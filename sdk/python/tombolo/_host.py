"""The host's services: the component's imports, or `testing` in plain Python."""

try:
    # Resolved when the component is built: an import that waits for the first call would fail there.
    from wit_world.imports import config, context, log, secrets, state
except ModuleNotFoundError:
    from .testing import config, context, log, secrets, state

__all__ = ["config", "context", "log", "secrets", "state"]
