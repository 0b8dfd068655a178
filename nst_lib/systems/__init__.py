"""Every system that the study cites or builds on: one file for each, with its source.

A file holds one class, if the system is not one of the settings of :class:`nst_lib.TransferConfig`
alone, and its presets. This module stands above them and enters the presets in
:data:`nst_lib.system.PRESETS`.
"""

from nst_lib.system import register
from nst_lib.systems import (
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

for _system in (
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
):
    register(_system.PRESETS)
