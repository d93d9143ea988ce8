"""The schema of an experiment: every key, its meaning, what is allowed, and its default."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hwlib.devices import Device
from hwlib.units import Quantity

Size = Annotated[float, Quantity("bit"), Field(gt=0)]
Name = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """Base of all sections: unknown keys are refused, values are finite and do not change afterwards."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NetworkChoice(BaseModel):
    """A network of the zoo; further keys are its own options, for example `width`."""

    model_config = ConfigDict(frozen=True, extra="allow")
    name: Name

    @property
    def options(self) -> dict[str, Any]:
        """The network's own options."""
        return dict(self.model_extra or {})


class DatasetChoice(Section):
    """A data set and how much of it is used."""

    name: Name
    path: str | None = Field(
        None, description="folder with the official files; none: the cache, or the package that holds it"
    )
    train: int | None = Field(None, ge=1, description="training images; none: all")
    test: int | None = Field(None, ge=1, description="test images; none: all")


class Array(Section):
    """A memory array and what is around each cell."""

    rows: int = Field(128, ge=2, le=4096)
    columns: int = Field(128, ge=2, le=4096)
    cell: Literal["1t1r"] = "1t1r"
    encoding: Literal["reference_column"] = Field(
        "reference_column",
        description="one cell per weight; a dummy line at mid conductance is subtracted before the ADC",
    )


class Adc(Section):
    """A converter at the edge of the arrays."""

    kind: Name = Field("sar", description="a component of hwlib by its name without `_adc`")
    bits: int = Field(6, ge=1, le=12)
    columns_per_adc: int = Field(8, ge=1, description="lines that share one ADC")
    range: Literal["calibrated", "full"] = Field(
        "calibrated", description="full scale from measured partial sums, or from the largest possible one"
    )
    noise: float = Field(0.0, ge=0, le=10, description="thermal noise of a conversion, standard deviation in steps")


class WeightGradient(Section):
    """The unit that multiplies stored activations by streamed errors."""

    unit: Literal["sram_cim", "digital"] = Field(
        "sram_cim", description="SRAM compute-in-memory arrays, or multipliers that skip zeros and are exact"
    )
    lanes: int = Field(1024, ge=1, description="multipliers of a digital unit; what follows is for sram_cim")
    rows: int = Field(128, ge=2, le=4096)
    columns: int = Field(128, ge=2, le=4096)
    arrays: Count | Literal["auto"] = Field(
        "auto", description="arrays of the unit; auto: as many as one image fills in the largest convolution"
    )
    adc_kind: Name = "flash"
    adc_bits: int = Field(4, ge=1, le=12)
    columns_per_adc: int = Field(8, ge=1)
    adc_range: Literal["calibrated", "full"] = "calibrated"
    buffer: Size = Field(8 * 2.0**18, description="gradient buffer")


class Hierarchy(Section):
    """How arrays are grouped: arrays in a PE, PEs in a tile; a tile belongs to one layer."""

    arrays_per_pe: int = Field(4, ge=1)
    pes: Count | Literal["auto"] = Field(
        "auto", description="PEs of a tile; auto: the most that keep four fifths of the arrays in use"
    )
    buffer: Size = Field(8 * 2.0**14, description="input buffer of a tile")
    bus_bits: int = Field(256, ge=8, description="width of the H-tree inside a tile")


class GlobalBuffer(Section):
    """SRAM between the tiles and the DRAM."""

    size: Size = 8 * 2.0**20
    word_bits: int = Field(256, ge=8)


class DramChoice(Section):
    """Memory outside the chip."""

    kind: Literal["hbm2", "gddr5"] = "hbm2"


class DeviceChoice(BaseModel):
    """A device of hwlib or of a YAML file, with changed fields beside `base`."""

    model_config = ConfigDict(frozen=True, extra="allow")
    base: Name


