"""One serving endpoint, asked over HTTP: authentication, retries, and what went wrong in words.

The road of a request costs less here than by the SDK's own client, which matters for thousands of
them: a pool of connections by urllib3, whose retries heed `Retry-After`.
Facts: docs/reference/serving.md#invocations.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import requests.utils
import urllib3
from urllib3.exceptions import HTTPError
from urllib3.util import Retry, Timeout

from ml.workspace.connection import WorkspaceError, explained

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from urllib3 import BaseHTTPResponse

MOST_TRIES: Final = 8
"""Of one request that finds the endpoint busy or starting."""

LONGEST_PAUSE_SECONDS: Final = 60
"""Between two tries, whatever the server asks for."""

_BUSY: Final = (429, 503)
_OF_THE_REQUEST: Final = (400, 413, 422)
"""Refusals of what a request holds: the same request is refused again, another may not be."""
_CONNECT_SECONDS: Final = 10
_ANSWER_SECONDS: Final = 300
"""Databricks ends a request of its own accord after 297."""

_LONGEST_MESSAGE: Final = 400


class EndpointError(WorkspaceError):
    """The endpoint refused a request, or did not answer it."""


class RequestRefused(EndpointError):
    """The endpoint refused one request for what it holds; others may be answered."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back with status 200."""

    predictions: Any
    served_entity: str
    """The arm that answered."""
    databricks_request_id: str


class Endpoint:
    """An endpoint, or one served entity of it. Thread-safe."""

    def __init__(
        self,
        client: "WorkspaceClient",
        name: str,
        *,
        served_entity: str | None = None,
        connections: int = 8,
        tries: int = MOST_TRIES,
    ) -> None:
        self.client = client
        self.name = name
        self.served_entity = served_entity
        self.connections = connections
        self.tries = tries
        self.host = str(client.config.host)
        arm = f"/served-models/{served_entity}" if served_entity else ""
        self._path = f"/serving-endpoints/{name}{arm}/invocations"
        self.url = f"{self.host}{self._path}"
        self._pool = _pool(self.host, connections, tries)

    def invoke(self, document: bytes) -> Answer:
        """Sends one request of JSON; tries again while the endpoint is busy or starting.

        A request whose connection breaks is not sent again: nobody knows whether it was answered.
        Raises RequestRefused for what the request holds, EndpointError for anything else.
        """
        try:
            response = self._pool.urlopen(
                "POST",
                self._path,
                body=document,
                redirect=False,
                headers={**self.client.config.authenticate(), "Content-Type": "application/json"},
            )
        except HTTPError as error:
            raise EndpointError(
                f"{self.url} does not answer: {error}. Is the workspace there? The same command "
                "again goes on where this one stopped."
            ) from error
        if response.status in _OF_THE_REQUEST:
            raise RequestRefused(self._refusal(response))
        if response.status != 200:
            raise EndpointError(self._refusal(response))
        try:
            predictions = json.loads(response.data)["predictions"]
        except (ValueError, KeyError, TypeError):
            raise EndpointError(
                f"{self.url} gave an answer without predictions: {_cut(response.data)}. Is "
                f"{self.name} the endpoint that you mean?"
            ) from None
        return Answer(
            predictions=predictions,
            served_entity=response.headers.get("served-model-name", ""),
            databricks_request_id=response.headers.get("x-databricks-request-id")
            or response.headers.get("databricks-request-id", ""),
        )

    def request_schema(self) -> Mapping[str, Any]:
        """The JSON schema of `inputs`, as far as the endpoint says it; also proves that it exists.

        Raises EndpointError, with the endpoints that there are, where there is no such one.
        """
        from databricks.sdk.errors import NotFound

        with explained(self.host):
            try:
                contents = self.client.serving_endpoints.get_open_api(self.name).contents
            except NotFound as error:
                there = [str(it.name) for it in self.client.serving_endpoints.list()]
                raise EndpointError(
                    f"{self.host} has no serving endpoint {self.name!r}; there: "
                    f"{', '.join(sorted(there)) or 'none'}. Name one of them with --endpoint, or "
                    "deploy the serving stack."
                ) from error
        document = json.loads(contents.read()) if contents else {}
        paths = document.get("paths", {})
        if self.served_entity and self._path not in paths:
            arms = [it.split("/")[-2] for it in paths if "/served-models/" in it]
            if arms:
                raise EndpointError(
                    f"{self.name} serves no entity {self.served_entity!r}; it serves "
                    f"{', '.join(sorted(arms))}. Name one of them with --served-entity."
                )
        return _schema_of_inputs(paths.get(self._path, {}))

    def _refusal(self, response: "BaseHTTPResponse") -> str:
        said = _message(response.data)
        match response.status:
            case 401 | 403:
                way_out = "Authenticate as somebody who may query it (CAN_QUERY)."
            case 404:
                way_out = "Is it deployed, under this name? The serving stack deploys it."
            case 429 | 503:
                way_out = (
                    f"Gave up after {self.tries} tries; the same command again goes on where this "
                    "one stopped."
                )
            case _:
                way_out = "The endpoint's logs say more."
        return f"{self.url} answered {response.status}: {said} {way_out}"


def _pool(host: str, connections: int, tries: int) -> urllib3.HTTPConnectionPool:
    retries = Retry(
        total=tries - 1,
        connect=2,
        read=0,
        other=0,
        redirect=0,
        status_forcelist=_BUSY,
        allowed_methods=None,  # a POST too: a busy endpoint has not answered it
        backoff_factor=0.5,
        backoff_jitter=0.5,
        backoff_max=LONGEST_PAUSE_SECONDS,
        retry_after_max=LONGEST_PAUSE_SECONDS,
        raise_on_status=False,
    )
    options: dict[str, Any] = {
        "maxsize": connections,
        "block": True,
        "retries": retries,
        "timeout": Timeout(connect=_CONNECT_SECONDS, read=_ANSWER_SECONDS),
        # As the SDK's own calls find them.
        "ca_certs": os.environ.get("REQUESTS_CA_BUNDLE"),
    }
    proxies = requests.utils.get_environ_proxies(host)
    # A workspace on http is one on this machine.
    proxy = requests.utils.select_proxy(host, proxies) if host.startswith("https") else None
    manager = urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)
    return manager.connection_from_url(host)


def _schema_of_inputs(path: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        schema = path["post"]["requestBody"]["content"]["application/json"]["schema"]
        inputs: Mapping[str, Any] = schema.get("oneOf", [schema])[0]["properties"]["inputs"]
    except (KeyError, IndexError, TypeError):
        return {}
    return inputs


def _message(body: bytes) -> str:
    """What Databricks says, without its envelope."""
    try:
        return _cut(str(json.loads(body)["message"]).encode())
    except (ValueError, KeyError, TypeError):
        return _cut(body)


def _cut(body: bytes) -> str:
    text = " ".join(body.decode(errors="replace").split()) or "(nothing)"
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]}…"
