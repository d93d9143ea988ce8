"""The whole training step: all passes of all layers as one table of action counts."""

from __future__ import annotations

from cimest.actions import Action
from cimest.activity import Activity
from cimest.dataflow import digital, neurosim
from cimest.dataflow.design import Design
from cimest.dataflow.gradient import weight_gradient
from cimest.dataflow.matrix import backward, forward
from cimest.dataflow.transfer import in_array
from cimest.dataflow.update import weight_update
from cimest.rules import Rule


def training_step(design: Design, rule: Rule, activity: Activity) -> list[Action]:
    """Actions of one training sample, the update's divided by the batch.

    No error goes back through a layer before which nothing learns: nobody needs that of the data.
    """
    if design.schedule.accounting == "neurosim":
        return neurosim.training_step(design, activity)
    actions: list[Action] = []
    for placement in design.plan.placements:
        layer = placement.layer
        measured = activity.layers[layer.name]
        actions += forward(design, placement, measured)
        actions += digital.forward(design, placement, measured)
        actions += digital.backward(design, placement, measured)
        if design.network.runs_backward(layer):
            actions += backward(design, placement, measured)
        if design.chip.weight_gradient.unit == "in_array":
            actions += in_array(design, rule, placement, measured)
        else:
            actions += weight_gradient(design, placement, measured, rule.scales_gradient)
            actions += rule.actions(layer, design.chip, design.batch)
            actions += weight_update(design, placement, measured, rule.scales_gradient)
        actions += digital.update(design, placement)
    return actions
