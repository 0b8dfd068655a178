"""Tell participants of a platform apart without keeping who they are.

A platform such as Prolific gives each participant an identity in the address of the test. The
server stores only its keyed hash (HMAC-SHA-256), under a key that each survey draws for itself. So
one person is one participant, and the identities in two surveys cannot be compared. Whoever has
both the key and an identity can find out whether this person took part: delete the key when nobody
takes part any more.
"""

import hmac
import secrets
from pathlib import Path

from nst_lib.survey.files import KEY_FILE
from nst_lib.survey.stimuli import SurveyError

#: Length of the key in bytes.
LENGTH = 32


def make_key(folder: Path) -> None:
    """Write a new key into the folder of a survey, readable by its owner only."""
    path = folder / KEY_FILE
    path.touch(mode=0o600)
    path.write_text(secrets.token_hex(LENGTH) + "\n", encoding="ascii")


def read_key(folder: Path) -> bytes:
    """Return the key of a survey.

    Raises
    ------
    SurveyError
        If there is none.
    """
    path = folder / KEY_FILE
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        raise SurveyError(
            f"{path}: cannot read; restore the key that `nst survey build` made"
        ) from error
    if len(key) != LENGTH:
        raise SurveyError(f"{path}: is no key; restore the one that `nst survey build` made")
    return key


def pseudonym(identity: str, key: bytes) -> str:
    """Return the keyed hash of an identity."""
    return hmac.digest(key, identity.strip().encode(errors="replace"), "sha256").hex()
