"""Named configurations, each with its source."""

from nst_lib.base.validation import hint
from nst_lib.config import ConfigError
from nst_lib.systems import (
    Preset,
    antognini2019,
    caracalla2020,
    chen2020,
    deep,
    fast,
    gatys2016,
    grinstein2018,
    huzaifah2020,
    milacic2020,
    mital2017,
    ulyanov2016,
)

SYSTEMS = (
    fast,
    milacic2020,
    gatys2016,
    ulyanov2016,
    mital2017,
    grinstein2018,
    chen2020,
    huzaifah2020,
    antognini2019,
    caracalla2020,
    deep,
)
PRESETS: dict[str, Preset] = {entry.name: entry for system in SYSTEMS for entry in system.PRESETS}


def preset(name: str) -> Preset:
    """Return a preset by name.

    Raises
    ------
    ConfigError
        If there is none of that name; the message has the nearest.
    """
    if name not in PRESETS:
        raise ConfigError(f"unknown preset {name!r}; {hint(str(name), PRESETS)}")
    return PRESETS[name]
