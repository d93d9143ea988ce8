"""The whole training step: all passes of all layers as one table of action counts."""

from __future__ import annotations

from cimest.actions import Action
from cimest.activity import Activity
from cimest.dataflow.design import Design
from cimest.dataflow.gradient import weight_gradient
from cimest.dataflow.matrix import backward, forward
from cimest.dataflow.update import weight_update
from cimest.rules import Rule


def training_step(design: Design, rule: Rule, activity: Activity) -> list[Action]:
    """Actions of one training sample, the update's divided by the batch.

    The first layer has no backward pass: nobody needs the error of the data.
    """
    actions: list[Action] = []
    for placement in design.plan.placements:
        layer = placement.layer
        measured = activity.layers[layer.name]
        actions += forward(design, placement, measured)
        if layer is not design.network.matrices[0]:
            actions += backward(design, placement, measured)
        actions += weight_gradient(design, placement, measured)
        actions += rule.actions(layer, design.chip, design.batch)
        actions += weight_update(design, placement, measured)
    return actions
