"""Compare the speed of the published recipe, of our finite network, and of our infinite network.

    .venv/bin/python benchmarks/speed.py [--evaluations 3] [--channels 4096]

Each method runs in its own process, one after the other. All of them compute the loss of the study
for one pair: snoring over a hand saw, simulated unless NST_ESC50 names a folder of recordings. The
script prints a table and writes speed.json.
"""

import argparse
import json
import platform
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import Tensor, nn

HERE = Path(__file__).parent
METHODS = {
    "a": "published recipe, written plainly",
    "b": "RandomCNN, small-side Gram, spectral convolution",
    "c": "InfiniteCNN",
}
#: Number of evaluations in the published recipe.
PUBLISHED_STEPS = 500


def pair() -> tuple[Tensor, Tensor]:
    """Return style and content of the first pair of the study, as waveforms."""
    from nst_lib.sound.datasets import STUDY_PAIRS, open_dataset

    dataset = open_dataset()
    style, content = (dataset.clips(category=name)[0] for name in STUDY_PAIRS[0])
    return torch.from_numpy(style.load()), torch.from_numpy(content.load())


class Plain:
    """The published recipe: convolutions, ReLU, pooling, Gram matrices, mean squared distances."""

    def __init__(self, style: Tensor, content: Tensor, channels: int) -> None:
        self.convs = nn.ModuleList(
            nn.Conv1d(fan, channels, 11, padding=5) for fan in (513, channels, channels)
        )
        generator = torch.Generator().manual_seed(0)  # the weights of RandomCNN, to compare losses
        for conv in self.convs:
            bound = conv.weight[0].numel() ** -0.5
            nn.init.normal_(conv.weight, 0, 1e-3, generator=generator)
            nn.init.uniform_(conv.bias, -bound, bound, generator=generator)
        self.norms = nn.ModuleList(nn.BatchNorm1d(channels) for _ in self.convs).eval()
        for module in (self.convs, self.norms):
            module.requires_grad_(False)
        with torch.no_grad():
            self.grams = [self.gram(F) for F in self.features(style)[:2]]
            self.target = self.features(content)[2]

    def features(self, S: Tensor) -> list[Tensor]:
        x, maps = S[None], []
        for conv, norm in zip(self.convs, self.norms, strict=True):
            maps.append(torch.relu(norm(conv(x))))
            x = nn.functional.avg_pool1d(maps[-1], 2)
        return maps

    @staticmethod
    def gram(F: Tensor) -> Tensor:
        return F[0] @ F[0].T / F.shape[2]

    def __call__(self, S: Tensor) -> tuple[Tensor, Tensor]:
        *styles, content = self.features(S)
        mse = nn.functional.mse_loss
        style = sum(mse(self.gram(F), G) for F, G in zip(styles, self.grams, strict=True))
        return 1e8 * style, mse(content, self.target)


def build(method: str, style: Tensor, content: Tensor, channels: int):
    from nst_lib import RandomCNN
    from nst_lib.core.kernel import InfiniteCNN
    from nst_lib.core.objective import transfer_loss

    if method == "a":
        return Plain(style, content, channels)
    network = (
        RandomCNN(channels=channels, pooling="average", convolution="fft")
        if method == "b"
        else InfiniteCNN(channels=channels)
    )
    loss = transfer_loss(
        network,
        style=style,
        content=content,
        style_layers=("relu1", "relu2"),
        content_layers=("relu3",),
    )

    def evaluate(S: Tensor) -> tuple[Tensor, Tensor]:
        losses = loss(S)
        return losses.style, losses.content

    return evaluate


def work(method: str, evaluations: int, channels: int) -> dict[str, object]:
    """Time evaluations on fixed points between content and style, alike for all methods."""
    from nst_lib import STFT

    style, content = (STFT()(y) for y in pair())
    loss = build(method, style, content, channels)
    seconds, values = [], []
    for i in range(evaluations + 1):
        x = torch.lerp(content, style, 0.3 * i / evaluations).requires_grad_()
        began = time.perf_counter()
        style_loss, content_loss = loss(x)
        (style_loss + content_loss).backward()
        seconds.append(time.perf_counter() - began)
        values.append((float(style_loss), float(content_loss)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "seconds per evaluation": min(seconds[1:]),
        "losses": values,
        "peak memory (GB)": peak * (1 if sys.platform == "darwin" else 1024) / 1e9,
    }


def reach() -> dict[str, object]:
    """Measure how long the infinite network takes to the final loss of the published recipe."""
    from nst_lib import TransferConfig, transfer

    style, content = (y.numpy() for y in pair())
    recipe = TransferConfig.from_preset(
        "milacic2020", engine="infinite", content_layers=(), steps=PUBLISHED_STEPS
    )
    published = transfer(content, style, recipe)
    target = published.realised["style"]
    quick = recipe.replace(domain="hybrid", line_search="strong_wolfe", history=10)
    steps, best = 0, None
    for steps in (10, 20, 40, 80, 160, 320):
        best = transfer(content, style, quick.replace(steps=steps))
        if best.realised["style"] <= target:
            break
    return {
        "target": target,
        "reached": best.realised["style"],
        "steps": steps,
        "seconds": sum(best.seconds[stage] for stage in ("optimise", "invert", "refine")),
    }


def in_process(*arguments: str) -> dict[str, object]:
    command = [sys.executable, "-W", "ignore", __file__, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def machine() -> dict[str, object]:
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text() if cpuinfo.exists() else ""
    model = re.search(r"model name\s*: (.*)", text)
    return {
        "cpu": model[1] if model else platform.processor() or platform.machine(),
        "avx512": "avx512f" in text,
        "bf16": "avx512_bf16" in text,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--evaluations", type=int, default=3, help="timed, after one to warm up")
    parser.add_argument("--channels", type=int, default=4096)
    parser.add_argument("--work", choices=[*METHODS, "reach"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        result = (
            reach()
            if arguments.work == "reach"
            else work(arguments.work, arguments.evaluations, arguments.channels)
        )
        print(json.dumps(result))
        return
    options = ("--evaluations", str(arguments.evaluations), "--channels", str(arguments.channels))
    results = {}
    for method in METHODS:
        print(f"({method}) {METHODS[method]} ...", file=sys.stderr)
        results[method] = in_process("--work", method, *options)
    print("realised loss ...", file=sys.stderr)
    reached = in_process("--work", "reach")
    record = {"machine": machine(), "channels": arguments.channels} | results
    record["to the published realised loss"] = reached
    (HERE / "speed.json").write_text(json.dumps(record, indent=2) + "\n")
    print(f"{record['machine']}\n{arguments.channels} channels, style loss at fixed points:")
    print("| | s / evaluation | times faster | s to the realised loss | peak memory | style loss |")
    print("|---|---|---|---|---|---|")
    plain = results["a"]["seconds per evaluation"]
    for method, result in results.items():
        seconds = result["seconds per evaluation"]
        to_loss = reached["seconds"] if method == "c" else PUBLISHED_STEPS * seconds
        print(
            f"| ({method}) {METHODS[method]} | {seconds:.3g} | {plain / seconds:.3g} "
            f"| {to_loss:.3g} | {result['peak memory (GB)']:.2g} GB "
            f"| {result['losses'][0][0]:.4g}, {result['losses'][-1][0]:.4g} |"
        )
    print(
        f"Realised style loss: {reached['target']:.3g} after {PUBLISHED_STEPS} evaluations of the "
        f"published recipe (in the limit), {reached['reached']:.3g} after {reached['steps']} of "
        "(c), half of them on the sound itself."
    )


if __name__ == "__main__":
    main()
