"""The fit of calibration factors: known factors come back from synthetic chips, and a chip left out is left out."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cimest.estimate.calibration import NONE, Factors
from cimest.validate.silicon_fit import LEAST, SHARES, TOTAL, Figure, fit, informed_by, leave_one_out, weights
from cimest.validate.silicon_spread import blind, spread, surveyed

ENERGY = ("array", "driver", "converter", "digital")


def chip(name, truth, shares, areas=(1.0, 0.5, 0.4, 0.3), points=2, noise=1.0):
    """Figures of a made-up chip whose silicon follows the factors `truth`, but for `noise` on every total."""
    figures = []
    own = dict(zip(ENERGY, shares, strict=True))
    room = dict(zip(ENERGY, areas, strict=True))
    for point in range(points):
        scaled = {family: (1 + point) * value * 1e-15 for family, value in own.items()}
        bare = [
            Figure(name, f"{point}", "energy", family, 1.0, {family: value})
            for family, value in scaled.items()
            if value
        ]
        bare.append(Figure(name, f"{point}", "energy", "control", 1.0, {}, scaled))
        bare.append(Figure(name, f"{point}", "energy", TOTAL, 1.0, scaled, scaled))
        figures += bare
    figures += [Figure(name, "", "area", family, 1.0, {family: value}) for family, value in room.items()]
    figures += [Figure(name, "", "area", "control", 1.0, {}, room), Figure(name, "", "area", TOTAL, 1.0, room, room)]
    return [
        replace(figure, published=figure.ours(truth) * (noise if figure.name == TOTAL else 1.0)) for figure in figures
    ]


factor = st.floats(0.2, 5.0)
share = st.floats(0.02, 0.5)
sets = st.builds(
    Factors,
    activity=factor,
    wiring=factor,
    converter=factor,
    control=share,
    layout=factor,
    circuit_layout=factor,
    control_layout=share,
)


@settings(max_examples=25, deadline=None)
@given(sets)
def test_known_factors_come_back(truth):
    """Figures made with a set of factors give that set; without a ridge to the solver's tolerance."""
    figures = chip("a", truth, (1, 0.5, 0.2, 0.1)) + chip("b", truth, (0.2, 0.1, 0.5, 1))
    for name, value in asdict(fit(figures, ridge=0.0)).items():
        assert value == pytest.approx(asdict(truth)[name], rel=1e-4), name


@settings(max_examples=10, deadline=None)
@given(sets)
def test_a_chip_that_obeys_the_others_factors_is_predicted(truth):
    """To the solver's tolerance."""
    shares = {"a": (1, 0.5, 0.2, 0.1), "b": (0.2, 0.1, 0.5, 1), "c": (1, 1, 1, 1)}
    figures = [figure for name, of in shares.items() for figure in chip(name, truth, of)]
    used = leave_one_out(figures, ridge=0.0)
    for figure in figures:
        assert figure.ratio(used[figure.chip]) == pytest.approx(1.0, rel=1e-3)


def test_a_chip_left_out_does_not_take_part():
    truth = Factors(wiring=2.0, control=0.1, control_layout=0.1)
    one, other = chip("a", truth, (1, 0.5, 0.2, 0.1)), chip("b", truth, (0.2, 0.1, 0.5, 1))
    before = leave_one_out(one + other)
    after = leave_one_out(one + [replace(figure, published=9 * figure.published) for figure in other])
    assert before["b"] == after["b"]
    assert before["a"] != after["a"]


def test_without_figures_every_factor_stays_at_one():
    found = asdict(fit([]))
    for name, value in found.items():
        if name in SHARES:
            assert LEAST <= value < 2 * LEAST, name  # the solver stays off its bound by a little
        else:
            assert value == pytest.approx(1.0, abs=1e-6), name


