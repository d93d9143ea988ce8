"""The device records: values, sources, and what a bad one is told."""

import pytest
import yaml
from pydantic import ValidationError

from hwlib.devices import device_names, load_device
from hwlib.devices.device import device_data
from hwlib.provenance import source
from hwlib.registry import UnknownName

NOT_DATA = {"name", "description", "kind", "sources"}


@pytest.mark.parametrize("name", device_names())
def test_every_datum_names_a_known_source(name):
    data = device_data(name)
    assert data["name"] == name
    assert set(data) - NOT_DATA == set(data["sources"])
    for key in data["sources"].values():
        assert source(key)["title"]


@pytest.mark.parametrize("name", device_names())
def test_every_device_loads(name):
    device = load_device(name)
    assert device.conductance_max > device.conductance_min > 0


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
    switching = {"name", "description", "states", "update", "cycle_to_cycle", "sources"}
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
    ],
)
def test_a_bad_value_is_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        load_device("rram", changes)
