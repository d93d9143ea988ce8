"""A digital training accelerator as a point of reference: same node, bits, buffers, DRAM and batch, no analog array.

What it does (our choice), layer by layer over the whole batch:

* a square of multiply-accumulate lanes, as many as `chip.weight_gradient.lanes`, forms a block of results at once and
  keeps it in its registers until it is done: positions x output channels forward, positions x inputs backward,
  inputs x outputs in the weight gradient. It skips products with a zero, which saves energy and no time;
* the operands come from a buffer beside the lanes (`chip.weight_gradient.operand_buffer`), which is filled from the
  global buffer in the cheapest order that it has room for (`fetched_bits`);
* activations and errors of the batch wait in the global buffer, and beside them a layer's gradient, if the rule needs
  all of it for its scale; what it has no room for goes to DRAM and is read there for each pass that needs it;
* what passes between global buffer and lanes, which lie beside each other, crosses the lanes;
* weights lie in DRAM, from where each pass reads them once a batch, and where the update writes them;
* centring is not needed; rectifiers, pooling and the rule's circuits, if they do not belong to arrays, are those of the
  analog chip.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from cimest.actions import Action
from cimest.activity import Activity, LayerActivity
from cimest.dataflow import digital
from cimest.dataflow.design import Design
from cimest.dataflow.lanes import fetched_bits
from cimest.dataflow.matrix import move
from cimest.mapping.floorplan import Placement
from cimest.mapping.part import Part, across, technology
from cimest.mapping.parts import lane_edge, operand_word
from cimest.rules import Rule
from cimest.rules.in_memory import InMemory
from hwlib.component import Real
from hwlib.components.buffers import SramBuffer
from hwlib.components.outer_product import OuterProductUnit

OWN_PARTS = ("relu", "max_pool", "average_pool", "adder", "function_table", "vector_unit", "root_table", "lstm_gates")
"""Digital units of the analog chip that this one has too, where the network needs them."""


def accelerator(design: Design, rule: Rule, activity: Activity) -> tuple[dict[str, Part], list[Action]]:
    """Parts of the accelerator, and the actions of one training sample.

    Raises
    ------
    ValueError
        If the network multiplies activations by activations: no pass of this accelerator does.
    """
    if design.network.attentions:
        raise ValueError("the digital reference does not multiply activations by activations, as attention does")
    chip, network, weight_bits = design.chip, design.network, weight_word(design)
    tech = technology(chip)
    word = max(chip.input_bits, chip.error_bits, weight_bits)
    longest = max(
        max(p.layer.fan_in, p.layer.fan_out, p.layer.positions * design.batch) for p in design.plan.placements
    )
    lanes = OuterProductUnit(word, word, 2 * word - 1 + np.ceil(np.log2(longest)), chip.weight_gradient.lanes)
    parts = {
        "outer_product": Part(lanes, 1, "macro"),
        "operand_buffer": Part(SramBuffer(chip.weight_gradient.operand_buffer, operand_word(chip)), 1, "chip"),
        **{name: design.parts[name] for name in ("global_buffer", "rate_multiplier", "dram")},
        **{name: design.parts[name] for name in OWN_PARTS if name in design.parts},
    }
    if not isinstance(rule, InMemory):  # whose circuits pulse arrays; its reference descends without any
        parts |= rule.parts(network, chip)
    parts["operand_interconnect"] = across({"outer_product": parts["outer_product"]}, chip, tech)
    own = replace(design, parts=parts)
    actions: list[Action] = []
    for placement in design.plan.placements:
        layer, measured = placement.layer, activity.layers[placement.layer.name]
        actions += passes(own, placement, measured, rule.scales_gradient)
        actions += digital.worked_forward(own, placement, measured)
        actions += digital.worked_backward(own, placement, measured)
        actions += rule.actions(layer, chip, design.batch)
        actions += update(own, placement, rule.scales_gradient)
        actions += digital.update(own, placement)
    return parts, actions


def weight_word(design: Design) -> int:
    """Bits of a weight with as many values as a cell has states."""
    return int(np.ceil(np.log2(design.chip.device.states)))


def passes(design: Design, placement: Placement, activity: LayerActivity, scaled: bool) -> Iterator[Action]:
    """Forward, backward and weight gradient of one layer for one sample; errors of the data are not formed.

    `scaled` says whether the rule needs all of a layer's gradient before it uses any.
    """
    chip, layer, batch = design.chip, placement.layer, design.batch
    weights = layer.weights * weight_word(design)
    inputs = design.input_values(placement) * chip.input_bits * batch
    errors = design.error_bits(placement) * batch
    positions, groups = layer.positions * batch, layer.groups
    inward, outward = layer.fan_in, layer.fan_out / groups
    busy_inputs, busy_errors = 1 - activity.input_zeros, 1 - activity.error_zeros
    busy = (busy_inputs, 1.0)
    yield from product(design, placement, "forward", (inward, positions, outward), (inputs, weights), busy)
    if design.network.passes_error_on(layer):
        busy = (busy_errors, 1.0)
        yield from product(design, placement, "backward", (outward, positions, inward), (errors, weights), busy)
    busy = (busy_inputs, busy_errors)
    yield from product(design, placement, "weight_gradient", (positions, inward, outward), (inputs, errors), busy)
    spilled = _spill(design, scaled)
    source = design.network.sources_of(layer)[0] == "input"
    name, results = layer.name, design.stored_values(placement) * chip.input_bits
    first = inputs / batch if source else spilled * inputs / batch
    yield from transferred(design, name, "forward", first, spilled * results)
    yield from transferred(design, name, "backward", spilled * errors / batch, spilled * errors / batch)
    gradient = scaled * spilled * layer.weights * design.schedule.gradient_bits / batch
    yield from transferred(design, name, "weight_gradient", spilled * (inputs + errors) / batch, gradient)
    for pass_ in ("forward", "backward"):
        yield from transferred(design, name, pass_, weights / batch, 0.0)


def product(
    design: Design,
    placement: Placement,
    pass_: str,
    sizes: tuple[Real, Real, Real],
    operands: tuple[Real, Real],
    busy: tuple[Real, Real],
) -> Iterator[Action]:
    """One product of two matrices for a batch, a sample's share.

    Parameters
    ----------
    sizes : tuple
        Length of each sum, rows and columns of the result, of each group.
    operands : tuple
        Bits of the two.
    busy : tuple
        Shares of both that are not zero.
    """
    layer, name, chip, batch = placement.layer, placement.layer.name, design.chip, design.batch
    edge, (length, rows, columns) = lane_edge(chip), sizes
    slots = layer.groups * length * np.ceil(rows / edge) * np.ceil(columns / edge) / batch
    used = layer.macs / (slots * chip.weight_gradient.lanes)
    executed = {"executed": used * busy[0] * busy[1], "activations": busy[0], "errors": busy[1]}
    yield Action(name, pass_, "outer_product", "accumulate", slots, slots, executed, pipelined=True)
    yield Action(name, pass_, "operand_buffer", "read", slots, slots, pipelined=True, transfer=True)
    one, other = (bits / layer.groups for bits in operands)
    fetched = fetched_bits(one, other, rows, columns, edge, chip.weight_gradient.operand_buffer)
    fetched = layer.groups * fetched / batch
    word = {"forward": chip.input_bits, "backward": chip.error_bits}.get(pass_, design.schedule.gradient_bits)
    results = layer.groups * rows * columns / batch * word
    yield from move(design, name, pass_, "global_buffer", "read", fetched)
    yield from move(design, name, pass_, "operand_buffer", "write", fetched)
    yield from move(design, name, pass_, "global_buffer", "write", results)
    yield from move(design, name, pass_, "operand_interconnect", "transfer", fetched + results)


def transferred(design: Design, name: str, pass_: str, read: Real, written: Real) -> Iterator[Action]:
    """Bits from DRAM through the global buffer, and to it."""
    yield from move(design, name, pass_, "dram", "read", read)
    yield from move(design, name, pass_, "global_buffer", "write", read)
    yield from move(design, name, pass_, "global_buffer", "read", written)
    yield from move(design, name, pass_, "dram", "write", written)


def update(design: Design, placement: Placement, scaled: bool) -> Iterator[Action]:
    """Each weight's step, times the learning rate, is added in DRAM's word once a batch; for `scaled` see `passes`."""
    name, pass_, share = placement.layer.name, "weight_update", placement.layer.weights / design.batch
    units, word = design.units("rate_multiplier"), weight_word(design)
    yield from move(design, name, pass_, "global_buffer", "read", share * design.schedule.gradient_bits)
    yield Action(name, pass_, "rate_multiplier", "multiply", share, share / units, pipelined=True)
    gradient = scaled * _spill(design, scaled) * share * design.schedule.gradient_bits
    yield from transferred(design, name, pass_, share * word + gradient, share * word)


def _spill(design: Design, scaled: bool) -> Real:
    """Share of what waits in the global buffer, of all layers of a batch, that it has no room for."""
    bits = design.batch * sum(design.kept_bits(placement) for placement in design.plan.placements)
    if scaled:
        bits = bits + max(p.layer.weights for p in design.plan.placements) * design.schedule.gradient_bits
    return np.maximum(0.0, 1 - design.chip.global_buffer.size / bits)
