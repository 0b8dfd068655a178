"""Serve a listening test, in a thread beside a notebook or a command."""

import ipaddress
import os
import secrets
import socket
import threading
import time
from typing import Any, Self

from nst_lib.survey import LOOPBACK, identity
from nst_lib.survey.answers import Answers
from nst_lib.survey.files import ANSWERS_FILE
from nst_lib.survey.hosts import Hosts, public_name
from nst_lib.survey.stimuli import SurveyError
from nst_lib.survey.survey import Survey

NEEDED = "the listening test needs FastAPI; install it with `pip install 'nst-lib[survey]'`"
#: Longest time that the server waits for running requests when it stops, in seconds.
GRACE = 3
#: How long an idle connection is kept, in seconds: longer than most ratings take.
KEPT = 75
#: Addresses of web servers whose `X-Forwarded-For` is trusted: those of this machine.
PROXIES = "127.0.0.0/8,::1"


#: Options of uvicorn that do not depend on the survey.
OPTIONS: dict[str, Any] = {
    "ws": "none",
    "lifespan": "off",
    "log_config": None,
    "log_level": "error",
    "access_log": False,
    "server_header": False,
    "forwarded_allow_ips": PROXIES,
    "timeout_notify": 1,
    "timeout_keep_alive": KEPT,
}


class Server:
    """A server of a survey, which runs in a thread as long as a `with` block.

    Parameters
    ----------
    folder : path
        The folder of the survey.
    host : str
        The address to listen at; by default, only this machine can reach it.
    port : int
        The port to listen at; 0 is any free port.
    public_url : str or None
        The address for participants, if a web server on this machine forwards requests. The server
        then trusts `X-Forwarded-For`, which the web server must set.

    Raises
    ------
    ValueError
        If the folder has no survey, the answers belong to another survey, FastAPI is not installed,
        or the server cannot listen at the address.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        host: str = LOOPBACK,
        port: int = 0,
        public_url: str | None = None,
    ) -> None:
        try:
            import uvicorn

            from nst_lib.survey.app import create_app
            from nst_lib.survey.connections import WAITING, Connection, check
        except ImportError as error:
            raise SurveyError(NEEDED) from error
        name = public_name(public_url) if public_url else ""
        self.public = f"{public_url.rstrip('/')}/" if public_url else None
        self.survey = Survey.read(folder)
        self.survey.validate_sounds()
        platform = self.survey.settings.platform
        key = None if platform is None else identity.read_key(self.survey.folder)
        self._token = secrets.token_urlsafe(32)
        self._answers = Answers(self.survey.folder / ANSWERS_FILE, self.survey.key)
        try:
            self._socket = _listen(host, port)
        except SurveyError:
            self._answers.close()
            raise
        self._name: tuple[str, int] = self._socket.getsockname()[:2]
        config = uvicorn.Config(
            create_app(self.survey, self._answers, self._token, Hosts(self._name[0], name), key),
            http=Connection,
            backlog=WAITING,
            callback_notify=lambda: check(self._server.server_state.connections),
            proxy_headers=public_url is not None,
            timeout_graceful_shutdown=GRACE,
            **OPTIONS,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="survey", daemon=True
        )

    @property
    def address(self) -> str:
        """The host and port under which this machine reaches the server."""
        host, port = self._name
        host = {"0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host)
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def local(self) -> bool:
        """Whether only this machine can reach the server."""
        return ipaddress.ip_address(self._name[0]).is_loopback

    @property
    def url(self) -> str:
        """The address for participants: the public URL, if there is one."""
        return self.public or f"http://{self.address}/"

    @property
    def admin_url(self) -> str:
        """The address of the admin view, which shows the counts and exports the ratings.

        It contains a secret: anybody who has the address can open the view.
        """
        return f"{self.url}admin#{self._token}"

    def __enter__(self) -> Self:
        """Start the server."""
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Finish the running requests, and stop the server."""
        self._server.should_exit = True
        self._thread.join()
        self._answers.close()

    def wait(self) -> None:
        """Wait until the server stops or a KeyboardInterrupt comes."""
        # If `join` is interrupted, Python 3.11 considers the thread ended. So do not use it here.
        while self._thread.is_alive():
            time.sleep(0.5)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends without delay only if the protocol is TCP; `create_server` leaves it at 0.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
        return listener
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or error
        raise SurveyError(
            f"cannot listen at {host}, port {port} ({reason}); choose an address of this machine "
            "and a free port"
        ) from error
