"""What a notebook shows: players of sounds, transfers to watch and stop, sounds to explore."""

from nst_lib.widgets.explorer import Explorer
from nst_lib.widgets.live import LiveTransfer
from nst_lib.widgets.player import Compare, Player

__all__ = ["Compare", "Explorer", "LiveTransfer", "Player"]
