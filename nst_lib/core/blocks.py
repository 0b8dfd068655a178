"""The objective of a long sound, evaluated block by block: time is linear, memory hardly grows.

A Gram matrix is a mean over positions, so it can be added up over blocks of a sound; so can the
cost of leaving the range. Onset strength is one number for each frame. Only such sums and rows are
kept. Each block is computed with the frames around it that filters and windows see, so the result
is that of the whole sound, and a sound has no seams where blocks meet.

The gradient of the sums is known once all blocks are summed. Then each block is computed a second
time, for its share of the gradient. Blocks are independent and run on several threads; they are
added in their order, so the result does not depend on the number of threads.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from nst_lib.core.content import CorrelationTerm, OnsetStrength
from nst_lib.core.losses import Distances, gram_matrix, style_scale
from nst_lib.core.objective import LEAST_DISTANCE, TINY
from nst_lib.core.transforms import STFT

#: Length of a block in frames.
FRAMES = 256


class Pieces(Protocol):
    """A sound that is a function of what is optimised, and can be computed piece by piece."""

    def span(self, begin: int, end: int) -> slice:
        """Return which columns of the optimised tensor the samples from begin to end depend on."""

    def piece(self, part: Tensor, begin: int, end: int) -> Tensor:
        """Return these samples, from the columns of :meth:`span`."""


class Samples:
    """The simplest sound: its samples are what is optimised."""

    def span(self, begin: int, end: int) -> slice:
        """Return the samples themselves."""
        return slice(begin, end)

    def piece(self, part: Tensor, begin: int, end: int) -> Tensor:
        """Return the samples themselves."""
        return part


@dataclass(frozen=True)
class Parts:
    """What is optimised, with the sound that it stands for.

    Attributes
    ----------
    x : Tensor, shape=(..., columns)
        What is optimised.
    pieces : Pieces
        The sound.
    """

    x: Tensor
    pieces: Pieces


@dataclass(frozen=True)
class Block:
    """Frames `first` to `last` of a spectrogram, computed from `begin` to `end`; ends excluded."""

    first: int
    last: int
    begin: int
    end: int


def blocks(n_frames: int, *, margin: int, length: int = FRAMES) -> list[Block]:
    """Return the blocks of a spectrogram. All but the last have `length` frames."""
    firsts = range(0, n_frames, length)
    lasts = [*firsts[1:], n_frames]
    return [
        Block(first, last, max(first - margin, 0), min(last + margin, n_frames))
        for first, last in zip(firsts, lasts, strict=True)
    ]


class BlockTerms(nn.Module):
    """The terms of an objective (:class:`nst_lib.core.objective.Terms`) for long sounds.

    Parameters
    ----------
    network : nn.Module
        Computes feature maps ``(channels, positions)`` of a spectrogram ``(freq, time)``. Its
        convolutions are padded with zeros; a pooling halves the positions.
    channels : int > 0
        Number of channels that the factors of the losses assume.
    margin : int > 0
        Number of frames on either side that a position sees, at least.
    style : sequence of Tensor, shape=(freq, time)
        Spectrograms of the styles.
    content : Tensor, shape=(samples,)
        The content.
    transform : STFT
        The transform that makes the spectrograms.
    style_layers : sequence of str
        Names of feature maps.
    onset : bool
        Whether there is the content term "onset".
    normalisation : str
        Scale of the terms; see :mod:`nst_lib.core.losses`.
    workers : int > 0
        Number of threads.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        channels: int,
        margin: int,
        style: Sequence[Tensor],
        content: Tensor,
        transform: STFT,
        style_layers: Sequence[str],
        onset: bool,
        normalisation: str,
        workers: int,
    ) -> None:
        super().__init__()
        self.network, self.transform, self.layers = network, transform, tuple(style_layers)
        self.workers = workers
        #: Called with the number of blocks that are done and that of all, in every evaluation.
        self.on_block: Callable[[int, int], None] = lambda done, of: None
        self.samples = len(content)
        frames = transform.n_frames(self.samples)
        self._measure(style, channels, normalisation)
        step = max(self.shift.values(), default=1)
        self.blocks = blocks(frames, margin=-(-margin // step) * step)
        self.positions = {name: frames // step for name, step in self.shift.items()}
        self._hear(content, [float(S.max()) for S in style], onset)
        self._reference = content

    def _measure(self, style: Sequence[Tensor], channels: int, normalisation: str) -> None:
        """Store the styles' Gram matrices, their factors, and frames per position."""
        with torch.no_grad():
            maps = [self.network(S, self.layers) for S in style]
        self.shift = {
            name: 2 ** round(math.log2(style[0].shape[-1] / maps[0][name].shape[-1]))
            for name in self.layers
        }
        self.targets, self.scales = {}, {}
        for name in self.layers:
            target = torch.stack([gram_matrix(one[name]) for one in maps]).mean(0)
            self.targets[name] = target
            self.scales[name] = style_scale(
                normalisation,
                channels=channels,
                positions=maps[0][name].shape[-1],
                energy=float(target.square().sum()),
            )
        squares = sum(S.square().sum().item() for S in style)
        self.energy = squares / sum(S.numel() for S in style) or 1.0

    def _hear(self, content: Tensor, loudest: list[float], onset: bool) -> None:
        """Store the range of the spectrograms, and the onsets of the content."""
        self.onsets: OnsetStrength | None = None
        highest, power = max(loudest), 0.0
        everything = Parts(content, Samples())
        with torch.no_grad():
            for block in self.blocks:
                part = content[everything.pieces.span(*self.reach(block))]
                S = self._spectrogram(everything.pieces, part, block)
                highest = max(highest, float(S.max()))
                if onset:
                    self.onsets = self.onsets or OnsetStrength(self.transform, S)
                    power = max(power, float(self.onsets.power(S).amax()))
        self.ceiling = highest
        if self.onsets is not None:
            self.onsets.set_loudest(content.new_tensor(power))
            rises = self._run(everything)[1]
            self.onset_term = CorrelationTerm(self.onsets.smooth, rises)

    def forward(self, parts: Parts) -> tuple[Distances, dict[str, Tensor]]:
        """Return the distances in the network and the other content terms."""
        sums, rises = self._run(parts)
        grams, excess = self._split(sums)
        self._last_excess = [excess]
        style = {
            name: (gram - self.targets[name]).square().sum() * self.scales[name]
            for name, gram in grams.items()
        }
        terms = {} if self.onsets is None else {"onset": self.onset_term(rises)}
        return Distances(style=style, content={}), terms

    def excess(self, parts: Parts) -> Tensor:
        """Return the cost of leaving the range of style and content, and forget it.

        :meth:`forward` computes it. Kept for longer, it would keep the sound of its evaluation.
        """
        return self._last_excess.pop()

    @cached_property
    def style_at(self) -> dict[str, float]:
        """Distance between the content and the style in each layer; see `Terms.style_at`."""
        with torch.no_grad():
            reference, _ = self.forward(Parts(self._reference, Samples()))
            silent = self.network(self._reference.new_zeros(self.transform.n_freq, FRAMES))
        found = {}
        for name, value in reference.style.items():
            apart = (gram_matrix(silent[name]) - self.targets[name]).square().sum()
            found[name] = max(float(value), LEAST_DISTANCE * float(apart) * self.scales[name], TINY)
        return found

    @property
    def content_at(self) -> dict[str, float]:
        """Nothing: no feature maps of the content are compared."""
        return {}

    def _split(self, sums: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Return the Gram matrices by layer, and the excess."""
        grams, at = {}, 0
        for name in self.layers:
            n = len(self.targets[name])
            grams[name] = sums[at : at + n * n].view(n, n) / self.positions[name]
            at += n * n
        n_values = self.transform.n_freq * self.blocks[-1].last
        return grams, sums[at] / (n_values * self.energy)

    def _run(self, parts: Parts) -> tuple[Tensor, Tensor]:
        """Return the sums over all blocks, and the rises of all frames."""
        if len(self.blocks) == 1:  # nothing to save by computing it twice
            part = parts.x[..., parts.pieces.span(*self.reach(self.blocks[0]))]
            return self.of_block(parts.pieces, part, self.blocks[0])
        sums, rises = _Sums.apply(parts.x, parts.pieces, self)  # type: ignore[no-untyped-call]
        return sums, rises

    def of_block(self, pieces: Pieces, part: Tensor, block: Block) -> tuple[Tensor, Tensor]:
        """Return the sums and the rises of one block."""
        S = self._spectrogram(pieces, part, block)
        maps = self.network(S, self.layers)
        sums = []
        for name in self.layers:
            step = self.shift[name]
            end = None if block.last == self.blocks[-1].last else (block.last - block.begin) // step
            F = maps[name][:, (block.first - block.begin) // step : end]
            sums.append((F @ F.mT).flatten())
        own = S[:, block.first - block.begin : block.last - block.begin]
        sums.append((own - own.clamp(0, self.ceiling)).square().sum()[None])
        before = max(block.first - 1, 0) - block.begin
        rises = own.new_zeros(0)
        if self.onsets is not None:
            rises = self.onsets.rises(S[:, before : block.last - block.begin])
        return torch.cat(sums), rises

    def reach(self, block: Block) -> tuple[int, int]:
        """Return the samples that a block is computed from."""
        hop = self.transform.hop_length
        window = -(-self.transform.n_fft // (2 * hop))
        end = (block.end - 1 + window) * hop
        whole = block.end == self.blocks[-1].last
        return max(block.begin - window, 0) * hop, self.samples if whole else min(end, self.samples)

    def _spectrogram(self, pieces: Pieces, part: Tensor, block: Block) -> Tensor:
        begin, end = self.reach(block)
        S: Tensor = self.transform(pieces.piece(part, begin, end))
        first = block.begin - begin // self.transform.hop_length
        return S[:, first : first + block.end - block.begin]


class _Sums(torch.autograd.Function):
    """The sums and the rises of all blocks; blocks are computed again for the gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, pieces: Pieces, terms: BlockTerms) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(x)
        ctx.pieces, ctx.terms = pieces, terms
        rows = []
        total: Tensor | None = None

        def run(block: Block) -> tuple[Tensor, Tensor]:
            with torch.no_grad():
                part = x[..., pieces.span(*terms.reach(block))]
                return terms.of_block(pieces, part, block)

        for sums, rises in _in_order(run, terms):
            total = sums.double() if total is None else total.add_(sums)
            rows.append(rises)
        assert total is not None
        ctx.lengths = [len(row) for row in rows]
        return total, torch.cat(rows)

    @staticmethod
    def backward(ctx: Any, of_sums: Tensor, of_rises: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        pieces, terms = ctx.pieces, ctx.terms
        gradient = torch.zeros_like(x)
        of_sums = of_sums.to(x.dtype)
        of_rows = dict(zip(terms.blocks, torch.split(of_rises, ctx.lengths), strict=True))

        def run(block: Block) -> tuple[slice, Tensor]:
            span = pieces.span(*terms.reach(block))
            with torch.enable_grad():
                part = x[..., span].detach().requires_grad_()
                sums, rises = terms.of_block(pieces, part, block)
                outer = (sums, rises) if len(rises) else (sums,)
                (found,) = torch.autograd.grad(outer, part, (of_sums, of_rows[block])[: len(outer)])
            return span, found

        for span, found in _in_order(run, terms):
            gradient[..., span] += found
        return gradient, None, None


def _in_order(run: Callable[[Block], Any], terms: BlockTerms) -> Iterator[Any]:
    """Yield what a function returns for each block, in order, and report the progress."""
    count = len(terms.blocks)
    with ThreadPoolExecutor(terms.workers) as pool:
        waiting = []
        for n, block in enumerate(terms.blocks):
            waiting.append(pool.submit(run, block))
            if len(waiting) > terms.workers:
                yield waiting.pop(0).result()
                terms.on_block(n - terms.workers + 1, count)
        for left, future in enumerate(waiting):
            yield future.result()
            terms.on_block(count - len(waiting) + left + 1, count)
