import copy
import threading

import pytest
import torch

from nst_lib.core.objective import Losses
from nst_lib.core.optimise import Method, Observer, Resume, Snapshot, minimise


def bowl(target: torch.Tensor, scale: float = 1.0):
    def loss(x: torch.Tensor) -> Losses:
        style = scale * (x - target).square().sum()
        return Losses(style=style, content=0 * style, terms={"style bowl": style})

    return loss


def rosenbrock(x: torch.Tensor) -> Losses:
    a, b = x
    style, content = 100 * (b - a**2) ** 2, (1 - a) ** 2
    return Losses(style=style, content=content, terms={})


@pytest.mark.parametrize(
    ("optimiser", "line_search", "steps", "rate"),
    [("lbfgs", "none", 20, None), ("lbfgs", "strong_wolfe", 20, None), ("adam", "none", 400, 0.1)],
)
def test_finds_the_bottom(optimiser, line_search, steps, rate):
    target = torch.tensor([1.0, -2.0, 3.0])
    result = minimise(
        bowl(target),
        torch.zeros(3),
        steps=steps,
        method=Method(optimiser=optimiser, line_search=line_search, learning_rate=rate),
    )
    torch.testing.assert_close(result.x, target, atol=1e-2, rtol=0)
    assert result.evaluations[result.best_step].total == min(e.total for e in result.evaluations)


def test_evaluations_are_counted_exactly():
    for line_search in ("none", "strong_wolfe"):
        for steps in (1, 7, 33):
            start = torch.tensor([-1.2, 1.0], dtype=torch.float64)
            result = minimise(
                rosenbrock, start, steps=steps, method=Method(line_search=line_search)
            )
            assert [e.step for e in result.evaluations] == list(range(steps))
            assert result.outcome == "finished"


def test_lbfgs_without_line_search_is_pytorchs():
    # The study's loop: torch.optim.LBFGS at its defaults, counting closure calls.
    start = torch.tensor([-1.2, 1.0], dtype=torch.float64)
    x = start.clone().requires_grad_()
    optimiser = torch.optim.LBFGS([x])
    expected = []

    def closure():
        optimiser.zero_grad()
        total = rosenbrock(x).total
        expected.append(total.item())
        total.backward()
        return total

    while len(expected) < 60:
        optimiser.step(closure)
    result = minimise(rosenbrock, start, steps=60)
    assert [e.total for e in result.evaluations] == pytest.approx(expected[:60], rel=1e-12)


def test_start_is_evaluated_first_and_not_changed():
    start = torch.tensor([-1.2, 1.0])
    result = minimise(rosenbrock, start, steps=5)
    assert result.evaluations[0].total == pytest.approx(24.2, rel=1e-6)
    assert torch.equal(start, torch.tensor([-1.2, 1.0]))


def test_no_steps_return_the_start():
    result = minimise(rosenbrock, torch.ones(2), steps=0)
    assert torch.equal(result.x, torch.ones(2))
    assert (result.evaluations, result.best_step) == ([], None)


def test_vanished_gradient_converges():
    result = minimise(bowl(torch.ones(3)), torch.ones(3), steps=50)
    assert result.outcome == "converged"
    assert len(result.evaluations) == 1


def test_keeps_the_best_of_a_run_that_climbs():
    # Steps of 1.5 / curvature overshoot ever more.
    result = minimise(
        bowl(torch.zeros(1), scale=20),
        torch.ones(1),
        steps=6,
        method=Method("adam", learning_rate=5.0),
    )
    totals = [e.total for e in result.evaluations]
    assert result.best_step == totals.index(min(totals))
    assert 20 * float(result.x) ** 2 == pytest.approx(min(totals))


def test_diverged_run_keeps_the_best():
    def loss(x):
        style = torch.where(x < -1, torch.inf, x).sum()
        return Losses(style=style, content=0 * style.detach().nan_to_num(), terms={})

    result = minimise(loss, torch.ones(1), steps=99, method=Method("adam", learning_rate=0.5))
    assert result.outcome == "diverged"
    assert -1 <= float(result.x) < 0
    assert len(result.evaluations) < 99


def test_stop_event_from_another_thread():
    stop = threading.Event()
    seen = []

    def callback(evaluation):
        seen.append(evaluation)
        if evaluation.step == 4:
            threading.Thread(target=stop.set).start()
            stop.wait(5)

    result = minimise(rosenbrock, torch.zeros(2), steps=500, observer=Observer(callback, stop=stop))
    assert result.outcome == "stopped"
    assert seen == result.evaluations
    assert len(seen) == 5


def test_keyboard_interrupt_returns_the_best():
    def callback(evaluation):
        if evaluation.step == 10:
            raise KeyboardInterrupt

    result = minimise(rosenbrock, torch.zeros(2), steps=500, observer=Observer(callback))
    assert result.outcome == "stopped"
    assert len(result.evaluations) == 11
    assert float(rosenbrock(result.x).total) == result.evaluations[result.best_step].total


def test_a_line_search_begins_where_the_last_one_ended_without_a_further_evaluation():
    seen = []

    def loss(x):
        seen.append(x.detach().clone())
        return rosenbrock(x)

    start = torch.tensor([-1.2, 1.0], dtype=torch.float64)
    result = minimise(loss, start, steps=60, method=Method(line_search="strong_wolfe"))
    assert len(seen) == len(result.evaluations)
    assert len({tuple(x.tolist()) for x in seen}) == len(seen)
    assert float(rosenbrock(result.x).total) < 1e-9


@pytest.mark.parametrize("last", [1, 4, 9, 20])
def test_a_line_search_goes_on_from_the_iteration_where_it_stopped(last):
    start, method = torch.tensor([-1.2, 1.0]), Method(line_search="strong_wolfe")
    whole = minimise(rosenbrock, start, steps=30, method=method)
    snapshots, stop = [], threading.Event()

    def interrupt(evaluation):
        if evaluation.step == last:
            stop.set()

    resume = Resume(on_snapshot=lambda one: snapshots.append(copy.deepcopy(one.to_dict())))
    observer = Observer(interrupt, stop=stop)
    minimise(rosenbrock, start, steps=30, method=method, observer=observer, resume=resume)
    snapshot = Snapshot.from_dict(snapshots[-1])
    assert last - 6 < len(snapshot.evaluations) <= last + 1
    again = minimise(rosenbrock, start, steps=30, method=method, resume=Resume(snapshot))
    assert [e.losses for e in again.evaluations] == [e.losses for e in whole.evaluations]
    assert torch.equal(again.x, whole.x)


def test_unknown_names():
    with pytest.raises(ValueError, match="optimiser 'sgd'; accepted: lbfgs, adam"):
        Method("sgd")
    with pytest.raises(ValueError, match="line_search 'wolfe'; accepted: none, strong_wolfe"):
        Method(line_search="wolfe")
