"""Cost by broadcasting: each point of a grid is the estimate that the point has by itself."""

from pathlib import Path

import numpy as np
import pytest

from cimest.config import load
from cimest.config.loader import resolved
from cimest.explore.cost import figures, price_space
from cimest.explore.functional import leaves
from cimest.explore.space import Space, numeric, with_values
from cimest.explore.study import run_sweep
from cimest.explore.sweep import read_sweep
from cimest.pricing import price_experiment
from tests.cimest.test_sweep import write

EXAMPLES = Path(__file__).parents[2] / "examples"
LENET = load(EXAMPLES / "lenet5_mnist.yaml")


def numbers():
    """Every key path whose number may be an array, with another value that the schema allows."""
    for path, value in leaves(resolved(LENET)).items():
        if numeric(path) and isinstance(value, (int, float)) and not isinstance(value, bool):
            if isinstance(value, int):
                yield path, value - 1 if 4 <= value <= 32 else 2 * value
            else:
                yield path, 1.25 * value or 0.5


@pytest.mark.parametrize(("path", "other"), list(numbers()))
def test_every_number_of_a_chip_broadcasts(path, other):
    """Two values in one call, and each by itself; 1e-12 leaves room for another order of additions."""
    value = leaves(resolved(LENET))[path]
    both = with_values(LENET, {path: np.array([value, other])})
    swept = figures(both, price_experiment(both), True)
    for i, one in enumerate((value, other)):
        experiment = with_values(LENET, {path: one})
        for name, expected in figures(experiment, price_experiment(experiment), True).items():
            np.testing.assert_allclose(np.broadcast_to(swept[name], 2)[i], expected, rtol=1e-12, err_msg=name)


def test_groups_sum_to_the_whole():
    """What the breakdown shows is all there is, with leakage and DRAM; 1e-12 for another order of additions."""
    found = figures(LENET, price_experiment(LENET), True)
    for stem, total in (("energy_by_group_j", "energy_system_j"), ("area_by_group_mm2", "area_mm2")):
        whole = sum(value for name, value in found.items() if name.startswith(stem))
        assert whole == pytest.approx(found[total], rel=1e-12)


def test_a_grid_equals_its_points(tmp_path):
    """A mixed grid, small blocks, every point read and priced by itself."""
    text = """
axes:
  chip.adc.kind: [sar, flash]
  chip.array.rows: [32, 64]
  chip.adc.bits: [4, 7]
  chip.technology: [22nm, 65nm]
  chip.global_buffer.size: [4 KiB, 64 KiB]
  training.batch: [1, 50]
"""
    space = Space(read_sweep(write(tmp_path, text)))
    table, refused, _ = price_space(space, lambda experiment: None, memory=1e5)
    assert not refused.any()
    for place in np.ndindex(space.shape):
        experiment = space.point(place)
        for name, expected in figures(experiment, price_experiment(experiment), True).items():
            np.testing.assert_allclose(table[name][place], expected, rtol=1e-12, err_msg=name)


def test_a_component_that_refuses_takes_its_points_only(tmp_path):
    """A device whose record lacks what pricing needs has no cost; the reason names it."""
    study = run_sweep(
        read_sweep(write(tmp_path, "axes: {chip.device: [rram, rpu_idealised], chip.adc.bits: [4, 5]}")), tmp_path
    )
    assert study.dataset["refused"].to_numpy().tolist() == [[0, 0], [1, 1]]
    assert study.dataset["energy_system_j"].isnull().to_numpy().tolist() == [[False, False], [True, True]]
    (reason,) = study.summary["refused"]
    assert "rpu_idealised" in reason


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("axes: {chip.adc.bits: [1, 6], chip.periphery.kind: [bit_serial, whole_vector]}", [[0, 1], [0, 0]]),
        ("axes: {chip.adc.inl: [0, 0.5], chip.periphery.kind: [bit_serial, whole_vector]}", [[0, 0], [0, 1]]),
        ("axes: {chip.input_bits: [1, 8]}", [1, 0]),
    ],
)
def test_what_is_refused_by_itself_is_refused_in_a_sweep(tmp_path, text, refused):
    """Whole vectors need 2 bits and no nonlinearity, training 2 bits of inputs; each refusal takes its points only."""
    study = run_sweep(read_sweep(write(tmp_path, text)), tmp_path)
    assert (study.dataset["refused"].to_numpy() > 0).astype(int).tolist() == refused


def test_limits_decide_about_the_front(tmp_path):
    text = "axes: {chip.adc.bits: [3, 8], chip.array.rows: [32, 64]}\nobjectives: {area_mm2: max}\n"
    free = run_sweep(read_sweep(write(tmp_path, text)), tmp_path)
    largest = float(free.dataset["area_mm2"].max())
    text += f"limits: {{area_mm2: {{max: {0.999 * largest}}}}}"
    bound = run_sweep(read_sweep(write(tmp_path, text)), tmp_path)
    assert bound.summary["feasible"] == 3
    assert float(bound.dataset["area_mm2"].where(bound.dataset["front"]).max()) < largest


@pytest.mark.parametrize("name", ["cost_grid", "adc_precision", "design_space", "dataflow_choices"])
def test_examples_can_be_read(name):
    """The checks of the sweep's own reader; that each of them runs is shown by the README's commands."""
    sweep = read_sweep(EXAMPLES / f"{name}.yaml")
    assert np.prod(sweep.shape) > 1
    assert (sweep.accuracy is None) == (name in ("cost_grid", "dataflow_choices"))


def test_the_cost_grid_is_broadcast_as_a_whole():
    """Nothing is looped, so that its million points take seconds; a random point equals the single estimate."""
    space = Space(read_sweep(EXAMPLES / "cost_grid.yaml"))
    assert space.looped == ()
    assert space.size > 1_000_000
    rng = np.random.default_rng(0)
    (combination,) = space.combinations()
    places = [tuple(int(rng.integers(0, n)) for n in space.shape) for _ in range(40)]
    axes = dict(zip((axis.name for axis in space.broadcast), range(len(space.shape)), strict=True))
    values = {}
    for axis in space.broadcast:
        chosen = [place[axes[axis.name]] for place in places]
        values |= {path: v[chosen] for path, v in space.values(axis).items()}
    swept = with_values(combination.experiment, values)
    table = figures(swept, price_experiment(swept), False)
    for i in range(4):
        experiment = space.point(places[i])
        for name, expected in figures(experiment, price_experiment(experiment), False).items():
            np.testing.assert_allclose(np.broadcast_to(table[name], 40)[i], expected, rtol=1e-12, err_msg=name)
