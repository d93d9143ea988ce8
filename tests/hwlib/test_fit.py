"""Fits of measured pulses: synthetic cells come back, noises are told apart, bad tables are explained."""

import numpy as np
import pytest

from hwlib.devices.fit import fit_laws, measured_range
from hwlib.devices.laws import ExponentialStep, Linear, LinearStep, NonlinearityLabel, SoftBounds
from hwlib.devices.measurement import BadPulseData, Run, read_pulses
from hwlib.devices.stepwise import apply_law

LOW, HIGH = 2e-6, 20e-6


def measure(law, states, up, down, write=0.0, read=0.0, start=-1.0, cycles=2, seed=0):
    """Runs of a cell with the law in the range from LOW to HIGH; noises are fractions of that range."""
    rng, w, runs = np.random.default_rng(seed), start, []
    for _ in range(cycles):
        for sign, count in ((1, up), (-1, down)):
            walk = [w]
            for _ in range(count):
                w = float(np.clip(apply_law(law, states, w, sign) + 2 * write * rng.standard_normal(), -1, 1))
                walk.append(w)
            seen = np.array(walk) + 2 * read * rng.standard_normal(count + 1)
            runs.append(Run(sign > 0, np.arange(count + 1), (LOW + HIGH) / 2 + (HIGH - LOW) / 2 * seen))
    return runs


def fitted(runs, law):
    return next(fit for fit in fit_laws(runs) if fit.law.law == law)


def steps(fit):
    """Steps up and down of a law [fraction of the range], which do not depend on how states are rounded."""
    return fit.law.step_up / fit.states, fit.law.step_down / fit.states


# --- laws come back


def test_label_without_noise():
    """Exact data; ends of the range are those of a straight line over the last six of 64 pulses, which misses the
    curve by 2e-4 of the range, hence labels good to 0.01."""
    best = fit_laws(measure(NonlinearityLabel(up=1.75, down=-1.46), 64, 64, 64))[0]
    assert best.law.law == "nonlinearity_label"
    assert best.states == 64
    assert (best.law.up, best.law.down) == pytest.approx((1.75, -1.46), abs=0.01)
    assert (best.low, best.high) == pytest.approx((LOW, HIGH), rel=5e-3)
    assert best.cycle_to_cycle < 1e-4


def test_linear_with_unequal_steps_and_noise():
    """The mean step over 120 pulses: noise of 0.003 of the range per pulse gives 0.003 / sqrt(120) = 2.7e-4 of a
    step of 0.008, 3.4 %; here three times that."""
    best = fit_laws(measure(Linear(step_down=0.8), 100, 80, 60, write=0.003, read=0.003))[0]
    assert best.law.law == "linear"
    assert steps(best) == pytest.approx((0.01, 0.008), rel=0.1)


def test_linear_step_with_unequal_ranges_and_noise():
    """Up and down cover different parts of the range, as measured cells do: 90 pulses up, 70 larger ones down.
    Eight seeds scatter by 0.7 % in the steps and by 8 % in the noise, which comes out 6 % small; here 3 % and 30 %."""
    law = LinearStep(slope_up=0.7, slope_down=0.4, step_down=1.2)
    runs = measure(law, 100, 90, 70, write=0.001, read=0.003, cycles=4)
    low, high = measured_range(runs)
    assert high < 0.95 * HIGH  # the bound is not reached
    best = fitted(runs, "linear_step")
    # the law in the units of the measured range: a step in siemens at a conductance is the same number
    for up, size in ((True, 1 - 0.7 * 0.2), (False, 1.2 * (1 + 0.4 * 0.2))):
        conductance = (LOW + HIGH) / 2 + 0.2 * (HIGH - LOW) / 2
        expected = size * (HIGH - LOW) / 100
        x = (2 * conductance - low - high) / (high - low)
        factor = (
            1 - best.law.slope_up * x if up else best.law.step_down / best.law.step_up * (1 + best.law.slope_down * x)
        )
        found = best.law.step_up * factor * (high - low) / best.states
        assert found == pytest.approx(expected, rel=0.03)
    assert best.cycle_to_cycle * (best.high - best.low) == pytest.approx(0.001 * (HIGH - LOW), rel=0.3)


def test_soft_bounds_find_bounds_that_the_data_do_not_reach():
    """From a quarter of the range 90 pulses of 100 states close 84 % of the way; eight seeds scatter by 0.2 % of the
    range, here 1 %."""
    runs = measure(SoftBounds(), 100, 90, 90, write=2e-4, read=1e-3, start=-0.5, cycles=4)
    assert measured_range(runs)[1] < HIGH - 0.05 * (HIGH - LOW)
    best = fitted(runs, "soft_bounds")
    assert best.high == pytest.approx(HIGH, abs=0.01 * (HIGH - LOW))
    assert best.low == pytest.approx(LOW, abs=0.01 * (HIGH - LOW))


def test_exponential_step_is_told_from_the_others():
    """Six parameters, four for the collapse near the bounds; eight seeds scatter by 7 % in the rates, here 20 %."""
    law = ExponentialStep(amplitude_up=0.05, amplitude_down=0.1, rate_up=3, rate_down=2.2)
    best, second, *_ = fit_laws(measure(law, 100, 130, 150, write=0.001, read=0.003))
    assert best.law.law == "exponential_step"
    assert second.bic - best.bic > 10  # strong evidence by the usual reading
    assert (best.law.rate_up, best.law.rate_down) == pytest.approx((3, 2.2), rel=0.2)


