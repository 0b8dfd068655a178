"""The systems that the study cites or builds on, one file for each system, and the baselines.

A file holds the presets of the system, with their sources. It also holds a class if the settings of
:class:`nst_lib.TransferConfig` are not enough for the system. This module imports all files and
adds the presets to :data:`nst_lib.system.PRESETS`.
"""

from nst_lib.system import register
from nst_lib.systems import (
    antognini2019,
    baselines,
    caracalla2020,
    chen2020,
    deep,
    fast,
    gatys2016,
    grinstein2018,
    huzaifah2020,
    milacic2020,
    mital2017,
    shaped,
    ulyanov2016,
)

for _system in (
    shaped,
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
    baselines,
):
    register(_system.PRESETS)
