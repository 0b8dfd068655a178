"""Connections that do not get on: each ends, and whoever takes part meanwhile is not kept out."""

import contextlib
import http.client
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from nst_lib.survey import connections
from nst_lib.survey.serve import Server
from tests.surveys import JOIN, make_survey, rate_all

#: For a request and between two looks at an answer, in seconds; in use they are 20.
PATIENCE = 1.5
#: Connections of each kind: 260 in all.
EACH = 52
BODY = b'{"consent": true, "simulated": true}'


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server of little patience and sounds of 80 kB, which keeps little in the kernel."""
    monkeypatch.setattr(connections, "ASKING", PATIENCE)
    monkeypatch.setattr(connections, "TAKING", PATIENCE)
    server = Server(make_survey(tmp_path, seconds=5.0))
    server._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    with server:
        yield server


@pytest.fixture
def opened() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def connect(server: Server, opened: contextlib.ExitStack) -> Callable[..., socket.socket]:
    """Return what opens a connection, from an address of this machine, and sends something."""
    _, port = server._name

    def connect(data: bytes = b"", source: str = "127.0.0.1") -> socket.socket:
        connection = opened.enter_context(socket.socket())
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.bind((source, 0))
        connection.settimeout(20)
        connection.connect(("127.0.0.1", port))
        connection.sendall(data)
        return connection

    return connect


def head(method: str, path: str, *lines: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()


def open_connections(server: Server) -> set[object]:
    return server._server.server_state.connections


def status(connection: socket.socket) -> int:
    """Return the status of an answer, and read it whole."""
    reply = http.client.HTTPResponse(connection)
    reply.begin()
    reply.read()
    return reply.status


def ended(connection: socket.socket) -> bool:
    """Wait for something; return whether it is the end."""
    try:
        return not connection.recv(1)
    except ConnectionResetError:
        return True


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)


def sound_of(server: Server) -> tuple[httpx.Client, bytes]:
    """Return a client of a new participant, and the request of a sound."""
    client = httpx.Client(base_url=server.url, timeout=30)
    token = client.post("/api/participants", json=JOIN).json()["token"]
    client.headers["Authorization"] = f"Bearer {token}"
    return client, head("GET", "/api/screens/0/sounds/0", f"Authorization: Bearer {token}")


@contextlib.contextmanager
def meanwhile(task: Callable[[], object]) -> Iterator[None]:
    """Do something again and again while a block runs."""
    stop = threading.Event()

    def repeat() -> None:
        while not stop.is_set():
            task()

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_what_is_stalled_ends_and_a_participant_is_served_meanwhile(server, connect):
    client, sound = sound_of(server)
    length = f"Content-Length: {len(BODY)}"
    post = head("POST", "/api/participants", "Content-Type: application/json", length)
    kinds = {
        "half a head": post[:40],
        "half a body": post + BODY[:9],
        "a head byte by byte": post[:40],
        "a body byte by byte": post + BODY[:1],
        "nothing read": sound,
    }
    stalled = {kind: [connect(data) for _ in range(EACH)] for kind, data in kinds.items()}

    def dribble() -> None:
        for connection in stalled["a head byte by byte"] + stalled["a body byte by byte"]:
            with contextlib.suppress(OSError):
                connection.send(b" ")
        time.sleep(0.3)

    def flood() -> None:
        anybody.post("/api/participants", json=JOIN)
        anybody.post("/api/withdraw", json={"code": "x"})

    anybody = httpx.Client(base_url=server.url, timeout=30)
    with closing(client), closing(anybody), meanwhile(dribble), meanwhile(flood):
        assert rate_all(client) == 10
        wait_until(lambda: len(open_connections(server)) <= 2)  # those of the two clients


def test_a_connection_that_sends_nothing_ends(server, connect):
    assert ended(connect())


def test_between_two_requests_there_is_more_time(server, connect):
    connection = connect(head("GET", "/api/survey"))
    assert status(connection) == 200
    time.sleep(2 * PATIENCE + 1)
    connection.sendall(head("GET", "/api/survey"))
    assert status(connection) == 200


def test_who_is_slow_but_steady_gets_the_whole_sound(server, connect):
    client, sound = sound_of(server)
    with closing(client):
        whole = client.get("/api/screens/0/sounds/0").content
    connection, got = connect(sound), b""
    while not got.endswith(whole):
        got += connection.recv(3000)
        time.sleep(0.15)  # 20 kB a second, four seconds in all


def test_a_new_connection_takes_the_place_of_the_oldest_that_waits(server, connect, monkeypatch):
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 20)
    monkeypatch.setattr(connections, "ASKING", 60)
    client, sound = sound_of(server)
    client.close()
    served = connect(sound)
    served.recv(1)
    stalled = [connect(head("GET", "/")[:9]) for _ in range(30)]
    assert status(connect(head("GET", "/api/survey"))) == 200
    assert all(ended(stalled[n]) for n in range(10))
    assert len(open_connections(server)) <= 20
    assert len(served.recv(1000)) > 0
    stalled[-1].sendall(head("GET", "/")[9:])
    assert status(stalled[-1]) == 200


@pytest.mark.skipif(sys.platform != "linux", reason="only there all of 127.0.0.0/8 is this machine")
def test_who_has_most_connections_loses_one(server, connect, monkeypatch):
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 20)
    monkeypatch.setattr(connections, "ASKING", 60)
    honest = connect(head("GET", "/")[:9])
    many = [connect(b"", source="127.0.0.2") for _ in range(50)]
    assert ended(many[0])
    honest.sendall(head("GET", "/")[9:])
    assert status(honest) == 200
