"""An infinitely wide network through landmarks: features whose number does not grow with length.

The exact loss compares kernels, matrices of positions by positions
(:mod:`nst_lib.core.kernel`). Their cost grows with the square of the length. Here each position x
is described by its kernels k_z(x) with M fixed positions, the landmarks z:

    psi(x) = sqrt(C) W^T k_z(x),   W W^T = K_zz^-1,   psi(x) . psi(y) / C  ~  K(x, y)

This is the approximation of E. J. Nystroem: C. K. I. Williams and M. Seeger, "Using the Nystroem
Method to Speed Up Kernel Machines", NIPS 2000. It is exact for positions in the span of the
landmarks. Of other positions it misses energy. One more feature is the square root of what is
missed (our choice), so that a loud click that resembles no landmark is not free.

The factor C, the channels of the finite network that the limit stands for, gives the features the
size of that network's, so that the losses are those of :class:`nst_lib.core.losses.GramDistances`.
Time and memory are linear in the length.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool1d, pad

from nst_lib.core.kernel import InfiniteCNN, average_pooled
from nst_lib.core.moments import LEAST_VARIANCE, arc_cosine, arc_cosine_of_pairs
from nst_lib.core.network import validate_layers

#: Number of landmarks in the first layer. A pooling halves it.
LANDMARKS = 512
#: Length in frames of the stretches that landmarks are taken in; filters see neighbours.
STRETCH = 32
#: Eigenvalues of K_zz below this share of the largest are left out.
_LEAST = 1e-6
#: Share of the energy of a position that always counts as outside; it keeps gradients finite.
LEAST_REST = 1e-3


class LandmarkCNN(nn.Module):
    """Feature maps that approximate an infinitely wide network, as :class:`nst_lib.RandomCNN`'s.

    Parameters
    ----------
    network : InfiniteCNN
        The network, of orientation "freq", with padding "same" and without max pooling.
    landmarks : Tensor, shape=(freq, time)
        The spectrogram whose frames are the landmarks; see :func:`choose`.
    layers : iterable of str
        The names of the rectified maps that are needed: "relu1", "relu2", ...

    Raises
    ------
    ValueError
        If a layer is unknown, or the network is of another kind.
    """

    z: Tensor

    def __init__(self, network: InfiniteCNN, landmarks: Tensor, layers: Iterable[str]) -> None:
        super().__init__()
        if network.orientation != "freq" or network.edge or network.pooling == "max":
            raise ValueError(
                "landmarks need orientation 'freq', padding 'same' and pooling 'average' or 'none'"
            )
        self.layer_names = tuple(sorted(layers))
        validate_layers(self.layer_names, network.relus)
        self.network = network
        self.stacks = {name: network.relus.index(name) for name in self.layer_names}
        self.depth = 1 + max(self.stacks.values())
        with torch.no_grad():
            own = network(landmarks, depth=self.depth)
        self.register_buffer("z", landmarks)
        for stack, layer in enumerate(own):
            self.register_buffer(f"q{stack}", layer.marginals.q)
            self.register_buffer(f"whitening{stack}", _whitening(layer.own) * network.channels**0.5)

    def forward(self, S: Tensor, layers: Iterable[str] | None = None) -> dict[str, Tensor]:
        """Return the named feature maps ``(features, positions)`` of a spectrogram."""
        wanted = set(self.layer_names if layers is None else layers)
        P = self.network.multiply(S, self.network.arrange(self.z))
        band = _products(S, self._reach(0))
        maps: dict[str, Tensor] = {}
        for stack in range(self.depth):
            Q, band = self.network.convolve(P, stack), self._convolve(band, stack)
            q = band[0].clamp_min(LEAST_VARIANCE)
            K = arc_cosine(Q, self.get_buffer(f"q{stack}"), q)
            name = self.network.relus[stack]
            if name in wanted:
                F = self.get_buffer(f"whitening{stack}").mT @ K
                maps[name] = torch.cat([F, self._rest(F, q)])
            if stack < self.depth - 1:
                P = K if self.network.pooling == "none" else average_pooled(K)
                band = self._pool(_rectify(band, q), self._reach(stack + 1))
        return maps

    def _rest(self, F: Tensor, q: Tensor) -> Tensor:
        """Return the feature with the energy that the landmarks do not span, shape ``(1, time)``.

        Its sign alternates, so that it adds to no product with another feature on average.
        """
        energy = self.network.channels * q / 2
        rest = (energy - F.square().sum(0)).clamp_min(0) + LEAST_REST * energy
        signs = 1.0 - 2.0 * (torch.arange(len(q), device=q.device) % 2)
        return (signs * rest.sqrt())[None]

    def _reach(self, stack: int) -> int:
        """Return how far off the diagonal a sound's own kernel is needed in a stack."""
        pooled = self.network.pooling == "average"
        return 2 ** (self.depth - 1 - stack) - 1 if pooled else 0

    def _convolve(self, band: Tensor, stack: int) -> Tensor:
        weight, bias = self.network.variances[stack]
        window = 2 * self.network.radius + 1
        mean = avg_pool1d(band[:, None], window, stride=1, padding=self.network.radius)[:, 0]
        return (mean * (window * weight) + bias) / self.network.divisor

    def _pool(self, band: Tensor, reach: int) -> Tensor:
        """Return the mean over 2 x 2 blocks, as the exact kernel has it near its diagonal."""
        if self.network.pooling == "none":
            return band
        n = band.shape[1] // 2
        even, odd = band[:, 0 : 2 * n : 2], band[:, 1 : 2 * n : 2]
        rows = list[Tensor]()
        for k in range(reach + 1):
            below = odd[2 * k - 1] if k else even[1]
            mean = (even[2 * k] + even[2 * k + 1] + below + odd[2 * k]) / 4
            rows.append(pad(mean[: n - k], (0, k)))
        return torch.stack(rows)


