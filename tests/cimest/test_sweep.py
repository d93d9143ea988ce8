"""Sweep files: axes and ranges, what is refused and where, and the grid that they span."""

import numpy as np
import pytest

from cimest.config import ConfigError
from cimest.explore.cost import blocks
from cimest.explore.front import pareto, sensitivities
from cimest.explore.space import Space
from cimest.explore.sweep import read_sweep

EXPERIMENT = """
network: {name: mlp, hidden: [16]}
dataset: {name: mnist_subset, train: 200, test: 100}
chip: {device: {base: rram, states: 64}, array: {rows: 64, columns: 64}, adc: {bits: 6, columns_per_adc: 8}}
training: {epochs: 2, batch: 50}
"""


def write(folder, text):
    """A sweep file beside its experiment."""
    (folder / "chip.yaml").write_text(EXPERIMENT)
    path = folder / "sweep.yaml"
    path.write_text("experiment: chip.yaml\n" + text)
    return path


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("[3, 5]", (3, 5)),
        ("{from: 3, to: 6}", (3, 4, 5, 6)),
        ("{from: 3, to: 8, step: 2}", (3, 5, 7)),
        ("{from: 2, to: 8, number: 3}", (2, 5, 8)),
        ("{from: 2, to: 8, number: 3, scale: log}", (2, 4, 8)),
        ("7", (7,)),
    ],
)
def test_ranges(tmp_path, values, expected):
    """By hand; both ends count."""
    (axis,) = read_sweep(write(tmp_path, f"axes: {{chip.adc.bits: {values}}}")).axes
    assert axis.labels == expected
    assert all(isinstance(label, int) for label in axis.labels)


def test_quantities_have_units(tmp_path):
    """64 KiB to 1 MiB in five steps of two: 1 KiB is 8192 bit."""
    text = "axes: {chip.global_buffer.size: {from: 64 KiB, to: 1 MiB, number: 5, scale: log}, chip.clock: [1 GHz]}"
    size, clock = read_sweep(write(tmp_path, text)).axes
    assert size.labels == tuple(8192 * 2**power for power in range(6, 11))
    assert clock.labels == (1e9,)


def test_paths_that_move_together(tmp_path):
    text = """
axes:
  square: {chip.array.rows: [64, 128], chip.array.columns: [64, 128]}
  passes:
    forward: {chip.adc.bits: {from: 4, to: 5}}
    backward: {chip.backward_adc.bits: [3]}
"""
    sweep = read_sweep(write(tmp_path, text))
    assert sweep.shape == (2, 3)
    assert sweep.axes[0].labels == ("array.rows 64, array.columns 64", "array.rows 128, array.columns 128")
    assert sweep.axes[1].labels == ("forward 4", "forward 5", "backward 3")
    point = Space(sweep).point((1, 2))
    assert (point.chip.array.rows, point.chip.array.columns) == (128, 128)
    assert (point.chip.adc.bits, point.chip.backward_adc.bits) == (6, 3)
    assert Space(sweep).point((0, 0)).chip.backward_adc.bits == 4  # inherited from adc, as in an experiment


def test_the_command_line_wins_over_the_file_but_not_over_an_axis(tmp_path):
    text = "set: {chip.adc.bits: 8, chip.array.rows: 64, seed: 3}\naxes: {chip.array.rows: [32, 128]}"
    path = write(tmp_path, text)
    point = Space(read_sweep(path, ["seed=5", "chip.adc={kind: flash, bits: 5}"])).point((1,))
    assert (point.seed, point.chip.adc.kind, point.chip.adc.bits, point.chip.array.rows) == (5, "flash", 5, 128)
    assert Space(read_sweep(path, ["chip.array={columns: 32}"])).point((0,)).chip.array.rows == 32
    with pytest.raises(ConfigError, match=r"--set chip.array.rows=64.*what the sweep goes through"):
        read_sweep(path, ["chip.array.rows=64"])
    with pytest.raises(ConfigError, match=r"--set chip.adc.bitz=3.*chip.adc.bits"):
        read_sweep(path, ["chip.adc.bitz=3"])


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("axes: {chip.adc.bitz: [3]}", "2:8", "did you mean chip.adc.bits"),
        ("axes: {bits: [3]}", "2:8", "did you mean chip.adc.bits"),
        ("axes:\n  chip.adc.bits: [3, 40]", "3:22", "40 is more than 12"),
        ("axes:\n  chip.adc.bits: [3, 4.5]", "3:22", "4.5 is not a whole number"),
        ("axes:\n  chip.device: [rram, rrram]", "3:23", "rram"),
        ("axes:\n  chip.clock: [1 GHz, 3 V]", "3:23", "3 V"),
        ("axes: {chip.adc.bits: {from: 6, to: 3}}", "2:23", "to (3) must be more than from (6)"),
        ("axes: {chip.adc.bits: {from: 3, to: 6, scale: log}}", "2:23", "needs the number"),
        ("axes: {chip.adc.bits: [3, 3]}", "2:23", "3 is there more than once"),
        ("axes: {a: {chip.adc.bits: [3, 4], chip.array.rows: [64]}}", "2:11", "equally many values"),
        ("axes: {chip.adc.bits: [3]}\nobjectives: {area: min}", "3:14", "area_mm2"),
        ("axes: {chip.adc.bits: [3]}\nobjectives: {accuracy: max}", "3:14", "needs training"),
        ("axes: {chip.adc.bits: [3]}\nset: {chip.adc.kid: sar}", "3:7", "chip.adc.kind"),
        ("axes: {chip.adc.bits: [3]}\nlimts: {}", "3:1", "limits"),
        ("set: {}", "1:1", "axes"),
    ],
)
def test_mistakes_are_located(tmp_path, text, place, message):
    """Line and column in the sweep file, and what is allowed or meant."""
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_sweep(path)
    assert f"{path}:{place}" in str(caught.value)
    assert message in str(caught.value)


