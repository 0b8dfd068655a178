"""A listening test on the network, beside a notebook or a command that waits."""

import ipaddress
import os
import secrets
import socket
import threading
import time
from typing import Self

from nst_lib.survey import LOOPBACK
from nst_lib.survey.answers import Answers
from nst_lib.survey.hosts import Hosts, public_name
from nst_lib.survey.stimuli import SurveyError
from nst_lib.survey.survey import ANSWERS_FILE, Survey

NEEDED = "the listening test needs FastAPI; accepted: pip install 'nst-lib[survey]'"
#: Longest time for requests to end when the server stops, in seconds.
GRACE = 3
#: How long a connection is kept for the next request, in seconds: longer than it takes to rate.
KEPT = 75
#: Where a web server may run that is believed whom it passes requests on for: on this machine.
PROXIES = "127.0.0.0/8,::1"


class Server:
    """A survey that is served while a block runs, beside what else there is to do.

    Parameters
    ----------
    folder : path
        Of the survey.
    host : str
        Address to listen at; that of the default is reached from this machine only.
    port : int
        0 takes any that is free.
    public_url : str or None
        Address for participants, where a web server on this machine passes requests on. What that
        says in `X-Forwarded-For` is believed then; it must set it.

    Raises
    ------
    ValueError
        If there is no survey, its answers belong to another, FastAPI is not installed, or the
        address cannot be used.
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
        self._token = secrets.token_urlsafe(32)
        self._answers = Answers(self.survey.folder / ANSWERS_FILE, self.survey.key)
        try:
            self._socket = _listen(host, port)
        except SurveyError:
            self._answers.close()
            raise
        self._name: tuple[str, int] = self._socket.getsockname()[:2]
        config = uvicorn.Config(
            create_app(self.survey, self._answers, self._token, Hosts(self._name[0], name)),
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            server_header=False,
            proxy_headers=public_url is not None,
            forwarded_allow_ips=PROXIES,
            backlog=WAITING,
            callback_notify=lambda: check(self._server.server_state.connections),
            timeout_notify=1,
            timeout_keep_alive=KEPT,
            timeout_graceful_shutdown=GRACE,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="survey", daemon=True
        )

    @property
    def address(self) -> str:
        """Host and port, as this machine sees them."""
        host, port = self._name
        host = {"0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host)
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def local(self) -> bool:
        """Whether only this machine can reach it."""
        return ipaddress.ip_address(self._name[0]).is_loopback

    @property
    def url(self) -> str:
        """The address for participants: the public one, if there is one."""
        return self.public or f"http://{self.address}/"

    @property
    def admin_url(self) -> str:
        """The address of the admin view: whoever has it sees the counts and exports the ratings."""
        return f"{self.url}admin#{self._token}"

    def __enter__(self) -> Self:
        """Start to serve."""
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Finish what was asked, and stop."""
        self._server.should_exit = True
        self._thread.join()
        self._answers.close()

    def wait(self) -> None:
        """Wait until somebody interrupts."""
        # Not by `join`: interrupted there, Python 3.11 takes the thread for one that has ended.
        while self._thread.is_alive():
            time.sleep(0.5)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named TCP, because asyncio sends at once only where it is; `create_server` leaves it at 0.
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
            f"cannot listen at {host}, port {port} ({reason}); accepted: an address of this "
            "machine and a port that is free"
        ) from error
