"""Layers with weights that have no memory: a convolution's analog tile with what is digital at its output."""

from __future__ import annotations

from typing import Any

import numpy as np

from cimest.kernels.digital import column_sums, mean_square, shift
from cimest.kernels.patches import add_columns, im2col
from cimest.learning.codes import Codes, Errors, Signal, follows, power_of_two, quantise
from cimest.learning.layers import Part, State
from cimest.learning.tile import AnalogTile
from cimest.network import Conv, Weighted

MEAN_MEMORY = 0.9
"""Share of the running mean of a channel that stays after a batch (our choice)."""

PIECE = 6_000_000
"""Numbers that the arrays give backward before they are added up on the map: those of a batch are never together."""


class Centring:
    """The digital offset and shift at the output of a tile, and the offset of the errors that come back there.

    Each output channel is centred: its running mean over the batches before is subtracted, so that no batch has
    to wait for its own. Device asymmetry drives all weights of a column together, which shifts whole channels and
    ends with rectifiers that never open; centring removes just that (our choice; there is no learned bias or gain).

    Errors may be centred the same way. A channel's mean error asks for another mean of its output, which the layer
    cannot give, for it is taken off again; but the layers before would follow it, with outputs that grow while the
    running means run after them. Measured on VGG-8 at an eighth of its width, an ideal device, error feedback, after
    1 000 batches of 50: loss 1.22 with centred errors, 1.39 without. In other networks than chains it does
    harm, for the mean of errors there swings from batch to batch, and the running one comes late (the transformer of
    the examples: 67 % without, 55 % with them). Those of a recurrent layer are never centred.

    Parameters
    ----------
    channels : int
    target : float
        Root mean square of the output that the shift aims at.

    Attributes
    ----------
    offset : array, shape (channels,), or None
        Where the centre of each channel is put, none: at zero.
    free : bool
        Whether what is behind follows the output's size. At the end of it lies the loss, which does not: it sees a new
        shift of a layer before as larger or smaller outputs.
    centred, errors_too : bool
        Whether means are subtracted from outputs, and from errors.
    mean, mean_error : array, shape (channels,)
        Running means of the outputs before, and of the errors at them after, shift and centring; of errors None until
        there are some. They keep their size when a shift changes: behind a softmax, errors have that of its labels.
    followers : list
        What goes by the output's size where it is free: its codes, and the layers behind; each has `rescale`.
    """

    def __init__(self, channels: int, target: float, centred: bool = True, errors_too: bool = False):
        self.target, self.scale, self.batches = target, 1.0, 0
        self.centred, self.errors_too = centred, errors_too
        self.mean = np.zeros(channels, dtype=np.float32)
        self.mean_error: np.ndarray | None = None
        self.offset: np.ndarray | None = None
        self.free = False
        self.followers: list[Any] = []

    @property
    def adapts(self) -> bool:
        """Whether the shift changes after the first batch; that of the last layer, behind which is none, does not."""
        return self.free and bool(self.followers)

    def follow(self, y: np.ndarray, unit: float = 1.0) -> None:
        """Take the means of a batch into the running ones; the first batch's are taken as they are.

        Outputs count in units of a power of two.
        """
        self.batches += 1
        if not self.centred:
            return
        latest = (column_sums(y) * unit / len(y)).astype(np.float32)
        if self.batches == 1:
            self.mean = latest
        self.mean = self.mean + np.float32(1 - MEAN_MEMORY) * (latest - self.mean)

    def errors(self, error: np.ndarray) -> np.ndarray:
        """Errors (vectors, channels) less the running mean of those of the batches before, which follows; in place."""
        if not self.errors_too:
            return error
        error = np.ascontiguousarray(error)
        latest, before = (column_sums(error) / len(error)).astype(np.float32), self.mean_error
        if before is None:
            self.mean_error = latest
        else:
            self.mean_error = before + np.float32(1 - MEAN_MEMORY) * (latest - before)
            shift(error, 1.0, -before)
        return error

    def apply(self, y: np.ndarray, mean: np.ndarray, measuring: bool, unit: float = 1.0) -> None:
        """Centre and scale outputs (vectors, channels) in place; measuring follows their size."""
        if measuring:
            self._adjust(mean_square(y * np.float32(unit) - mean) ** 0.5)
        offset = mean * np.float32(-self.scale)
        shift(y, self.scale * unit, offset if self.offset is None else offset + self.offset)

    def _adjust(self, size: float) -> None:
        """Choose the shift for outputs of that root mean square; later only if that is off by a factor of two."""
        fresh = self.batches == 1
        if size > 0 and (fresh or self.adapts):
            before, wanted = self.scale, self.target / size
            self.scale = power_of_two(wanted) if fresh else follows(before, wanted)
            if not fresh:
                self._pass_on(self.scale / before)

    def _pass_on(self, ratio: float) -> None:
        """All layers behind take a change of size at once, so that none of their codes changes."""
        for follower in self.followers:
            follower.rescale(ratio)

    @property
    def constant(self) -> np.ndarray:
        """Offset of each channel where means do not move."""
        offset = self.mean * np.float32(-self.scale)
        return offset if self.offset is None else offset + self.offset

    def rescale(self, ratio: float) -> None:
        """What comes in is larger by a power of two from now on, and what goes out if its size is free."""
        self.mean *= np.float32(ratio)
        if self.free:
            self._pass_on(ratio)
        else:
            self.scale /= ratio

    def state(self) -> State:
        """All that the next batch depends on."""
        return {"mean": self.mean, "mean_error": self.mean_error, "scale": self.scale, "batches": self.batches}

    def restore(self, state: State) -> None:
        """Take up what `state` gave."""
        self.mean, self.scale, self.batches = state["mean"].copy(), state["scale"], state["batches"]
        self.mean_error = None if state["mean_error"] is None else state["mean_error"].copy()