class Chip(Section):
    """The hardware."""

    technology: str = "22nm"
    roadmap: Literal["hp", "lstp"] = Field("lstp", description="high performance, or low standby power")
    temperature: Annotated[float, Quantity("K"), Field(ge=300, le=400)] = 300.0
    supply: Annotated[float, Quantity("V"), Field(gt=0)] | None = Field(None, description="none: the node's own")
    clock: Annotated[float, Quantity("Hz"), Field(gt=0)] = 1e9
    corner: Literal["low", "typical", "high"] = Field("typical", description="of every datum that has a spread")
    device: Device
    array: Array = Array()
    adc: Adc = Adc()
    backward_adc: Adc = Field(default_factory=Adc, description="what is not said is taken from adc")
    input_bits: int = Field(8, ge=2, le=8, description="bits of activations, applied one a cycle")
    error_bits: int = Field(
        8, ge=2, le=8, description="bits of errors with sign; magnitudes go in two phases, one per sign"
    )
    mapping: Literal["unrolled", "kernel_position"] = "unrolled"
    duplication: Literal["none", "fill_tile"] = Field(
        "none", description="copies of small layers in the spare arrays of a tile"
    )
    tile: Hierarchy = Hierarchy()
    bus_bits: int = Field(1024, ge=8, description="width of the H-tree between the tiles")
    weight_gradient: WeightGradient = WeightGradient()
    update_arrays: int = Field(16, ge=1, description="arrays that are written at the same time")
    global_buffer: GlobalBuffer = GlobalBuffer()
    dram: DramChoice = DramChoice()

    @model_validator(mode="before")
    @classmethod
    def _inherit_adc(cls, data: Any) -> Any:
        """Fill what `backward_adc` does not say from `adc`."""
        if (
            isinstance(data, dict)
            and isinstance(data.get("backward_adc", {}), dict)
            and isinstance(data.get("adc", {}), dict)
        ):
            data = {**data, "backward_adc": {**data.get("adc", {}), **data.get("backward_adc", {})}}
        return data


class RuleChoice(BaseModel):
    """A training rule; further keys are its own options, for example `gamma`."""

    model_config = ConfigDict(frozen=True, extra="allow")
    name: Name

    @property
    def options(self) -> dict[str, Any]:
        """The rule's own options."""
        return dict(self.model_extra or {})


class LearningRate(Section):
    """Step size: pulses at a normalised gradient of one are half of `start` times the states of the device."""

    start: float = Field(0.03, gt=0)
    schedule: Literal["constant", "cosine"] = "cosine"
    end: float = Field(0.02, ge=0, le=1, description="last step size of the cosine, as a fraction of the first")


class Training(Section):
    """How the network is trained."""

    rule: RuleChoice = RuleChoice(name="momentum")
    epochs: int = Field(8, ge=1)
    batch: int = Field(50, ge=1)
    learning_rate: LearningRate = LearningRate()
    loss: Literal["cross_entropy", "squared_error"] = "cross_entropy"
    initial_range: float = Field(
        0.5, gt=0, le=1, description="first weights are uniform within ± this fraction of full range"
    )


class Gradient(Section):
    """Where weight gradients of a batch are summed."""

    accumulate: Literal["dram", "on_chip"] | None = Field(
        None, description="dram: each image's gradient goes out and back; on_chip: in the gradient buffer"
    )
    bits: int = Field(16, ge=4, le=32, description="word in which gradients are summed and handed to the rule")


class Dataflow(Section):
    """The schedule of a training step; what is not said is taken from `base`."""

    base: Literal["naive", "optimised"] = "optimised"
    loop_order: Literal["image_outer", "slice_outer"] | None = Field(
        None, description="weight gradient: all layers of an image, or all images for one slice of a layer"
    )
    gradient: Gradient = Gradient()
    operand_writes: Literal["per_kernel_position", "once"] | None = Field(
        None, description="writes of the activations into the weight-gradient unit"
    )
    activations: Literal["dram", "buffer"] | None = Field(
        None, description="dram: between layers through DRAM; buffer: in the global buffer, spilling what does not fit"
    )
    overlap: bool | None = Field(None, description="transfers hidden behind computation")


class Experiment(Section):
    """One experiment: network, data, chip, training rule and dataflow."""

    network: NetworkChoice
    dataset: DatasetChoice
    chip: Chip
    training: Training = Training()
    dataflow: Dataflow = Dataflow()
    activity: str | None = Field(None, description="file with recorded activity, for an estimate without a run")
    seed: int = Field(0, ge=0, lt=2**32)
