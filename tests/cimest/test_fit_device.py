"""`cimest fit-device`: from a table of pulses to a device that loads, prices and can be trained on."""

import json

import numpy as np
import pytest
import yaml

from cimest.cli.main import main
from cimest.config.chip import Chip
from cimest.learning.tile import AnalogTile
from cimest.network import linear
from hwlib.components.cells import ResistiveArray
from hwlib.devices import load_device
from hwlib.devices.device import MissingDatum
from hwlib.devices.laws import LinearStep
from hwlib.devices.stepwise import apply_law
from hwlib.devices.update_law import affine_coefficients


@pytest.fixture
def pulses(tmp_path):
    """Two cycles of a noisy linear-step cell from 2 to 42 µS, 80 steps, 0.4 % write noise."""
    rng, law = np.random.default_rng(3), LinearStep(slope_up=0.7, slope_down=0.4, step_down=1.2)
    lines, w, pulse = ["pulse,conductance_uS,direction", "0,2,up"], -1.0, 0
    for word, sign, count in (("up", 1, 60), ("down", -1, 50)) * 2:
        for _ in range(count):
            w = float(np.clip(apply_law(law, 80, w, sign) + 0.008 * rng.standard_normal(), -1, 1))
            pulse += 1
            lines.append(f"{pulse},{22 + 20 * w:.4f},{word}")
    path = tmp_path / "Our cell.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_table_device_and_figure(pulses, tmp_path, capsys):
    assert main(["fit-device", str(pulses), "--out", str(tmp_path / "out")]) == 0
    assert "wrote" in capsys.readouterr().out
    device = load_device(str(tmp_path / "out" / "our_cell.yaml"))
    assert device.sources["update"] == "user_data"
    assert device.cycle_to_cycle.per == "pulse"
    assert device.cycle_to_cycle.sigma == pytest.approx(0.004, rel=0.3)  # 220 pulses: 5 %, two noises: 15 %
    assert (tmp_path / "out" / "our_cell.svg").read_text().startswith("<?xml")
    with pytest.raises(MissingDatum, match="a table of pulses and conductances does not say them"):
        ResistiveArray.from_device(device, 64, 64)


def test_what_pulses_do_not_say_is_named_where_it_goes(pulses, tmp_path, capsys):
    assert main(["fit-device", str(pulses), "--out", str(tmp_path), "--base", "ecram_tang2018"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "write_voltage, pulse_width; ecram_tang2018 does not have them either" in out
    text = (tmp_path / "our_cell.yaml").read_text()
    assert "# write_voltage: " in text
    assert "absent: a table of pulses" in text
    assert (tmp_path / "our_cell.png").read_bytes().startswith(b"\x89PNG")
    mended = tmp_path / "mended.yaml"
    lines = text.splitlines()
    mended.write_text("\n".join(line.removeprefix("# ") if line.split(":")[0].startswith("# ") and " " not in
                                line.split(":")[0][2:] else line for line in lines) + "\n")  # fmt: skip
    assert load_device(str(mended)).lacking == []


def test_a_folder_or_a_file_in_its_way_is_said_before_anything_is_fitted(pulses, tmp_path, capsys):
    assert main(["fit-device", str(tmp_path), "--out", str(tmp_path)]) != 0
    assert "is a folder, not a file of pulses" in capsys.readouterr().err
    assert main(["fit-device", str(pulses), "--out", str(pulses)]) != 0
    assert "cannot be a folder of results" in capsys.readouterr().err


def test_json_ranks_the_laws(pulses, tmp_path, capsys):
    assert main(["fit-device", str(pulses), "--out", str(tmp_path), "--law", "linear_step", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    criteria = [law["bic"] for law in result["laws"]]
    assert criteria == sorted(criteria)
    assert result["best"] == result["laws"][0]["law"]
    assert result["written"] == "linear_step"
    assert {law["law"] for law in result["laws"]} == {
        "linear", "nonlinearity_label", "soft_bounds", "linear_step", "power_step", "exponential_step",
        "piecewise_step",
    }  # fmt: skip
    written = load_device(result["files"]["device"])
    affine_coefficients(written.update, written.states)  # what training needs


def test_base_gives_what_pulses_do_not(pulses, tmp_path):
    assert main(["fit-device", str(pulses), "--out", str(tmp_path), "--base", "rram", "--quiet"]) == 0
    data = yaml.safe_load((tmp_path / "our_cell.yaml").read_text())
    assert (data["write_voltage"], data["sources"]["write_voltage"]) == ("4 V", "neurosim_v2_1")
    assert ResistiveArray.from_device(load_device(str(tmp_path / "our_cell.yaml")), 64, 64).write_voltage == 4.0


def test_a_law_without_closed_form_can_be_trained_on(pulses, tmp_path):
    assert main(["fit-device", str(pulses), "--out", str(tmp_path), "--law", "power_step", "--base", "rram"]) == 0
    device = load_device(str(tmp_path / "our_cell.yaml"))
    assert device.update.law == "power_step"
    chip = Chip(device=device)
    tile = AnalogTile(linear("fc", 20, 10), chip, 3, 0, 0.5, True, 32)
    before = tile.weights.copy()
    tile.pulse(np.full(tile.shape, 2.0), "nearest")
    assert (tile.weights - before).mean() > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--law", "linear_stepp"], "did you mean 'linear_step'"),
        (["--base", "rramm"], "no device is named 'rramm'; did you mean 'rram'"),
    ],
)
def test_bad_options_are_2(pulses, tmp_path, capsys, arguments, message):
    assert main(["fit-device", str(pulses), "--out", str(tmp_path), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_bad_table_is_2_and_names_the_line(tmp_path, capsys):
    path = tmp_path / "bad.csv"
    path.write_text("pulse,conductance,direction\n0,1,up\n1,zwei,up\n")
    assert main(["fit-device", str(path), "--out", str(tmp_path)]) == 2
    assert f"{path}:3: conductance 'zwei' is not a number" in capsys.readouterr().err
    assert main(["fit-device", str(tmp_path / "none.csv")]) == 2


def test_swapped_columns_and_conductances_without_their_unit_are_refused(tmp_path, capsys):
    path = tmp_path / "swapped.csv"
    path.write_text("pulse,up_uS,down_uS\n" + "".join(f"{n},{50 - 4 * n},{10 + 4 * n}\n" for n in range(10)))
    assert main(["fit-device", str(path), "--out", str(tmp_path)]) == 2
    assert "are they swapped?" in capsys.readouterr().err
    path.write_text("pulse,up,down\n" + "".join(f"{n},{10 + 4 * n},{50 - 4 * n}\n" for n in range(10)))
    assert main(["fit-device", str(path), "--out", str(tmp_path)]) == 2
    assert "is more than a siemens" in capsys.readouterr().err