def test_the_ridge_moves_a_factor_of_one_chip_by_what_is_stated():
    """One chip asks for converters of 1.02, another for arrays of 1, each with full weight.

    By hand, in the logarithm x of 1.02: the difference shrinks to x / (1 + λ) about x / 2, and digital logic, of which
    nobody says anything, lies in the middle. Errors are so small that they count as squares.
    """
    x = np.log(1.02)
    asked = [
        Figure("a", "", "energy", TOTAL, 1.02, {"converter": 1.0}),
        Figure("b", "", "energy", TOTAL, 1.0, {"array": 1.0}),
    ]
    for ridge in (1.0, 0.1):
        found = fit(asked, ridge)
        assert np.log(found.converter) == pytest.approx(x / 2 * (1 + 1 / (1 + ridge)), rel=1e-3)
        assert np.log(found.wiring) == pytest.approx(x / 2 * (1 - 1 / (1 + ridge)), rel=1e-3)
        assert np.log(found.activity) == pytest.approx(x / 2, rel=1e-3)


def test_a_chip_weighs_the_same_however_many_points_it_has():
    truth = Factors()
    few, many = (chip(name, truth, (1, 1, 1, 1), points=points) for name, points in (("few", 1), ("many", 9)))
    found = weights(few + many)
    of = [figure.chip == "few" for figure in few + many]
    assert found[of].sum() == pytest.approx(2.0)  # one for energy, one for area
    assert found[~np.array(of)].sum() == pytest.approx(2.0)


def test_factors_that_one_chip_informs_are_named():
    analog = [Figure("a", "", "energy", TOTAL, 1.0, {"array": 1.0})]
    digital = [Figure("b", "", "energy", TOTAL, 1.0, {"array": 1.0, "digital": 0.05})]
    counted = informed_by(analog + digital, Factors())
    assert counted["wiring"] == ["a", "b"]
    assert counted["activity"] == []  # a twentieth of one figure does not inform a factor
    assert informed_by([Figure("c", "", "energy", "logic", 1.0, {"digital": 1.0})], Factors())["activity"] == ["c"]


@pytest.mark.parametrize("chips", [3, 6])
def test_the_spread_of_the_others_holds_a_chip_as_often_as_it_says(chips):
    """Made-up chips whose totals err by a factor of 2 (one deviation): Student's t holds 80 % for any number of them.

    2 000 draws have a deviation of 0.9 %.
    """
    random, inside = np.random.default_rng(1), []
    for errors in random.standard_normal((2000, chips)):
        figures = [
            Figure(f"{number}", "", "energy", TOTAL, 2.0**error, {"array": 1.0}) for number, error in enumerate(errors)
        ]
        first, *others = figures
        factor = spread(others, {figure.chip: NONE for figure in others})["energy"]["rest"]
        inside.append(1 / factor <= first.ratio(NONE) <= factor)
    assert np.mean(inside) == pytest.approx(0.8, abs=0.03)


def test_a_chip_counts_once_however_many_points_it_has():
    """By hand: squares of ln 2 and 0 have a mean of ln²2 / 2, whether the first chip has one point or three."""
    once = [Figure(name, "", "energy", TOTAL, value, {"array": 1.0}) for name, value in (("a", 2.0), ("b", 1.0))]
    thrice = [*once, *(replace(once[0], point=point) for point in ("1", "2"))]
    used = dict.fromkeys(("a", "b"), NONE)
    assert spread(once, used) == spread(thrice, used)
    assert spread(once, used)["energy"]["rest"] == pytest.approx(np.exp(1.8856 * np.log(2) / np.sqrt(2)), rel=1e-4)


def test_a_blind_prediction_ignores_the_chip():
    truth = Factors(wiring=2.0, control=0.1, control_layout=0.1)
    shares = {"a": (1, 0.5, 0.2, 0.1), "b": (0.2, 0.1, 0.5, 1), "c": (1, 1, 1, 1)}
    figures = [figure for name, of in shares.items() for figure in chip(name, truth, of, noise=1.2)]
    other = [replace(figure, published=3 * figure.published) if figure.chip == "a" else figure for figure in figures]
    for before, after in zip(blind(figures, ["a"]), blind(other, ["a"]), strict=True):
        assert after.factor == before.factor
        assert after.ratio == pytest.approx(before.ratio / 3, rel=1e-12)


def test_the_survey_gives_the_spread_of_converters():
    """By hand: modelled over published is 0.04 at the 10th and 3.0 at the 90th percentile; half of ln 75 each way."""
    assert surveyed() == pytest.approx(np.sqrt(3.0 / 0.04))
