"""Tiki-Taka v2 sample by sample beside aihwkit on the same work: `python -m tests.benchmarks.bench_rival --data MNIST`.

The same network, cells, pulses, transfers and converters, on one thread each; some samples of either in turns, so that
both meet the same machine. What they learn is not compared: step sizes mean other things.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from cimest.kernels.threads import set_threads, single_blas
from cimest.learning.trainer import Progress, Trainer
from cimest.run import build_trainer
from tests.benchmarks.bench_tiki_taka import load_experiment

OURS, THEIRS, TURNS = 3000, 300, 6
"""Samples of a turn of either, and turns; the first one compiles and is not counted."""


class Enough(Exception):
    """Ends a training."""


class Rival:
    """aihwkit with the network, cells and converters of a trainer whose rule is Tiki-Taka v2."""

    def __init__(self, trainer: Trainer):
        import torch
        from aihwkit.nn import AnalogLinear
        from aihwkit.optim import AnalogSGD
        from aihwkit.simulator.configs import BufferedTransferCompound, SoftBoundsDevice, UnitCellRPUConfig
        from aihwkit.simulator.parameters import (
            BoundManagementType,
            IOParameters,
            NoiseManagementType,
            UpdateParameters,
        )

        torch.set_num_threads(1)
        device, rate = trainer.experiment.chip.device, trainer.experiment.training.learning_rate.start
        cell = SoftBoundsDevice(
            dw_min=2 / device.states, dw_min_dtod=0.3, dw_min_std=0.3, up_down_dtod=0.3,
            w_max=1, w_min=-1, w_max_dtod=0.3, w_min_dtod=0.3,
        )  # fmt: skip
        periphery = IOParameters(
            inp_res=1 / 126, out_res=1 / 510, out_noise=0.06, out_bound=12,
            noise_management=NoiseManagementType.ABS_MAX, bound_management=BoundManagementType.ITERATIVE,
        )  # fmt: skip
        parts = []
        for matrix in trainer.model.matrices:
            plan = trainer.rule.plan(matrix.tile.shape, device)
            compound = BufferedTransferCompound(
                unit_cell_devices=[cell, cell], transfer_every=plan.every, n_reads_per_transfer=plan.reads,
                units_in_mbatch=False,
            )  # fmt: skip
            update = UpdateParameters(desired_bl=plan.slots, update_bl_management=True, update_management=True)
            config = UnitCellRPUConfig(device=compound, forward=periphery, backward=periphery, update=update)
            parts += [AnalogLinear(*matrix.tile.shape, bias=False, rpu_config=config), torch.nn.Tanh()]
        self.torch, self.data, self.taken = torch, trainer.data, 0
        self.network, self.loss = torch.nn.Sequential(*parts[:-1]), torch.nn.CrossEntropyLoss()
        self.optimiser = AnalogSGD(self.network.parameters(), lr=rate)
        self.optimiser.regroup_param_groups(self.network)

    def train(self, samples: int) -> None:
        """The next samples of the data, each an update."""
        for number in range(self.taken, self.taken + samples):
            image = self.data.train_images[number].reshape(1, -1) / np.float32(255)
            label = self.data.train_labels[number : number + 1]
            self.optimiser.zero_grad()
            self.loss(self.network(self.torch.from_numpy(image)), self.torch.from_numpy(label)).backward()
            self.optimiser.step()
        self.taken += samples


def main() -> None:
    """Read the command line, and print the least CPU time of both for an epoch of 60 000 samples."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--states", type=int, default=20)
    parser.add_argument("--data", help="folder with the official files of MNIST")
    options = parser.parse_args()
    single_blas()
    set_threads(1)
    trainer = build_trainer(load_experiment(options.data, options.states, ()))
    rival, ours, theirs, since = Rival(trainer), [], [], time.process_time()

    def turn(step: Progress) -> None:
        nonlocal since
        if step.batch % OURS:
            return
        ours.append((time.process_time() - since) / OURS)
        before = time.process_time()
        rival.train(THEIRS)
        theirs.append((time.process_time() - before) / THEIRS)
        if len(ours) == TURNS:
            raise Enough
        since = time.process_time()

    try:
        trainer.run(turn, stops=range(OURS, OURS * TURNS + 1, OURS))
    except Enough:
        best, other = 60_000 * min(ours[1:]), 60_000 * min(theirs[1:])
        print(
            f"{options.states} states, CPU s for 60 000 samples: {best:.1f}, aihwkit {other:.1f}, {other / best:.1f} x"
        )


if __name__ == "__main__":
    main()
