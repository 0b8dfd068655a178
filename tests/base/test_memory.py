import threading

import numpy as np
import pytest

from nst_lib.base import memory


def test_a_peak_that_is_gone_at_the_end():
    with memory.watch() as idle:
        pass
    with memory.watch() as peak:
        block = np.ones(30_000_000)
        threading.Event().wait(3 * memory.INTERVAL)
        del block
    assert peak.size - idle.size == pytest.approx(240e6, rel=0.2)


def test_no_thread_is_left_after_an_error():
    with pytest.raises(KeyError), memory.watch():
        raise KeyError
    assert not [thread for thread in threading.enumerate() if thread.name == "memory"]
