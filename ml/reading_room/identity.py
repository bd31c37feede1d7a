"""Who reads. Never what somebody typed: the workspace's own answer, or the platform's header."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from starlette.requests import HTTPConnection

from ml.workspace.connection import WorkspaceError, explained

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

FORWARDED_EMAIL: Final = "X-Forwarded-Email"
"""What Databricks Apps sets in a request to the user that it has signed in.
https://docs.databricks.com/aws/en/dev-tools/databricks-apps/http-headers"""

_LONGEST: Final = 256


class UnknownReader(Exception):
    """A request of nobody in particular. The text says what is missing."""


class Identity(Protocol):
    """Names the reader of a request."""

    def reader(self, request: HTTPConnection) -> str:
        """Raises UnknownReader."""


@dataclass(frozen=True, kw_only=True)
class WorkspaceIdentity:
    """Whoever started the server reads: it serves their machine alone. Headers do not count."""

    name: str

    @classmethod
    def of(cls, client: "WorkspaceClient") -> "WorkspaceIdentity":
        """The workspace's own name for whoever the client's credentials belong to."""
        with explained(client.config.host):
            me = client.current_user.me()
        if not me.user_name:
            raise WorkspaceError(
                f"{client.config.host} does not say who you are: the user that it knows for these "
                "credentials has no name. Authenticate as a user or a service principal."
            )
        return cls(name=me.user_name)

    def reader(self, request: HTTPConnection) -> str:  # noqa: ARG002 - nothing in it counts
        """Whoever the workspace says that this process is."""
        return self.name


@dataclass(frozen=True)
class ForwardedIdentity:
    """Whoever the proxy in front has signed in. Sound only where every request comes through it.

    One header counts, which this proxy sets: it would hand on any other as a client has sent it.
    """

    header: str = FORWARDED_EMAIL

    def reader(self, request: HTTPConnection) -> str:
        """Whoever the proxy says. Raises UnknownReader."""
        values = [value.strip() for value in request.headers.getlist(self.header)]
        # A proxy that adds its header behind one that the client sent would make two.
        if len(values) == 1 and 0 < len(values[0]) <= _LONGEST and values[0].isprintable():
            return values[0]
        if values:
            raise UnknownReader(f"the header {self.header} does not name one user")
        raise UnknownReader(
            f"no header {self.header}: this server stands behind no proxy that signs users in and "
            "sets it, though it was started with --behind-proxy"
        )
