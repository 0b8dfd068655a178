"""By which names a server is called: pages of others cannot make theirs one of them.

A page elsewhere can have its name lead to this machine, once a browser has loaded it (DNS
rebinding). The browser then takes the listening test for a part of that page, but still sends the
page's name as `Host`.
"""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from nst_lib.survey.stimuli import SurveyError

_HOST = re.compile(r"(\[[^\[\]]+\]|[^:\[\]]+)(:\d*)?")


@dataclass(frozen=True)
class Hosts:
    """The names of a server.

    Attributes
    ----------
    bound : str
        The address that it listens at; 0.0.0.0 and :: are all addresses of the machine.
    public : str
        The name in its public address; empty if it has none.
    """

    bound: str
    public: str = ""

    def accept(self, host: str) -> bool:
        """Whether a `Host` header names the server, whatever the port."""
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
    """Return the host of a public address, as browsers send it.

    Raises
    ------
    SurveyError
        If it is no address of a web server.
    """
    try:
        parts = urlsplit(url)
        name = (parts.hostname or "").encode("idna").decode().rstrip(".")
        _ = parts.port
    except ValueError:  # of the port, or of brackets; a name that is none is one too
        parts, name = urlsplit(""), ""
    extra = parts.username or parts.query or parts.fragment
    if parts.scheme not in ("http", "https") or not name or extra:
        raise SurveyError(f"public URL {url!r}; accepted: one like https://listen.example.org")
    return name
