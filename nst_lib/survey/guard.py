"""Check host, size and type of every request, and add headers to every reply.

This is plain ASGI middleware, so that no request can bypass it.
"""

import asyncio
import json
import logging
from typing import NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nst_lib.survey.hosts import Hosts

#: The largest body of a request, in bytes.
MOST_BYTES = 65536
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "media-src blob:; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class _Problem(NamedTuple):
    status: int
    error: str


OTHER_HOST = _Problem(
    421,
    "the listening test has another address: use the address that `nst survey serve` prints",
)
TOO_LARGE = _Problem(413, f"the body is too large; accepted: up to {MOST_BYTES} bytes")
NOT_JSON = _Problem(415, "the body has another type; accepted: application/json")
BROKEN = _Problem(500, "the server has an internal error; try again later")
STOPPED = _Problem(503, "the server is stopping; try again later")

_log = logging.getLogger(__name__)


class Guard:
    """Middleware around an app.

    Parameters
    ----------
    app : ASGIApp
        The app.
    hosts : Hosts
        The host names under which the server answers.
    """

    def __init__(self, app: ASGIApp, hosts: Hosts) -> None:
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message["headers"], *_headers(scope["path"])]
            await send(message)

        try:
            body = await _read(scope, receive, self.hosts)
            if isinstance(body, _Problem):
                await _refuse(body, send_with_headers)
            elif body is not None:
                await self.app(scope, _replay(body, receive), send_with_headers)
        except asyncio.CancelledError:  # the server is stopping and cannot wait longer
            if not started:
                await _refuse(STOPPED, send_with_headers)
        except Exception:
            _log.exception("a request failed")
            if not started:
                await _refuse(BROKEN, send_with_headers)


def _headers(path: str) -> list[tuple[bytes, bytes]]:
    cache = "no-store" if path.startswith("/api") else "no-cache"
    headers = {**HEADERS, "cache-control": cache}
    return [(name.encode(), value.encode()) for name, value in headers.items()]


async def _read(scope: Scope, receive: Receive, hosts: Hosts) -> "bytes | _Problem | None":
    """Return the body of a request, or its problem; None if the client has disconnected."""
    headers = dict(scope["headers"])
    if not hosts.accept(headers.get(b"host", b"").decode("latin1")):
        return OTHER_HOST
    length = headers.get(b"content-length", b"")
    if length.isdigit() and int(length) > MOST_BYTES:
        return TOO_LARGE
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MOST_BYTES:
            return TOO_LARGE
    kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    return body if kind == b"application/json" or not body else NOT_JSON


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the app a body that was read already."""
    unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return unread.pop() if unread else await receive()

    return replay


async def _refuse(problem: _Problem, send: Send) -> None:
    body = json.dumps({"error": problem.error}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