class WeightedPart(Part):
    """A layer whose weights are on a tile.

    After `backward`, `x` and `delta` are the operands of its weight gradient: the codes that the arrays took, of all
    vectors of the batch, and the errors at their outputs.
    """

    x: np.ndarray
    delta: Errors

    def __init__(
        self, layer: Weighted, tile: AnalogTile, target: float, error_bits: int, passes: bool, errors_too: bool = False
    ):
        self.layer, self.tile, self.error_bits = layer, tile, error_bits
        self.passes = passes
        self.centring = Centring(layer.fan_out, target, tile.centred, errors_too)

    def state(self) -> State:
        """See `Centring`."""
        return self.centring.state()

    def restore(self, state: State) -> None:
        """Take up what `state` gave."""
        self.centring.restore(state)


class Matrix(WeightedPart):
    """A convolution.

    Parameters
    ----------
    layer : Conv
    tile : AnalogTile
    target : float
        See `Centring`.
    error_bits : int
        Of the errors, with sign.
    passes : bool
        Whether errors at the input are needed.
    errors_too : bool
        See `Centring`.

    Attributes
    ----------
    faces_labels : bool
        Whether its outputs are the network's; see `quantise`.
    """

    layer: Conv
    faces_labels: bool = False

    def forward(self, *inputs: Signal, training: bool) -> np.ndarray:
        """Scaled and centred products; training remembers the inputs and follows the mean."""
        (signal,) = inputs
        assert isinstance(signal, Codes), "a model encodes what arrays read"
        x = im2col(signal.codes, self.layer)
        y = np.ascontiguousarray(self.tile.forward(x))
        centring = self.centring
        mean = centring.mean
        if training:
            self.x = x
            first = centring.batches == 0
            centring.follow(y, signal.step)
            mean = centring.mean if first else mean
        centring.apply(y, mean, self.tile.measuring and training, signal.step)
        return y.reshape(len(signal.codes), *self.layer.output[1:], self.layer.fan_out)

    def backward(self, error: np.ndarray) -> tuple[np.ndarray, ...]:
        """Errors at the input, if they are needed."""
        centred = self.centring.errors(error.reshape(-1, self.layer.fan_out))
        self.delta = quantise(centred, self.error_bits, self.faces_labels)
        if not self.passes:
            return ()
        layer, channels = self.layer, self.layer.input[0]
        maps = np.zeros((len(error), *layer.input[1:], channels), dtype=np.float32)
        factor = self.delta.scale * self.centring.scale
        samples = max(1, PIECE // (layer.positions * layer.kernel_positions * channels))
        for number, piece in enumerate(self.tile.backward_by(samples * layer.positions, self.delta)):
            add_columns(maps[number * samples : (number + 1) * samples], piece, layer, factor)
        return (maps,)