def test_all_bad_values_at_once(tmp_path):
    with pytest.raises(ConfigError) as caught:
        read_sweep(write(tmp_path, "axes: {chip.adc.bits: [3, 40, 50], chip.technology: [16nm]}"))
    assert len(caught.value.problems) == 3


def test_a_point_whose_sizes_do_not_fit_is_refused_alone(tmp_path):
    """64 columns cannot share an ADC of 128; which points those are is what each of them says by itself."""
    text = "axes: {chip.adc.columns_per_adc: [8, 128], chip.array.columns: [64, 128], chip.array.rows: [64, 128, 256]}"
    space = Space(read_sweep(write(tmp_path, text)))
    (combination,) = space.combinations()
    assert not space.looped
    for place in np.ndindex(space.shape):
        try:
            space.point(place)
            alone = False
        except ConfigError:
            alone = True
        assert (combination.refused[place] > 0) == alone
    assert combination.refused.any()


def test_words_are_looped_and_numbers_are_broadcast(tmp_path):
    text = "axes: {chip.adc.kind: [sar, flash], chip.adc.bits: [4, 5], dataflow: [naive], training.batch: [10, 50]}"
    sweep = read_sweep(write(tmp_path, text))
    assert [axis.name for axis in Space(sweep).looped] == ["chip.adc.kind", "dataflow"]
    learning = Space(sweep, keep_functional=True)  # what changes the accuracy has an activity of its own
    assert [axis.name for axis in learning.broadcast] == []


def test_two_axes_that_change_one_number_are_looped(tmp_path):
    """A device brings its states; an axis that names the states owns them."""
    owned = Space(
        read_sweep(write(tmp_path, "axes: {chip.device: [rram, fefet_32_states], chip.device.states: [16, 32]}"))
    )
    assert [axis.name for axis in owned.broadcast] == ["chip.device.states"]
    text = "axes: {a: {one: {chip.adc.bits: [4]}, two: {chip.backward_adc.bits: [5]}}, chip.adc.bits: [6, 7]}"
    assert [axis.name for axis in Space(read_sweep(write(tmp_path, text))).looped] == ["a", "chip.adc.bits"]


@pytest.mark.parametrize("most", [1, 3, 7, 24, 1000])
def test_blocks_cover_a_grid_once(most):
    seen = np.zeros((2, 3, 4), int)
    for block in blocks(seen.shape, most):
        assert seen[block].size <= most
        seen[block] += 1
    assert (seen == 1).all()


def test_front_by_hand():
    """a is cheap and bad, b dear and good, c is beaten by both, d equals b, e is not known."""
    values = {"cost": np.array([1.0, 3, 3, 3, np.nan]), "good": np.array([1.0, 5, 1, 5, 9])}
    assert pareto(values, {"cost": "min", "good": "max"}).tolist() == [True, True, False, True, False]


def test_front_against_its_definition():
    rng = np.random.default_rng(1)
    points = rng.integers(0, 12, (300, 3)).astype(float)
    beaten = [any((q <= p).all() and (q < p).any() for q in points) for p in points]
    values = dict(zip("abc", points.T, strict=True))
    assert (pareto(values, dict.fromkeys("abc", "min")) == ~np.array(beaten)).all()


def test_sensitivities_of_a_sum_and_of_a_product():
    """y = x1 + 2 x2: variances 1 and 4 of 5, no interaction. y = x1 x2 of ±1: all of it is interaction."""
    one, two = np.meshgrid([-1.0, 1.0], [-1.0, 1.0], indexing="ij")
    first, total = sensitivities(one + 2 * two)
    np.testing.assert_allclose(first, [0.2, 0.8], atol=1e-12)
    np.testing.assert_allclose(total, [0.2, 0.8], atol=1e-12)
    first, total = sensitivities(one * two)
    np.testing.assert_allclose(first, [0, 0], atol=1e-12)
    np.testing.assert_allclose(total, [1, 1], atol=1e-12)
    assert np.isnan(sensitivities(np.ones((2, 2)))).all()
