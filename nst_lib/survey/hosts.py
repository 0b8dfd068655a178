"""The host names under which a server answers, as a protection against DNS rebinding.

In an attack by DNS rebinding, a browser loads a page of an attacker, who then makes the name of the
page point to this machine. The browser now takes the listening test for a part of that page. But it
still sends the name of that page as `Host`, so the server can refuse the request.
"""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from nst_lib.survey.stimuli import SurveyError

_HOST = re.compile(r"(\[[^\[\]]+\]|[^:\[\]]+)(:\d*)?")


@dataclass(frozen=True)
class Hosts:
    """The host names of a server.

    Attributes
    ----------
    bound : str
        The address at which the server listens; 0.0.0.0 and :: are all addresses of the machine.
    public : str
        The host name in its public URL; empty if it has none.
    """

    bound: str
    public: str = ""

    def accept(self, host: str) -> bool:
        """Whether a `Host` header names this server. The port does not matter."""
        found = _HOST.fullmatch(host.strip().lower())
        name = found[1].strip("[]").rstrip(".") if found else ""
        if name in ("localhost", self.public):
            return bool(name)
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        bound = ipaddress.ip_address(self.bound.partition("%")[0])
        return address.is_loopback or bound.is_unspecified or address == bound


def public_name(url: str) -> str:
    """Return the host name of a public URL, as browsers send it.

    Raises
    ------
    SurveyError
        If the text is not the URL of a web server.
    """
    try:
        parts = urlsplit(url)
        name = (parts.hostname or "").encode("idna").decode().rstrip(".")
        _ = parts.port
    except ValueError:  # wrong port, brackets or name
        parts, name = urlsplit(""), ""
    extra = parts.username or parts.query or parts.fragment
    if parts.scheme not in ("http", "https") or not name or extra:
        raise SurveyError(
            f"public URL {url!r} is not the address of a web server; write it like "
            "https://listen.example.org"
        )
    return name