# --- noises


@pytest.mark.parametrize(("write", "read"), [(0.004, 0.0), (0.0, 0.004), (0.002, 0.006)])
def test_write_noise_is_told_from_read_noise(write, read):
    """640 pulses: the deviation of one noise alone is good to 1 / sqrt(1280) = 3 %, of both together five seeds scatter
    by 15 %, here 30 %; a noise that is not there must stay below a quarter of the other (seeds: an eighth)."""
    best = fit_laws(measure(SoftBounds(), 80, 160, 160, write, read))[0]
    for found, true, other in ((best.cycle_to_cycle, write, read), (best.read_noise, read, write)):
        if true:
            assert found == pytest.approx(true, rel=0.3)
        else:
            assert found < other / 4


def test_pulses_between_measurements_are_counted():
    """Every fifth pulse measured, without noise: the same law as with every pulse; 1 % for the ends of the range."""
    law = LinearStep(slope_up=0.4, slope_down=0.6)
    runs = [Run(run.up, run.pulses[::5], run.conductance[::5]) for run in measure(law, 100, 120, 100)]
    best = fitted(runs, "linear_step")
    assert steps(best) == pytest.approx((0.01, 0.01), rel=0.02)


def test_errors_belong_to_the_pulses():
    runs = measure(SoftBounds(), 80, 30, 20)
    best = fit_laws(runs)[0]
    assert [len(errors) for errors in best.errors] == [len(run.pulses) - 1 for run in runs]


def test_a_cell_that_does_not_move_is_refused():
    still = [Run(up, np.arange(20), np.full(20, 1e-6)) for up in (True, False)]
    with pytest.raises(BadPulseData, match="the conductance does not change"):
        fit_laws(still)


# --- tables


def table(tmp_path, text):
    path = tmp_path / "pulses.csv"
    path.write_text(text)
    return path


@pytest.mark.parametrize("header", ["conductance_uS", "conductance [uS]", "conductance (uS)", "Conductance_µS"])
def test_one_series_with_units(tmp_path, header):
    """Two runs; the run down starts from the last conductance of the run up."""
    path = table(tmp_path, f"pulse,{header},direction\n# a comment\n0,1,up\n1,2,up\n2,3,up\n3,2.5,down\n5,1.5,down\n")
    up, down = read_pulses(path)
    assert (up.up, down.up) == (True, False)
    assert up.conductance == pytest.approx([1e-6, 2e-6, 3e-6])
    assert down.conductance == pytest.approx([3e-6, 2.5e-6, 1.5e-6])
    assert list(down.pulses) == [0, 1, 3]


def test_pulse_numbers_that_restart_begin_a_new_run(tmp_path):
    path = table(tmp_path, "pulse,conductance,direction\n0,.1,+\n1,.2,+\n0,.3,-\n1,.2,-\n0,.1,+\n1,.2,+\n")
    runs = read_pulses(path)
    assert [run.up for run in runs] == [True, False, True]
    assert list(runs[1].conductance) == [0.3, 0.2]


def test_first_state_may_have_any_direction(tmp_path):
    path = table(tmp_path, "pulse,conductance,direction\n0,.3,up\n1,.2,down\n2,.1,down\n3,.2,up\n")
    assert [(run.up, len(run.pulses)) for run in read_pulses(path)] == [(False, 3), (True, 2)]


def test_two_series_of_unequal_length(tmp_path):
    path = table(tmp_path, "pulse, up_uS, down_nS\n0,1,9000\n1,2,8000\n2,,7000\n")
    up, down = read_pulses(path)
    assert up.conductance == pytest.approx([1e-6, 2e-6])
    assert down.conductance == pytest.approx([9e-6, 8e-6, 7e-6])


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("", [":1: the file is empty"]),
        ("pulse,conductanse,direction\n", [":1: no column is named 'conductanse'; did you mean 'conductance'?"]),
        (
            "pulse,conductance\n0,1\n",
            [":1: the columns are pulse,conductance; they must be pulse,conductance,direction"],
        ),
        ("pulse,conductance_V,direction\n", [":1: column 'conductance_V'"]),
        ("pulse,up,up,down\n", [":1: the column up is there twice"]),
        (
            "pulse,conductance,direction\n0,1,up\n1,x,up\n1.5,2,down\n3,-1,down\n4,1,sideways\n5,1\n",
            [
                ":3: conductance 'x' is not a number",
                ":4: pulse 1.5 is not a whole number",
                ":5: conductance -1 is not a conductance above 0",
                ":6: direction 'sideways' is neither up nor down",
                ":7: 2 cells, but the header has 3",
            ],
        ),
        ("pulse,conductance,direction\n0,.1,up\n1,.2,up\n", [":3: there must be at least two measurements in each"]),
        ("pulse,up,down\n0,.1,.3\n1,.2,.2\n1,.3,.1\n", [":4: pulse 1 does not come after 1"]),
    ],
)
def test_every_problem_of_a_table_has_its_line(tmp_path, text, problems):
    with pytest.raises(BadPulseData) as caught:
        read_pulses(table(tmp_path, text))
    for problem in problems:
        assert any(problem in line for line in caught.value.problems), caught.value.problems
