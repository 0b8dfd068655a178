import subprocess
import sys
import threading

import psutil
import pytest
import torch

from nst_lib.base import threads
from nst_lib.core.transforms import CQT


@pytest.fixture(autouse=True)
def two():
    """PyTorch computes on two threads outside of these tests' blocks."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_the_number_is_as_before_after_the_block():
    with threads.threads(1):
        assert torch.get_num_threads() == 1
        with threads.threads(3):
            assert torch.get_num_threads() == 3
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2


def test_it_is_as_before_after_an_error():
    with pytest.raises(KeyError), threads.threads(1):
        raise KeyError
    assert torch.get_num_threads() == 2


def test_blocks_may_overlap_in_several_threads():
    begun, ended = threading.Event(), threading.Event()

    def other() -> None:
        with threads.threads(1):
            begun.set()
            ended.wait(10)

    with threads.threads(1):
        thread = threading.Thread(target=other)
        thread.start()
        begun.wait(10)
    ended.set()
    thread.join()
    assert torch.get_num_threads() == 2


def test_a_transform_gives_the_same_bytes_on_any_number_of_threads():
    y = torch.randn(22050, generator=torch.Generator().manual_seed(0))
    cqt, found = CQT(), []
    for count in (1, 2, 4):
        torch.set_num_threads(count)
        found.append(cqt(y))
        assert torch.get_num_threads() == count
    assert all(torch.equal(S, found[0]) for S in found)


@pytest.mark.process
def test_busy_cores_are_not_free(monkeypatch):
    cores = psutil.cpu_count()
    monkeypatch.setattr(threads, "MOST", cores)
    with_all = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(cores)]
    try:
        monkeypatch.setattr(threads, "WATCH", 1.0)
        assert threads.free_threads() == 1
    finally:
        for process in with_all:
            process.kill()
            process.wait()


def test_the_user_s_limit_counts(monkeypatch):
    monkeypatch.setattr(threads, "MOST", 1)
    assert threads.free_threads() == 1
