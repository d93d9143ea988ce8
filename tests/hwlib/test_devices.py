"""The device records: values, sources, and what a bad one is told."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from pydantic import ValidationError

from hwlib.components.cells import ResistiveArray
from hwlib.devices import device_names, load_device
from hwlib.devices.cells import draw_cells, fire
from hwlib.devices.device import Device, MissingDatum, device_data
from hwlib.devices.stepwise import apply_law
from hwlib.provenance import record, source
from hwlib.registry import UnknownName

NOT_DATA = {"name", "description", "kind", "absent", "sources"}


@pytest.mark.parametrize("name", device_names())
def test_every_datum_names_a_known_source(name):
    data = device_data(name)
    assert data["name"] == name
    assert set(data) - NOT_DATA == set(data["sources"]) - {"device"}
    for key in data["sources"].values():
        assert source(key)["title"]


@pytest.mark.parametrize("name", device_names())
def test_every_device_loads(name):
    device = load_device(name)
    assert device.has("on_resistance", "off_resistance") or device.absent
    if device.has("on_resistance", "off_resistance"):
        assert device.conductance_max > device.conductance_min > 0
    if device.has("update"):
        assert device.states >= 2
    assert Device.model_validate(device.model_dump(mode="json")) == device


def test_rram_in_si():
    """Defaults of DNN+NeuroSim (neurosim_v2_1): on/off ratio 100 at 240 kohm; units converted by hand."""
    device = load_device("rram")
    assert device.off_resistance == pytest.approx(100 * device.on_resistance, rel=1e-12)
    assert (device.read_voltage, device.write_voltage, device.access_voltage) == (0.5, 4.0, 1.1)
    assert device.pulse_width == pytest.approx(50e-9, rel=1e-12)
    assert device.states == 60


def test_ferroelectric_polarisation_in_si():
    """20 µC/cm² is 0.2 C/m²."""
    assert load_device("fefet_32_states").polarisation == pytest.approx(0.2, rel=1e-12)


def test_ideal_shares_the_electrical_numbers_of_rram():
    ideal, rram = device_data("ideal"), device_data("rram")
    switching = {"name", "description", "states", "update", "cycle_to_cycle", "endurance", "sources"}
    assert {k: v for k, v in ideal.items() if k not in switching} == {
        k: v for k, v in rram.items() if k not in switching
    }


def test_changes_merge_into_the_same_law_and_replace_another():
    assert load_device("rram", {"update": {"up": 3}}).update.down == -1.46
    assert load_device("rram", {"update": {"law": "linear"}}).update.law == "linear"


def test_a_file_is_a_device(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({**device_data("rram"), "name": "mine", "states": 100}))
    assert load_device(str(path)).states == 100


def test_unknown_name_gets_the_closest():
    with pytest.raises(UnknownName, match="did you mean 'rram_asymmetric_3'"):
        load_device("rram_asymetric_3")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"off_resistance": "100 kohm"}, "must exceed on_resistance"),
        ({"pulse_width": "50 V"}, "not a quantity in s"),
        ({"bitz": 8}, "Extra inputs"),
        ({"update": {"up": 10}}, "less than or equal to 9"),
        ({"update": {"law": "soft_bounds", "low": 0}}, "low must be below 0"),
        ({"update": {"law": "linear_step", "low": 0, "slope_up": 0, "slope_down": 1}}, "low must be below 0"),
        ({"spread": {"upper_bound": 0.1}}, "needs an update law of a step"),
        ({"spread": {"slope": 0.1}}, "needs the update law linear_step"),
        ({"write_voltage": None, "states": None}, "write_voltage, states missing; give them, or say under `absent`"),
    ],
)
def test_a_bad_value_is_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        load_device("rram", changes)


# --- what a record lacks


def test_a_field_that_is_absent_says_so_when_it_is_needed():
    device = load_device("pcm_mushroom")
    assert not device.has("write_voltage")
    with pytest.raises(MissingDatum, match=r"device pcm_mushroom has no write_voltage \(the published fit says how"):
        _ = device.write_voltage


@pytest.mark.parametrize("name", ["reram_gong2018", "ecram_tang2018", "pcm_mushroom", "reram_wan2022"])
def test_a_device_without_electrical_numbers_is_not_priced(name):
    with pytest.raises(MissingDatum, match=f"device {name} has no "):
        ResistiveArray.from_device(load_device(name), 128, 128)


def test_what_is_absent_can_be_given():
    electrical = ("kind", "on_resistance", "off_resistance", "read_voltage", "access_voltage", "write_voltage")
    given = {key: device_data("rram")[key] for key in (*electrical, "pulse_width")}
    device = load_device("ecram_tang2018", given)
    assert ResistiveArray.from_device(device, 128, 128).write_voltage == 4.0


def test_a_priced_device_names_its_paper():
    with record() as used:
        ResistiveArray.from_device(load_device("rram"), 128, 128)
    assert "neurosim_v2_1" in used.sources


# --- published devices


@pytest.mark.parametrize(
    ("name", "step", "noise", "write_noise"),
    [
        ("rpu_idealised", 2e-4, 0.3, 0),
        ("rpu_gokmen_vlasov", 0.0016, 0.3, 0),
        ("reram_gong2018", 0.00135, 5.0, 75),
        ("reram_soft_bounds", 0.002, 3.75, 56),
        ("reram_array_14nm", 0.0949, 0.4158, 1.4113),
        ("reram_array_hfo2", 0.4622, 0.2174, 0.5841),
        ("capacitor_li2018", 0.005, 0.3, 0),
        ("ecram_tang2018", 0.002, 0.3, 0),
        ("ecram_kim2019", 2.8214e-4, 2.0, 0),
        ("pcm_nandakumar2020", 0.01, 0.6, 0),
    ],
)
def test_presets_hold_the_published_numbers(name, step, noise, write_noise):
    """Step, noise and write noise in units of the step as aihwkit lists them; the range is 2 for all. States are
    whole, so the step is good to half a state in 21 (reram_array_14nm), 0.4 %; noises are rounded to 1e-5."""
    device = load_device(name)
    assert device.update.high - device.update.low == pytest.approx(2, rel=1e-12)
    assert 2 / device.states * device.update.step_up == pytest.approx(step, rel=4e-3)
    assert device.cycle_to_cycle.sigma == pytest.approx(noise * step / 2, rel=1e-5)
    assert device.write_noise == pytest.approx(write_noise * step / 2, rel=1e-5)


def test_examples_device_is_complete():
    """The worked example prices and names a source for each number."""
    path = Path(__file__).parents[2] / "examples" / "devices" / "my_device.yaml"
    data, device = yaml.safe_load(path.read_text()), load_device(str(path))
    assert set(data) - NOT_DATA == set(data["sources"])
    assert all(source(key) for key in data["sources"].values())
    assert device.on_resistance == pytest.approx(1e5, rel=1e-12)
    assert ResistiveArray.from_device(device, 64, 64).pulse_width == pytest.approx(100e-9, rel=1e-12)


# --- cells that differ


def cells_of(name, count=40_000, seed=1, **changes):
    device = load_device(name, changes)
    return device, draw_cells(device, (count,), np.random.default_rng(seed))


def test_cells_scatter_as_the_record_says():
    """40 000 cells: standard deviations are good to 1 / sqrt(80 000) = 0.4 %, here 2 %; the corrupt fraction
    (0.135) to 0.2 % of the cells, here 1 %."""
    _, cells = cells_of("reram_array_14nm", spread={"lower_bound": 0.1, "upper_bound": 0.05, "corrupt": 0.135})
    moves = cells.step_up > 0
    assert 1 - moves.mean() == pytest.approx(0.135, abs=0.01)
    assert np.std(np.log(cells.step_up[moves])) == pytest.approx(0.7829, rel=0.02)
    assert np.std(cells.high[moves]) == pytest.approx(0.05, rel=0.02)
    assert np.std(cells.low[moves]) == pytest.approx(0.1, rel=0.02)


def test_up_and_down_differ_in_opposite_ways():
    """up = gain + r, down = gain - r: half the difference has the spread 0.06 of the record (2 %, as above)."""
    _, cells = cells_of("capacitor_li2018")
    assert np.std((cells.step_up - cells.step_down) / 2) == pytest.approx(0.06, rel=0.02)


def test_corrupt_cells_stay():
    device, cells = cells_of("rram", 1000, spread={"corrupt": 0.5})
    w = fire(device, np.zeros(1000), np.full(1000, 3), cells, np.random.default_rng(2))
    assert np.array_equal(w != 0, cells.step_up > 0)


@pytest.mark.parametrize("name", ["rram", "reram_soft_bounds", "ecram_tang2018", "reram_gong2018", "rpu_gokmen_vlasov"])
def test_like_cells_without_noise_follow_the_law(name):
    """With no spread and no noise the specification, pulse by pulse, is the law itself; 1e-12 for rounding."""
    alike = dict.fromkeys(device_data(name).get("spread", {}), 0)
    changes = {"cycle_to_cycle": {"sigma": 0}, "update": {"device_to_device": 0}, "spread": alike}
    device = load_device(name, changes)
    w, n = np.linspace(-1, 1, 21), np.arange(-10, 11)
    cells = draw_cells(device, w.shape, np.random.default_rng(0))
    found = fire(device, w, n, cells, np.random.default_rng(1))
    np.testing.assert_allclose(found, apply_law(device.update, device.states, w, n), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("per", "expected"), [("pulse", 5.0), ("write", 1.0)])
def test_noise_of_pulses_adds_up_and_that_of_a_write_does_not(per, expected):
    """25 pulses of sigma 0.001 of the range 2, far from the bounds: sqrt(25) or 1 times 0.002; 2 % as above."""
    device, cells = cells_of("rpu_idealised", spread={}, update={"device_to_device": 0},
                             cycle_to_cycle={"sigma": 0.001, "per": per})  # fmt: skip
    w = fire(device, np.zeros(40_000), np.full(40_000, 25), cells, np.random.default_rng(3))
    assert np.std(w) == pytest.approx(0.002 * expected, rel=0.02)


def test_each_cell_keeps_to_its_own_bounds():
    device, cells = cells_of("rpu_gokmen_vlasov", 2000)
    w = fire(device, np.zeros(2000), np.full(2000, 1250), cells, np.random.default_rng(4))
    assert np.all(w <= cells.high + 1e-12)
    strong = cells.step_up > cells.high + 0.1  # 1250 pulses of 2/1250 reach 2 step_up, whatever the noise
    np.testing.assert_allclose(w[strong], cells.high[strong], atol=0.02)
