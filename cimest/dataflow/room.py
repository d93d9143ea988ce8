"""Room on the chip: which gradients lie where while a batch passes, and what waits for them in DRAM.

A batch has two phases. While images pass, forward and backward, gradients of some layers are formed as images come, and
activations and errors of the others wait; once all have passed, those of one layer after the other are formed, and a
layer whose gradient has no room is cut into slices. The first phase's gradients have become an update by then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cimest.mapping.floorplan import Placement
from hwlib.component import Real

if TYPE_CHECKING:
    from cimest.dataflow.design import Design

SUMMED = ("on_chip", "dram_per_batch")
"""Choices under which a batch's gradient is summed in a buffer."""


@dataclass(frozen=True)
class Room:
    """What has room where; each by the layer's name.

    Parameters
    ----------
    early : mapping
        1 if a layer that shares arrays among images takes them as they come, since its gradient has room from the first
        one on; see `config.schema.Gradient`.
    in_global : mapping
        Share of a layer's gradient, or of its slice, that lies in the global buffer.
    slices : mapping
        Into which a gradient is cut that is formed when all images have passed.
    spilled : mapping
        Share of what a layer keeps for later passes that waits in DRAM.
    image_spill : float or array
        Share that goes to DRAM and back, image by image, of gradients of which only one image is formed at a time.
    late : float or array
        Room for a slice. [bit]
    """

    early: Mapping[str, Real]
    in_global: Mapping[str, Real]
    slices: Mapping[str, Real]
    spilled: Mapping[str, Real]
    image_spill: Real
    late: Real


def excess(bits: Real, size: Real) -> Real:
    """Fraction of so many bits that a memory has no room for."""
    return np.maximum(0.0, 1 - size / np.maximum(bits, 1))


def allot(design: Design) -> Room:
    """Give gradients their room, then activations and errors what is left of the global buffer.

    The buffer's room for what is being worked on, the largest map that enters a layer and the one that leaves it, is
    set aside where gradients share the buffer.
    """
    schedule, placements = design.schedule, design.plan.placements
    own, size = design.chip.weight_gradient.buffer, design.chip.global_buffer.size
    gradients = {p.layer.name: p.layer.weights * schedule.gradient_bits for p in placements}
    by_image: Real = sum((1 - design.stacked(p)) * gradients[p.layer.name] for p in placements)
    shared = _shares(design, gradients)
    working = max(design.input_values(p) + design.stored_values(p) for p in placements) * design.chip.input_bits
    inside = shared * np.maximum(0.0, size - working)
    soon, _ = _kept(design, {p.layer.name: design.stacked(p) for p in placements})
    free = np.maximum(0.0, inside - soon)
    early, in_global, taken = _early(design, gradients, np.maximum(0.0, own - by_image), free)
    late = np.maximum(schedule.gradient_bits, own + inside)
    waits = {p.layer.name: design.stacked(p) * (1 - early[p.layer.name]) for p in placements}
    slices: dict[str, Real] = {}
    spilled: dict[str, Real] = {}
    for name, bits in gradients.items():
        summed = waits[name] * (schedule.accumulate in SUMMED)
        slices[name] = np.where(summed, np.ceil(bits / late), 1.0)[()]
        each = bits / slices[name]
        in_global[name] = np.where(summed, shared * np.maximum(0.0, each - own) / each, in_global[name])[()]
    soon, later = _kept(design, waits)
    first = excess(soon, size - taken)
    second = np.where(shared, 1.0, excess(later, np.maximum(0.0, size - soon)))
    for p in placements:
        spilled[p.layer.name] = np.where(design.whole_batch(p, waits[p.layer.name]), second, first)[()]
    if schedule.activations == "dram":
        spilled = dict.fromkeys(spilled, 1.0)
    return Room(early, in_global, slices, spilled, excess(by_image, own), late)


def _shares(design: Design, gradients: Mapping[str, int]) -> Real:
    """1 if gradients share the global buffer: one has no room of its own, and a batch's activations have none there."""
    if design.schedule.room == "own" or design.schedule.accumulate not in SUMMED:
        return 0.0
    kept = sum(_kept(design, {p.layer.name: design.stacked(p) for p in design.plan.placements}))
    cut = max(gradients.values()) > np.asarray(design.chip.weight_gradient.buffer)
    return np.where(cut & (kept > design.chip.global_buffer.size), 1.0, 0.0)[()]


def _kept(design: Design, waits: Mapping[str, Real]) -> tuple[Real, Real]:
    """What is kept for later passes, of layers that go image by image, and of those of which a batch waits. [bit]"""
    soon: Real = 0.0
    later: Real = 0.0
    for p in design.plan.placements:
        whole = design.whole_batch(p, waits[p.layer.name])
        bits = design.kept_bits(p) * design.images_waiting(p, waits[p.layer.name])
        soon, later = soon + (1 - whole) * bits, later + whole * bits
    return soon, later


def _early(
    design: Design, gradients: Mapping[str, int], own: Real, inside: Real
) -> tuple[dict[str, Real], dict[str, Real], Real]:
    """Which layers take images as they come, what of their gradients lies in the global buffer, and how much in all."""
    early: dict[str, Real] = dict.fromkeys(gradients, 0.0)
    in_global: dict[str, Real] = dict.fromkeys(gradients, 0.0)
    taken: Real = 0.0
    if not design.schedule.early or design.schedule.accumulate not in SUMMED:
        return early, in_global, taken

    def urgency(placement: Placement) -> float:
        return (design.input_values(placement) + design.output_values(placement)) / placement.layer.weights

    shared = inside > 0
    for p in sorted(design.plan.placements, key=urgency, reverse=True):
        name, bits = p.layer.name, gradients[p.layer.name]
        kept = shared * design.kept_bits(p) * design.images_waiting(p, 0.0)
        here = np.minimum(bits, own)
        fits = design.stacked(p) * (1 - design.whole_batch(p, 0.0)) * (bits - here + kept <= inside)
        own, inside = own - fits * here, inside - fits * (bits - here + kept)
        early[name], in_global[name] = fits, fits * (bits - here) / bits
        taken = taken + fits * (bits - here)
    return early, in_global, taken
