"""The section `chip` of an experiment: arrays, converters, periphery, buffers, and how they are grouped."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from cimest.config.base import Choice, Count, Fraction, Name, Section, Size
from cimest.config.calibration import Calibration
from hwlib.devices import Device
from hwlib.units import Quantity

Cell = Literal["1t1r", "fefet", "crossbar", "ecram", "capacitor_sram", "c2c_sram", "pulsed_sram", "digital_sram"]


class Array(Section):
    """A memory array and what is around each cell."""

    rows: int = Field(128, ge=2, le=4096)
    columns: int = Field(128, ge=2, le=4096)
    cell: Cell = Field(
        "1t1r",
        description="a device with a transistor, a ferroelectric transistor, a device with a selector, an ECRAM; or, "
        "for inference, static cells with a capacitor each, with a C-2C ladder for each word, that discharge columns, "
        "or with gates and adders",
    )
    selectivity: float = Field(
        1e3, ge=2, description="of a crossbar's selector: current at the write voltage over that at its half"
    )
    encoding: Literal["reference_column", "differential_pair", "two_pairs"] = Field(
        "reference_column",
        description="one cell per weight less a dummy line at mid conductance; two cells, G+ - G-; or two pairs of "
        "different significance. The difference is made of currents, before the ADC",
    )
    wire_resistance: Annotated[float, Quantity("ohm"), Field(ge=0)] | Literal["technology"] = Field(
        0.0,
        description="of a line from one cell to the next, by which reads lose voltage in training; technology: of a "
        "wire of minimum width. It changes no price",
    )
    wire_solution: Literal["corrected", "exact"] = Field(
        "corrected",
        description="corrected: by a correction fitted when converters are calibrated; exact: solved after each update",
    )
    pair_update: Literal["one_sided", "push_pull"] = Field(
        "one_sided",
        description="pair: both cells are only pulsed up, each for its sign, and refreshed; or one up and one down",
    )
    refresh_every: int = Field(
        10, ge=1, description="one_sided: updates between two refreshes, which read all pairs and rewrite full ones"
    )


class Adc(Section):
    """A converter at the edge of the arrays."""

    kind: Name = Field(
        "sar", description="a component of hwlib by its name without `_adc`; ideal: exact and free, for comparison"
    )
    bits: int = Field(6, ge=1, le=12)
    columns_per_adc: int = Field(8, ge=1, description="lines that share one ADC")
    range: Fraction | Literal["calibrated", "full"] = Field(
        "calibrated",
        description="full scale from measured partial sums, the largest possible one (all cells at an end of their "
        "range), or by design a fraction of that",
    )
    noise: float = Field(0.0, ge=0, le=100, description="thermal noise of a conversion, standard deviation in steps")
    offset: float = Field(0.0, ge=0, le=100, description="offset from converter to converter, deviation in steps")
    inl: float = Field(0.0, ge=0, le=100, description="largest integral nonlinearity of any converter in steps")


class Periphery(Section):
    """How a vector passes the arrays: what is put on their lines, and how often it is converted."""

    kind: Literal["bit_serial", "whole_vector"] = Field(
        "bit_serial",
        description="bit_serial: bit by bit at full voltage, each bit converted and shifted; whole_vector: every line "
        "takes the level of its word, with its sign, and a line's sum is converted once",
    )
    dac_bits: int = Field(7, ge=2, le=10, description="whole_vector: of each line's DAC, with the sign")
    output_range: float | None = Field(
        None,
        gt=0,
        description="whole_vector: largest sum that adc and backward_adc convert, in full inputs on cells at an end of "
        "their range; null: as `range` of either says",
    )
    noise_management: Literal["none", "abs_max"] = Field(
        "none", description="abs_max: each vector is scaled so that its largest input is full, and its results back"
    )
    bound_management: Literal["none", "iterative"] = Field(
        "none", description="iterative: a vector that ends a converter's range is read again with half the inputs"
    )
    retries: int = Field(4, ge=1, le=10, description="iterative: how often at most")


class WeightGradient(Section):
    """The unit that multiplies stored activations by streamed errors."""

    unit: Literal["sram_cim", "digital", "in_array"] = Field(
        "sram_cim",
        description="SRAM compute-in-memory arrays; multipliers that skip zeros and are exact; or none, and each "
        "image's outer products are pulsed in the weight arrays themselves",
    )
    lanes: int = Field(1024, ge=1, description="multipliers of a digital unit")
    operand_buffer: Size = Field(8 * 2.0**16, description="activations and errors kept beside a digital unit")
    train_length: int = Field(
        31, ge=1, le=1023, description="slots of an outer product's pulse trains of either sign, for in_array"
    )
    rows: int = Field(128, ge=2, le=4096)
    columns: int = Field(128, ge=2, le=4096)
    arrays: Count | Literal["auto"] = Field(
        "auto", description="arrays of the unit; auto: as many as one image fills in the largest convolution"
    )
    adc_kind: Name = "flash"
    adc_bits: int = Field(4, ge=1, le=12)
    columns_per_adc: int = Field(8, ge=1)
    adc_range: Fraction | Literal["calibrated", "full"] = "calibrated"
    adc_noise: float = Field(0.0, ge=0, le=10, description="as the same of `adc`")
    adc_offset: float = Field(0.0, ge=0, le=100, description="as the same of `adc`")
    adc_inl: float = Field(0.0, ge=0, le=100, description="as the same of `adc`")
    buffer: Size = Field(8 * 2.0**18, description="gradient buffer")


class Inference(Section):
    """What chips have that only infer: these choices need `training: none`."""

    weight_bits: int = Field(
        8, ge=1, le=8, description="of weights in static cells: of a word, or columns side by side in capacitor_sram"
    )
    inputs: Literal["bit_serial", "weighted_pulses", "dac", "pulse_width", "pulse_count"] = Field(
        "bit_serial",
        description="words enter bit by bit, each converted; as pulses that are integrated by weight before one "
        "conversion; as voltages; as lengths of pulses; or as numbers of them",
    )
    sensing: Literal["current", "voltage"] = Field(
        "current", description="of 1t1r cells: columns held at virtual ground, or left to settle at a weighted mean"
    )
    operation: Literal["and", "xnor"] = Field(
        "xnor", description="of one-bit cells: products of bits 0 and 1, or of bits -1 and +1"
    )
    stored_words: int = Field(1, ge=1, le=64, description="words of weights stored for each ladder, or for each adder")
    dac_resistance: Annotated[float, Quantity("ohm"), Field(gt=0)] = Field(
        10e3, description="R of the resistor ladder of an input's dac"
    )
    phases: int = Field(
        1, ge=1, le=4, description="weighted_pulses: parts of a word, each integrated and converted by itself"
    )
    built_bits: int = Field(
        8, ge=1, le=12, description="resolution that neurons of weighted_pulses are built for, read to adc.bits"
    )
    pulse: Annotated[float, Quantity("s"), Field(gt=0)] = Field(
        10e-9, description="for how long a pulse of weighted_pulses drives an input line"
    )
    datapath: Literal["shift_add", "near_memory"] = Field(
        "shift_add", description="of each converter: sums alone, or with scale, offset and rectifier beside it"
    )
    cycle: Annotated[float, Quantity("s"), Field(gt=0)] | None = Field(
        None,
        description="of one read: of a vector, or one of its bits if bit_serial, by one of the groups of columns that "
        "share converters, in one phase; null: as long as circuits need",
    )


class Write(Section):
    """How rows of weights are written."""

    verify: Literal["none", "row"] = Field(
        "none", description="row: each row is read before it is written, and after, and written again"
    )
    rounds: float = Field(
        2.0,
        ge=1,
        le=100,
        description="writes of a row until it holds what it should, as an estimate assumes; training measures it",
    )


class Hierarchy(Section):
    """How arrays are grouped: arrays in a PE, PEs in a tile; a tile belongs to one layer."""

    arrays_per_pe: int = Field(4, ge=1)
    pes: Count | Literal["auto"] = Field(
        "auto", description="PEs of a tile; auto: the most that keep four fifths of the arrays in use"
    )
    buffer: Size = Field(8 * 2.0**14, description="input buffer of a tile")
    bus_bits: int = Field(256, ge=8, description="width of the H-tree inside a tile")


class AttentionChoice(Section):
    """What multiplies activations by activations."""

    kind: Literal["digital", "rewritable"] = Field(
        "digital",
        description="multipliers, or SRAM compute-in-memory arrays like those of chip.weight_gradient, into which one "
        "operand of each product is written",
    )
    lanes: int = Field(1024, ge=1, description="multipliers of a digital unit")
    buffer: Size = Field(8 * 2.0**16, description="operands kept beside a digital unit")
    arrays: Count | Literal["auto"] = Field(
        "auto", description="rewritable arrays; auto: as many as the largest operand fills, of all heads"
    )


class GlobalBuffer(Section):
    """SRAM between the tiles and the DRAM."""

    size: Size = 8 * 2.0**20
    word_bits: int = Field(256, ge=8)


class DramChoice(Section):
    """Memory outside the chip."""

    kind: Literal["hbm2", "gddr5", "ddr4", "lpddr4", "lpddr5"] = "hbm2"
    devices: Count = Field(
        1, description="stacks, packages or modules side by side; one of hbm2 or gddr5 is as fast as NeuroSim's memory"
    )


class DeviceChoice(Choice):
    """A device of hwlib or of a YAML file, with changed fields beside `base`."""

    base: Name
    fill_from: Name | None = Field(
        None, description="another device, for fields that the record of base lacks, such as voltages and resistances"
    )


class Chip(Section):
    """The hardware."""

    technology: str = "22nm"
    roadmap: Literal["hp", "lstp"] = Field("lstp", description="high performance, or low standby power")
    temperature: Annotated[float, Quantity("K"), Field(ge=300, le=400)] = 300.0
    supply: Annotated[float, Quantity("V"), Field(gt=0)] | None = Field(None, description="null: the node's own")
    clock: Annotated[float, Quantity("Hz"), Field(gt=0, le=1e10)] = 1e9
    corner: Literal["low", "typical", "high"] = Field("typical", description="of every datum that has a spread")
    calibration: Calibration = Field(Calibration(), description="factors between the physics and measured chips")
    device: Device
    array: Array = Array()
    adc: Adc = Adc()
    backward_adc: Adc = Field(default_factory=Adc, description="what is not said is taken from adc")
    periphery: Periphery = Periphery()
    input_bits: int = Field(8, ge=1, le=8, description="bits of activations, one a cycle if bit_serial")
    error_bits: int = Field(
        8, ge=2, le=8, description="bits of errors with sign; magnitudes go in two phases, one per sign"
    )
    signed_inputs: Literal["two_phase", "twos_complement"] = Field(
        "two_phase",
        description="of activations that can be negative: magnitudes of one sign after the other, or all bits once, "
        "the uppermost negative",
    )
    mapping: Literal["unrolled", "kernel_position"] = "unrolled"
    duplication: Literal["none", "fill_tile"] = Field(
        "none", description="copies of small layers in the spare arrays of a tile"
    )
    tile: Hierarchy = Hierarchy()
    bus_bits: int = Field(1024, ge=8, description="width of the H-tree between the tiles")
    weight_gradient: WeightGradient = WeightGradient()
    update_arrays: int = Field(16, ge=1, description="arrays that are written at the same time")
    inference: Inference = Inference()
    write: Write = Write()
    attention: AttentionChoice = AttentionChoice()
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
