"""Chips that cannot be built or trained are refused before anything runs, with the place and what is allowed."""

from importlib.resources import files

import pytest

from cimest.config import ConfigError, load
from cimest.config.chip import Chip
from cimest.mapping.arrays import lines_of, weight_array
from cimest.mapping.part import technology
from hwlib.components.cells import ResistiveArray
from hwlib.components.crosspoint import CrossbarArray
from hwlib.components.ecram import EcramArray
from hwlib.devices import load_device

MINIMAL = "network: lenet5\ndataset: {name: mnist_subset}\nchip: {device: rram}\n"

ECRAM = {
    "kind": "resistive", "on_resistance": 1e6, "off_resistance": 1e7, "read_voltage": 0.2, "write_voltage": 1.0,
    "access_voltage": 1.1, "pulse_width": 5e-9,
}  # fmt: skip


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "e.yaml"
    path.write_text(MINIMAL, encoding="utf-8")
    return path


REFUSED = [
    ("chip.array.encoding=two_pairs", "chip.array.encoding: which pair an update goes to is up to a training rule"),
    ("chip.array.cell=fefet", "chip.array.cell: no cell for rram, a resistive device; allowed: 1t1r, crossbar, ecram"),
    ("chip.array.cell=capacitor", "chip.array.cell: 'capacitor' is not among the choices"),
    ("chip.device={base: rram, on_resistance: 1 kohm}", "chip.device: resistive_array: an on_resistance of 1000 ohm"),
    ("chip.device=rpu_idealised", "chip.device: device rpu_idealised has no kind"),
    ("chip.device.spread={corrupt: 0.7, stuck_low: 0.5}", "corrupt, stuck_low and stuck_high are fractions"),
    ("chip.adc.range=1.5", "chip.adc.range: 1.5 is more than 1"),
    ("chip.adc.range=wide", "chip.adc.range: 'wide' is not a number or 'calibrated' or 'full'"),
    ("chip.signed_inputs=offset", "chip.signed_inputs: 'offset' is not among the choices"),
]


@pytest.mark.parametrize(("change", "message"), REFUSED)
def test_refused(file, change, message):
    with pytest.raises(ConfigError) as caught:
        load(file, [change])
    assert message in str(caught.value)


def test_an_ideal_converter_is_among_the_kinds(file):
    with pytest.raises(ConfigError, match=r"allowed: .*ideal"):
        load(file, ["chip.adc.kind=none_such"])
    assert load(file, ["chip.adc.kind=ideal"]).chip.backward_adc.kind == "ideal"


@pytest.mark.parametrize(("cell", "device", "kind"), [
    ("1t1r", load_device("rram"), ResistiveArray),
    ("fefet", load_device("fefet_32_states"), ResistiveArray),
    ("crossbar", load_device("rram"), CrossbarArray),
    ("ecram", load_device("ecram_kim2019", ECRAM), EcramArray),
])  # fmt: skip
@pytest.mark.parametrize("encoding", ["reference_column", "differential_pair"])
def test_every_cell_is_an_array_of_hwlib(cell, device, kind, encoding):
    """Columns of cells by definition: 100 with one reference line each way, or twice 100 and none."""
    chip = Chip(device=device, array={"rows": 50, "columns": 100, "cell": cell, "encoding": encoding})
    array, lines = weight_array(chip), lines_of(chip, technology(chip))
    assert type(array) is kind
    pair = encoding == "differential_pair"
    assert (array.all_rows, array.all_columns) == ((50, 200) if pair else (51, 101))
    assert (lines.rows, lines.columns) == (50, 200 if pair else 100)
    assert min(lines.row_load, lines.column_load, lines.write_load) > 0
    assert lines.select_voltage == (device.access_voltage if kind is ResistiveArray else 0)
    assert lines.write_voltage == (device.access_voltage if cell == "ecram" else device.write_voltage)


def test_a_device_file_may_write_numbers_as_yaml_1_2_does(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text((files("hwlib.devices.data") / "ideal.yaml").read_text().replace("states: 256", "states: 1e3"))
    assert load_device(str(path)).states == 1000
