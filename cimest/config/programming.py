"""The section `programming` of an experiment: how trained weights are written into devices, and when they are read."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cimest.config.base import Section
from cimest.config.chip import DeviceChoice
from hwlib.units import Quantity

Time = Annotated[float, Quantity("s"), Field(ge=0)]


class Weights(Section):
    """Weights that are programmed: a density where there is no trained network, or a file with matrices."""

    kind: Literal["gaussian", "laplace", "uniform", "bimodal"] = Field(
        "gaussian", description="density of the weights, cut at the largest one"
    )
    spread: float | None = Field(
        None, gt=0, le=10, description="standard deviation, or scale, over the largest weight; null: the usual one"
    )
    file: str | None = Field(
        None,
        description="an .npz, .safetensors or .onnx file, instead of a density; of a run, weights that its network "
        "takes instead of its own, by the names of its layers",
    )


class Programming(Section):
    """Weight programming, for `cimest program`."""

    device: DeviceChoice | None = Field(
        None,
        description="that is programmed, a name of hwlib or a YAML file, or with changes; null: the one of the chip",
    )
    weights: Weights = Weights()
    pairs: int = Field(2, ge=1, le=4, description="differential pairs of devices that carry a weight")
    factor: float | None = Field(
        None, ge=1, le=8, description="significance of each pair over the next; null: the best one is searched"
    )
    clip: bool = Field(
        False,
        description="also search how many of the largest weights to clip. The weights' error falls, the network's may "
        "not: largest weights matter most, and in the LSTM of examples/programming what clipping takes from them costs "
        "two to five times the loss that noise of the same mean square does. So test it beside the optimum",
    )
    method: Literal["structured", "evolution"] = Field(
        "structured", description="weight by weight, or the published differential evolution of six magnitudes"
    )
    rules: tuple[Literal["least_first", "most_first", "proportional", "equal_split"], ...] = Field(
        (),
        description="rules of thumb that are programmed and aged beside the best one, at a significance of 2, or at "
        "`factor`",
    )
    strategy: str | None = Field(None, description="a strategy.csv of your own, evaluated beside the others")
    compensation: Literal["none", "global", "column", "least_squares"] = Field(
        "global",
        description="of drift: by the mean magnitude of a matrix or of each of its columns, or by known weights",
    )
    times: tuple[Time, ...] = Field(
        (1.0, 3600.0, 86400.0, 2592000.0, 31536000.0), min_length=1, description="reads, since the end of programming"
    )
    window: float | None = Field(
        None,
        gt=0,
        le=6,
        description="writes are repeated until the error is within so many standard deviations of one write; null: "
        "the device's error as published",
    )
    largest_conductance: Annotated[float, Quantity("S"), Field(gt=0)] | None = Field(
        None, description="that is aimed at; null: the device's own"
    )
    largest_current: Annotated[float, Quantity("A"), Field(gt=0)] | None = Field(
        None, description="mean current into the columns of a weight with all rows on"
    )
    longest_read: Annotated[float, Quantity("s"), Field(gt=0)] | None = Field(
        None, description="of the most significant pair, which is read so many times longer as it is significant"
    )
    per: Literal["layer", "network"] = Field("layer", description="one strategy for each layer, or for all")
    order: Literal["physical", "split_again"] = Field(
        "physical", description="split_again: written weights are split into pairs anew before they age, as in aihwkit"
    )
    repeats: int = Field(25, ge=1, le=1000, description="programmings of a network")
