"""The schema of an experiment: every key, its meaning, what is allowed, and its default."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cimest.config.base import Choice, Name, Section
from cimest.config.chip import Chip
from cimest.config.programming import Programming
from hwlib.units import Quantity

NETWORK_FILES = (".yaml", ".yml", ".onnx")
"""Endings by which the name of a network is a file."""


class NetworkChoice(Choice):
    """A network of the zoo, or a YAML or ONNX file; further keys are its own options, for example `width`."""

    name: Name


class DatasetChoice(Choice):
    """A data set and how much of it is used; further keys are its own options, for example `size`."""

    name: Name
    path: str | None = Field(
        None, description="folder with the official files; null: the cache, or the package that holds it"
    )
    train: int | None = Field(None, ge=1, description="training images; null: all")
    test: int | None = Field(None, ge=1, description="test images; null: all")
    validation: int | None = Field(
        None, ge=1, description="training images, the last ones, that are held out and tested on instead of test images"
    )


class RuleChoice(Choice):
    """A training rule; further keys are its own options, for example `gamma`."""

    name: Name


class LearningRate(Section):
    """Step size: what a normalised gradient of one adds to a weight in the middle of its range, which is 2 wide."""

    start: float = Field(0.03, gt=0, le=1000)
    schedule: Literal["constant", "cosine"] = "cosine"
    end: float = Field(0.02, ge=0, le=1, description="last step size of the cosine, as a fraction of the first")


Centred = Literal["none", "outputs", "outputs_and_errors"]


class Training(Section):
    """How the network is trained."""

    kind: Literal["on_chip", "none"] = Field(
        "on_chip", description="none: inference alone is priced, by `cimest estimate`, with no circuit that learns"
    )
    rule: RuleChoice = RuleChoice(name="momentum")
    epochs: int = Field(8, ge=1)
    batch: int = Field(50, ge=1)
    learning_rate: LearningRate = LearningRate()
    batch_time: Annotated[float, Quantity("s"), Field(ge=0)] | None = Field(
        None, description="between two updates, in which conductances drift; null: as the chip takes, by estimate"
    )
    loss: Literal["cross_entropy", "squared_error"] = "cross_entropy"
    initial_range: float = Field(
        0.5, gt=0, le=1, description="first weights are uniform within ± this fraction of full range"
    )
    start_from: str | None = Field(
        None,
        description="weights to go on from, written into this chip's devices: the folder of a run of the same network, "
        "with what its digital circuits had learned, or a file (.npz as `cimest extract --out` writes it, or "
        ".safetensors) with an array (fan-in, fan-out) within ±1 for each layer. Running means of that run stay taken "
        "off where nothing is centred any more, which is not priced",
    )
    weight_noise: float = Field(
        0.0,
        ge=0,
        le=1,
        description="normal noise on all weights, other in each batch, the same forward and backward, in place of read "
        "noise: its deviation over the largest weight of a layer. For weights that are programmed elsewhere; no "
        "circuit is priced that makes it",
    )
    centring: Centred | None = Field(
        None,
        description="what the running mean of each channel is taken off, digitally: outputs of layers with weights, or "
        "also the errors that come back to them. By itself: both in a chain of convolutions and rectifiers, outputs in "
        "other networks, and none where pulses in the arrays are the update or a batch is one image: inputs then count "
        "from their mean over a batch",
    )
    clip: float | None = Field(
        None,
        ge=1,
        description="largest weight over the standard deviation of a layer's weights: after each update those beyond "
        "are pulsed back. The pulses are priced, the reads that find them are not",
    )


class Gradient(Section):
    """Where weight gradients of a batch are summed."""

    accumulate: Literal["dram", "dram_per_batch", "on_chip", "in_unit"] | None = Field(
        None,
        description="dram: each image's gradient goes out and back; dram_per_batch: in the gradient buffer, and once "
        "a batch out and back; on_chip: in the gradient buffer; in_unit: in a digital unit's lanes, block by block",
    )
    bits: int = Field(16, ge=4, le=32, description="word in which gradients are summed and handed to the rule")
    early: bool | None = Field(
        None,
        description="a layer whose gradient has room on the chip from the first image on takes images as they come, so "
        "that they need not wait for the batch; those with most to wait for a bit of gradient come first",
    )
    room: Literal["own", "shared"] | None = Field(
        None,
        description="own: the gradient buffer; shared: the global buffer too, unless all that waits there has room, "
        "and then what waits for the batch does so in DRAM",
    )


class Dataflow(Section):
    """The schedule of a training step; what is not said is taken from `base`."""

    base: Literal["naive", "optimised"] = "optimised"
    loop_order: Literal["image_outer", "slice_outer", "split"] | None = Field(
        None,
        description="weight gradient: all layers of an image; all images for one slice of a layer; or the first "
        "layers in the one order and the others in the other",
    )
    image_layers: int | None = Field(
        None, ge=0, description="under split: layers with weights, from the first, that go image by image"
    )
    image_group: int = Field(
        1, ge=1, description="images that a layer which goes image by image takes together, with sums in_unit"
    )
    gradient: Gradient = Gradient()
    operand_writes: Literal["per_kernel_position", "once"] | None = Field(
        None, description="writes of the activations into the weight-gradient unit"
    )
    activations: Literal["dram", "buffer"] | None = Field(
        None, description="dram: between layers through DRAM; buffer: in the global buffer, spilling what does not fit"
    )
    overlap: bool | None = Field(None, description="transfers hidden behind computation")
    pipelined: bool | None = Field(
        None, description="images follow one another through the layers; the slowest resource sets the pace"
    )
    accounting: Literal["ours", "neurosim"] = Field(
        "ours", description="neurosim: what is counted and how often as in DNN+NeuroSim V2.1, to compare with it"
    )


class Experiment(Section):
    """One experiment: network, data, chip, training rule and dataflow."""

    network: NetworkChoice
    dataset: DatasetChoice
    chip: Chip
    training: Training = Training()
    dataflow: Dataflow = Dataflow()
    activity: str | None = Field(
        None, description="recorded activity for an estimate without a run: a file, or the folder of one"
    )
    programming: Programming = Field(default_factory=Programming, description="how trained weights are written")
    seed: int = Field(0, ge=0, lt=2**32)

    @property
    def one_by_one(self) -> bool:
        """Whether a batch is one sample; pricing takes batches as arrays too, in which none may be one."""
        return isinstance(self.training.batch, int) and self.training.batch == 1

    def centred(self, chain: bool) -> Centred:
        """What is centred, in a network that is a chain of layers with weights and rectifiers, or another."""
        if self.chip.weight_gradient.unit == "in_array":  # pulses follow the gradient of outputs as they are
            return "none"
        if self.one_by_one:  # inputs count from their mean over the batch: nothing would be left of one vector
            return "none"
        return self.training.centring or ("outputs_and_errors" if chain else "outputs")
