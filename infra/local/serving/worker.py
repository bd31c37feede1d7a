"""The process of one served entity: loads one registered model and answers over a socket.

Started by the workspace only, with one end of a socket pair. It ends when the other end closes,
so that no served entity outlives the workspace, however that ended.
"""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.local.serving.frames import Frame, FrameBuffer, pack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.serving.scoring import Answer, Call, Scorer

_REPOSITORY = Path(__file__).parents[3]
_LARGEST_BATCH = 32
_RECEIVE_BYTES = 256 * 1024
_log = logging.getLogger("served_entity")


def main(
    connection: socket.socket,
    model: str,
    concurrency: int,
    environment: Mapping[str, str],
    build_log: Path,
    service_log: Path,
) -> None:
    """Serve until the other end of the connection closes."""
    os.environ.clear()
    os.environ.update(environment)
    _redirect_output(build_log)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the workspace, which ends this
    threading.Thread(target=_end_with_parent, daemon=True).start()
    multiprocessing.current_process().daemon = False  # a model may have processes of its own
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # A served model is all there is in its container: it must not find this repository.
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != _REPOSITORY]
    for name in [it for it in sys.modules if it == "ml" or it.startswith("ml.")]:
        del sys.modules[name]
    try:
        scorer, fields = _load(model)
    except BaseException as error:
        _log.exception("Loading the model failed")
        _send(connection, {"failed": f"{type(error).__name__}: {error}"})
        raise SystemExit(1) from error
    _log.info("Model loaded from %s", model)
    # What the frameworks have loaded stays: without this, collecting the garbage of requests
    # would walk through all of it again and again (measured: three times slower at 8 clients).
    gc.collect()
    gc.freeze()
    _redirect_output(service_log)
    _send(connection, {"ready": True, **fields})
    if scorer.batches:
        _serve_batches(connection, scorer)
    else:
        _serve_concurrently(connection, scorer, concurrency)


def _load(model: str) -> tuple[Scorer, dict[str, Any]]:
    import mlflow.pyfunc
    import numpy as np

    from infra.local.serving.scoring import Scorer

    np.random.seed()  # forks of one template would all draw the same numbers
    loaded = mlflow.pyfunc.load_model(model)
    signature = loaded.metadata.signature
    return Scorer(loaded), {"signature": signature.to_dict() if signature else None}


def _serve_batches(connection: socket.socket, scorer: Scorer) -> None:
    """Compute everything that waits in one call; an idle entity answers a request at once."""
    buffer = FrameBuffer()
    waiting: list[Frame] = []
    while True:
        data = connection.recv(_RECEIVE_BYTES)
        if not data:
            return
        waiting += buffer.feed(data)
        while more := _receive_waiting(connection):
            waiting += buffer.feed(more)
        while waiting:
            batch, waiting = waiting[:_LARGEST_BATCH], waiting[_LARGEST_BATCH:]
            answers = scorer.answer_all([_call(frame) for frame in batch])
            buffers: list[bytes] = []
            for frame, answer in zip(batch, answers, strict=True):
                buffers += _answer(frame, answer)
            connection.sendall(b"".join(buffers))


def _serve_concurrently(connection: socket.socket, scorer: Scorer, concurrency: int) -> None:
    """Each request is a call of its own, as many at a time as the entity is provisioned for."""
    writing = threading.Lock()

    def answer(frame: Frame) -> None:
        [result] = scorer.answer_all([_call(frame)])
        with writing:
            connection.sendall(b"".join(_answer(frame, result)))

    buffer = FrameBuffer()
    with ThreadPoolExecutor(concurrency) as pool:
        while data := connection.recv(_RECEIVE_BYTES):
            for frame in buffer.feed(data):
                pool.submit(answer, frame)


def _receive_waiting(connection: socket.socket) -> bytes:
    try:
        return connection.recv(_RECEIVE_BYTES, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return b""


def _call(frame: Frame) -> Call:
    from infra.local.serving.scoring import Call

    return Call(content_type=frame.fields["content_type"], body=frame.body)


def _answer(frame: Frame, answer: Answer) -> list[bytes]:
    fields = {
        "id": frame.fields["id"],
        "status": answer.status,
        "content_type": answer.content_type,
        "execution_ms": answer.execution_ms,
        "client_request_id": answer.client_request_id,
    }
    return pack(fields, answer.body)


def _send(connection: socket.socket, fields: dict[str, Any]) -> None:
    connection.sendall(b"".join(pack(fields)))


def _redirect_output(log: Path) -> None:
    """What is printed until the model is loaded is the build log; after that, the service log."""
    sys.stdout.flush()
    sys.stderr.flush()
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)


def _end_with_parent() -> None:
    """Also while the model is loading or computing, when nobody reads the socket."""
    workspace = multiprocessing.parent_process()
    if workspace is not None:
        wait([workspace.sentinel])
        os._exit(1)
