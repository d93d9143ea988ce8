"""`Design`: what the passes of a training step need to know about chip, schedule and batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cimest.config.chip import Chip
from cimest.config.schedule import Schedule
from cimest.config.schema import Centred
from cimest.dataflow.room import Room, allot, excess
from cimest.mapping import operands
from cimest.mapping.floorplan import FloorPlan, Placement
from cimest.mapping.part import Part
from cimest.network import Layer, Lstm, Network, Normalise
from cimest.network.stages import Stage, stages
from hwlib.component import Real


@dataclass(frozen=True)
class Design:
    """A network on a chip under a schedule.

    Parameters
    ----------
    network : Network
    chip : Chip
    plan : FloorPlan
    schedule : Schedule
    batch : int
        Samples between two weight updates.
    parts : mapping
        The chip's inventory by name.
    learning_rate : float or array
        At the start, which sets the trains of an update in the arrays; infinite: the longest ones.
    centred : {"none", "outputs", "outputs_and_errors"}
        What the running means of channels are taken off.
    gathered : int
        Vectors of a layer whose inputs and errors wait until the weights are written; see `InMemory.gathered`.
    reads_beside : int
        Arrays whose currents add to those of the weights in every product; see `InMemory.reads_beside`.
    """

    network: Network
    chip: Chip
    plan: FloorPlan
    schedule: Schedule
    batch: int
    parts: Mapping[str, Part]
    learning_rate: Real = float("inf")
    centred: Centred = "outputs"
    gathered: int = 1
    reads_beside: int = 0

    @property
    def gradient_arrays(self) -> Real:
        """Arrays of the weight-gradient unit."""
        return self.parts["gradient_array"].count

    def units(self, part: str, places: Real = 1) -> Real:
        """Instances of a part that work side by side, at one of so many places. At least one."""
        return np.maximum(1, self.parts[part].count / places)

    def conductance(self, fraction: Real) -> Real:
        """Conductance at a fraction of the device's range. [S]"""
        device = self.chip.device
        return device.conductance_min + fraction * (device.conductance_max - device.conductance_min)

    def sense_time(self, adc: str) -> Real:
        """How long an array conducts for one conversion of that ADC. [s]"""
        return self.parts[adc].component.sense_time  # type: ignore[attr-defined]

    @property
    def error_cycles(self) -> int:
        """Cycles of one error vector: the bits of its magnitudes, once for each sign."""
        return operands.errors(self.chip).cycles

    def stacked(self, placement: Placement) -> Real:
        """1 if all images of a batch pass before a slice of a layer's gradient leaves the unit, 0 if one does."""
        if self.schedule.loop_order == "split":
            return np.where(self._place(placement) >= np.asarray(self.schedule.image_layers), 1.0, 0.0)[()]
        return float(self.schedule.stacked)

    def images_at_once(self, placement: Placement) -> Real:
        """Images whose weight gradients of a layer are formed together before they leave the unit."""
        return np.where(self.stacked(placement), self.batch, self.schedule.image_group)[()]

    @property
    def products_in_a_lane(self) -> Real:
        """Most products that a lane of a digital weight-gradient unit sums before the block leaves it."""
        largest: Real = 1
        for placement in self.plan.placements:
            images = self.images_at_once(placement) if self.schedule.accumulate == "in_unit" else 1
            largest = np.maximum(largest, placement.layer.positions * images)
        return largest

    def _place(self, placement: Placement) -> int:
        """Which of the layers with weights it is, from 0."""
        return self._places[placement.layer.name]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {placement.layer.name: place for place, placement in enumerate(self.plan.placements)}

    def waits(self, placement: Placement) -> Real:
        """1 if a layer's weight gradient is formed when all images of a batch have passed, 0 if as they come."""
        return self.stacked(placement) * (1 - self.room.early[placement.layer.name])

    def images_in_a_visit(self, placement: Placement) -> Real:
        """Images of a layer whose weight gradients are formed at the same time, where all do not wait for a batch.

        Rows of an SRAM array take places of as many images as they have room for.
        """
        chip, layer = self.chip, placement.layer
        if chip.weight_gradient.unit == "digital":
            return self.schedule.image_group
        rows: Real = chip.weight_gradient.rows
        places = layer.input[1] * layer.input[2] if self.schedule.operand_writes == "once" else layer.positions
        unaligned = np.ceil((rows - 1) / places) + 1
        filled = np.where(places % rows == 0, 1, np.where(rows % places == 0, rows / places, unaligned))
        return np.minimum(self.batch, np.where(self.stacked(placement), filled, self.schedule.image_group))[()]

    def images_waiting(self, placement: Placement, waits: Real) -> Real:
        """Images whose activations and errors of a layer wait for its weight gradient at the same time.

        In a pipeline, whose stages are the layers' forward and backward passes (our choice), an image's activations
        wait while the layers behind work forward and backward. A rule that gathers vectors has no regard for batches.
        """
        behind = 2 * (len(self.plan.placements) - self._place(placement)) if self.schedule.pipelined else 0
        some = np.minimum(self.batch, self.images_in_a_visit(placement) + behind)
        gathered = np.ceil(self.gathered / placement.layer.positions)
        at_once = waits if self.chip.weight_gradient.unit != "in_array" else 1.0  # pulsed when all have been read
        return np.maximum(np.where(self.whole_batch(placement, at_once), self.batch, some), gathered)[()]

    def whole_batch(self, placement: Placement, waits: Real) -> Real:
        """1 if all images of a batch wait at a layer together, for its weight gradient or for a batch's statistics."""
        return 1.0 if self._place(placement) <= self._last_batch_statistics else waits

    @cached_property
    def _last_batch_statistics(self) -> int:
        """Last of the layers with weights that no image passes, forth or back, before all have come; -1 if none is."""
        found = (self._places[name] for name, stage in self._stages.items() if normalised_batches(stage.digital))
        return max(found, default=-1)

    @cached_property
    def _stages(self) -> dict[str, Stage]:
        return {stage.matrix.name: stage for stage in stages(self.network)}

    def stage(self, placement: Placement) -> Stage:
        """A layer with the layers without weights that are computed with it."""
        return self._stages[placement.layer.name]

    def input_values(self, placement: Placement) -> int:
        """Activations that enter a layer's products, per sample."""
        return placement.layer.operands

    def output_values(self, placement: Placement) -> int:
        """Results of a layer's products, per sample."""
        return placement.layer.fan_out * placement.layer.positions

    def stored_values(self, placement: Placement) -> int:
        """Activations that leave a layer's stage, per sample."""
        return self.stage(placement).stored_values

    def remembered_values(self, placement: Placement) -> int:
        """Values kept for the backward passes of layers without weights, per sample."""
        return self.stage(placement).remembered_values

    def route_bits(self, placement: Placement) -> int:
        """Bits that remember which way errors go back, per sample; see `Stage.route_bits`."""
        return self.stage(placement).route_bits

    def error_bits(self, placement: Placement) -> int:
        """Bits of a layer's errors as they wait for the weight gradient.

        In the pooled map, with the way back from there, if what lies between is passive, else at the layer.
        """
        stage = self.stage(placement)
        if stage.compact:
            return stage.result_values * self.chip.error_bits + stage.route_bits
        return self.output_values(placement) * self.chip.error_bits

    def kept_bits(self, placement: Placement) -> int:
        """Bits of activations and errors that a sample's backward pass and weight gradient wait for."""
        stage, chip = self.stage(placement), self.chip
        inputs = 0 if stage.shares_input else self.input_values(placement)
        errors = stage.result_values if stage.compact else self.output_values(placement)
        return (inputs + stage.remembered_values) * chip.input_bits + errors * chip.error_bits + stage.route_bits

    def input_cycles(self, placement: Placement) -> int:
        """Cycles of one input vector, which may have a sign; see `Operand`."""
        return operands.inputs(self.chip, self.network.takes_signed(placement.layer)).cycles

    def centres_errors(self, placement: Placement) -> bool:
        """Whether running means are taken off the errors at a layer's outputs; those of a recurrent one never are."""
        return self.centred == "outputs_and_errors" and not isinstance(placement.layer, Lstm)

    def errors_wait(self, placement: Placement) -> bool:
        """Whether errors wait as they come back to a stage: for the weight gradient, or for those of other images."""
        stage = self.stage(placement)
        return stage.compact or normalised_batches(stage.after) > 0

    def passed_on(self, source: str) -> Real:
        """Share of the errors at a source's output that goes to DRAM, for they wait there."""
        if self.schedule.activations == "dram":
            return 1.0
        taker = next((other for other in self.plan.placements if source in self.stage(other).names), None)
        return self.spill(taker) if taker is not None and self.errors_wait(taker) else 0.0

    @cached_property
    def room(self) -> Room:
        """Which gradients lie where, and what waits for them in DRAM."""
        return allot(self)

    def spill(self, placement: Placement) -> Real:
        """Fraction of what is kept of a layer for later passes that the global buffer has no room for.

        Layers that go image by image come first, since theirs are needed again soon; those of which the whole batch
        waits share what is left.
        """
        return self.room.spilled[placement.layer.name]

    def gradient_word_spill(self, placement: Placement) -> Real:
        """Fraction of a layer's weight gradient that goes to DRAM and comes back for each image."""
        if self.schedule.accumulate == "dram":
            return 1.0
        return np.where(self.stacked(placement), 0.0, self.room.image_spill)[()]

    def gradient_slices(self, placement: Placement) -> Real:
        """Slices into which a layer's weight gradient is cut so that each has room.

        A gradient of which the lanes hold a block until the batch has passed needs none.
        """
        return self.room.slices[placement.layer.name]

    def gradient_set_aside(self, placement: Placement, scaled: bool) -> Real:
        """Share of what the gradient buffer has taken of a batch's summed gradient that waits in DRAM for the update.

        Parameters
        ----------
        placement : Placement
        scaled : bool
            Whether the rule needs all of the layer's gradient before it uses any; then slices, or what leaves the
            lanes of a digital unit, wait for one another, and those go to DRAM that the buffer cannot hold.
        """
        if self.schedule.accumulate in ("dram", "dram_per_batch"):
            return 1.0
        bits = placement.layer.weights * self.schedule.gradient_bits
        return np.where(self.waits(placement), scaled * excess(bits, self.room.late), 0.0)[()]


def normalised_batches(layers: Iterable[Layer]) -> int:
    """Batch normalisations among some layers: each needs all images of a batch before any goes on."""
    return sum(isinstance(layer, Normalise) and layer.kind == "batch" for layer in layers)