def choose(sounds: Iterable[Tensor], *, count: int = LANDMARKS) -> Tensor:
    """Return a spectrogram of landmarks: stretches that are spread evenly over each sound.

    Parameters
    ----------
    sounds : iterable of Tensor, shape=(freq, time)
        Spectrograms. Each gives the same number of stretches of `STRETCH` frames.
    count : int > 0
        Number of landmarks.

    Returns
    -------
    Tensor, shape=(freq, landmarks)
        All frames if there are fewer than wanted.
    """
    sounds = list(sounds)
    most = max(count // (len(sounds) * STRETCH), 1)
    found = []
    for S in sounds:
        frames = S.shape[-1]
        if frames <= most * STRETCH:
            found.append(S)
            continue
        firsts = torch.linspace(0, frames - STRETCH, most).round().long().tolist()
        found += [S[:, first : first + STRETCH] for first in firsts]
    return torch.cat(found, dim=-1)


def _products(x: Tensor, reach: int) -> Tensor:
    """Return the products of each position with itself and the `reach` next ones.

    Row k holds the k-th diagonal of x^T x; beyond its end it is 0. Shape ``(1 + reach, time)``.
    """
    n = x.shape[-1]
    return torch.stack([pad((x[:, : n - k] * x[:, k:]).sum(0), (0, k)) for k in range(reach + 1)])


def _rectify(band: Tensor, q: Tensor) -> Tensor:
    """Return K from Q near the diagonal, with the layout of :func:`_products`."""
    n = len(q)
    rows = [q / 2]
    for k in range(1, len(band)):
        rows.append(pad(arc_cosine_of_pairs(band[k, : n - k], q[: n - k], q[k:]), (0, k)))
    return torch.stack(rows)


def _whitening(K: Tensor) -> Tensor:
    """Return W with W W^T = K^-1, without the eigenvectors of tiny eigenvalues."""
    values, vectors = torch.linalg.eigh(K.double())
    kept = values > _LEAST * values[-1]
    whitening: Tensor = (vectors[:, kept] * values[kept].rsqrt()).to(K)
    return whitening
