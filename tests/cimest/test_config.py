"""The experiment loader: what it accepts, and what it says, with the exact place, about what it does not.

Lines and columns are counted by hand in the texts of this file, from 1.
"""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cimest.config import ConfigError, load
from cimest.config.document import read_text, scalar, write_text
from cimest.config.loader import defaults_taken, dump_yaml, resolved
from hwlib.devices import load_device

MINIMAL = "network: lenet5\ndataset: {name: mnist_subset}\nchip: {device: rram}\n"
BAD = sorted((Path(__file__).parents[1] / "bad_experiments").glob("*.yaml"))


@pytest.fixture
def write(tmp_path):
    """Write a text to a file of the test's folder."""

    def to(text, name="e.yaml"):
        file = tmp_path / name
        file.write_text(text, encoding="utf-8")
        return file

    return to


def said(file, overrides=()):
    """Problems of an experiment without the name of its file."""
    with pytest.raises(ConfigError) as caught:
        load(file, overrides)
    return [str(problem).removeprefix(f"{file}:") for problem in caught.value.problems]


def only(file, overrides=()):
    """The one problem of an experiment."""
    (problem,) = said(file, overrides)
    return problem


# --- what is wrong, and where


def test_there_are_ten_bad_experiments():
    """As many as the deliberate mistakes that the loader was made for; an empty folder would test nothing."""
    assert len(BAD) == 10


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_bad_experiment(file):
    """Each file ends with the starts of its messages, all of them, in order."""
    marker = "# expect: "
    expected = [line.removeprefix(marker) for line in file.read_text().splitlines() if line.startswith(marker)]
    messages = said(file)
    assert len(messages) == len(expected)
    for message, start in zip(messages, expected, strict=True):
        assert message.startswith(start.format(file=file) if "{file}" in start else start)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chip: {device: rram\n", "2:1: not YAML: did not find expected ',' or '}'"),
        ("- a\n- b\n", "1:1: an experiment is a mapping of sections such as `network: lenet5`"),
        (MINIMAL + "seed: 010\n", "4:7: seed: 010 is octal to some YAML readers and decimal to others"),
        (MINIMAL + "seed: 1:30\n", "4:7: seed: 1:30 counts in sixties to some YAML readers"),
        (MINIMAL + "seed: !!int 3\n", "4:7: seed: tags such as 'tag:yaml.org,2002:int' are not used here"),
        (MINIMAL + "seed: &a [*a]\n", "4:7: seed.0: an alias that contains itself"),
        (MINIMAL + "? [a]\n: 1\n", "4:3: a key must be a name"),
        (MINIMAL + "training: {initial_range: nan}\n", "4:27: training.initial_range: 'nan' is not a finite number"),
        (MINIMAL + "activity: none.json\n", "4:11: activity: there is no file"),
    ],
)
def test_message(write, text, message):
    assert any(line.startswith(message) for line in said(write(text)))


def test_empty_file(write):
    """Every section that must be there is named with an example."""
    assert said(write("")) == [
        "1:1: network: is missing (write `network: lenet5`)",
        "1:1: dataset: is missing (write `dataset: {name: mnist_subset}`)",
        "1:1: chip: is missing (write `chip: {device: rram}`)",
    ]


def test_not_text(tmp_path):
    """0xFF occurs nowhere in UTF-8; it is the fourth byte of the second line."""
    file = tmp_path / "e.yaml"
    file.write_bytes(b"seed: 0\nabc\xff\n")
    assert only(file) == "2:4: not a text file in UTF-8"


def test_missing_file_names_the_closest(write):
    file = write(MINIMAL, "experiment.yaml")
    with pytest.raises(FileNotFoundError, match=r"did you mean '.*experiment\.yaml'"):
        load(file.with_name("experimnt.yaml"))
    with pytest.raises(FileNotFoundError, match="is a folder"):
        load(file.parent)


def test_an_error_in_an_inherited_value_is_said_once(write):
    """backward_adc takes what it does not say from adc, and so its errors too."""
    text = "network: lenet5\ndataset: mnist_subset\nchip: {device: rram, adc: {bits: 64, bitz: 1}}\n"
    assert [line.split(": ")[1] for line in said(write(text))] == ["chip.adc.bits", "chip.adc.bitz"]


def test_network_that_does_not_fit_its_data(write):
    """Maps of 28x28 are 14, 7, 3 and 1 wide after pooling, too small for the fifth."""
    text = "network: vgg16\ndataset: mnist_subset\nchip: {device: rram}\n"
    assert only(write(text)).startswith("1:10: network: layer pool5: a 2x2 window")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["chip.tile.buffer=2 byte"], "chip.tile.buffer: 16 bit are less than a word of 256 bit"),
        (["chip.global_buffer.size=2 byte"], "chip.global_buffer.size: 16 bit are less than a word of 256 bit"),
        (["chip.weight_gradient.buffer=2 byte"], "chip.weight_gradient.buffer: 16 bit are less than a word of 1024"),
        (
            ["chip.weight_gradient={unit: digital, lanes: 4, operand_buffer: 3 byte}"],
            "operand_buffer: 24 bit are less than a word of 32 bit",  # 2 lanes of an 8-bit input and an 8-bit error
        ),
        (["chip.array.columns=4"], "chip.adc.columns_per_adc: one ADC cannot serve 8 lines: there are 4 columns"),
        (["chip.backward_adc.columns_per_adc=129"], "one ADC cannot serve 129 lines: there are 128 rows"),
        (["chip.weight_gradient.columns=4"], "one ADC cannot serve 8 lines: there are 4 columns of its array"),
        (["dataset.train=4001"], "dataset.train: 4001 is more than the 4000 images of mnist_subset"),
        (["dataset.train=10", "training.batch=20"], "a batch of 20 is more than the 10 training images"),
        (["dataset.validation=4000"], "4000 images held out of 4000 leave none to train with"),
        (["dataset.validation=5000"], "dataset.validation: 5000 images held out of 4000 leave none"),
        (["dataset.validation=3990", "training.batch=20"], "the 10 training images that are left beside the 3990"),
        (["chip.supply=0.1 V"], "a supply of 0.1 V does not exceed the threshold"),
    ],
)
def test_sizes_that_do_not_fit_together(write, overrides, message):
    """Arrays have 128 rows and columns, and ADCs 8 lines, unless it is said otherwise; the subset has 4000 images."""
    assert message in only(write(MINIMAL), overrides)


# --- devices


def device_file(**changes):
    """A device file with one field a line, in the order of the record."""
    record = {
        "name": "mine",
        "kind": "resistive",
        "on_resistance": "100 kohm",
        "off_resistance": "10 Mohm",
        "read_voltage": "0.2 V",
        "read_time": "10 ns",
        "access_voltage": "1 V",
        "write_voltage": "2 V",
        "pulse_width": "50 ns",
        "states": 32,
        "update": {"law": "linear"},
        "sources": {},
    }
    return "".join(f"{key}: {value}\n" for key, value in (record | changes).items()).replace("'", "")


def test_an_experiment_may_be_a_mapping_and_an_override_one_text():
    given = {"network": "lenet5", "dataset": "mnist_subset", "chip": {"device": "rram"}}
    assert load(given, "chip.adc.bits=5").chip.adc.bits == 5
    with pytest.raises(ConfigError, match=r"chip\.adc\.bitz: unknown key"):
        load(given | {"chip": {"device": "rram", "adc": {"bitz": 5}}})


def test_null_is_said_where_it_is_allowed(write):
    assert "(allowed: 1 or more, or null)" in only(write(MINIMAL), ["dataset.train=none"])
    assert load(write(MINIMAL), ["dataset.train=null"]).dataset.train is None


@pytest.mark.parametrize("name", ["reram_array_14nm", "ecram_tang2018", "rpu_idealised"])
def test_another_device_gives_what_a_published_fit_does_not_say(name):
    """Its own fields stay; those that it lacks, with their sources, are those of the other."""
    base = {"network": "lenet5", "dataset": "mnist_subset"}
    with pytest.raises(ConfigError, match=r"has no \w+ .*, nor .*pulse_width.*fill_from"):
        load(base | {"chip": {"device": name}})
    own, rram = load_device(name), load_device("rram")
    filled = load(base | {"chip": {"device": {"base": name, "fill_from": "rram"}}}).chip.device
    assert (filled.update, filled.states, filled.name) == (own.update, own.states, name)
    for field in own.lacking:
        assert getattr(filled, field) == getattr(rram, field)
    assert filled.sources["write_voltage"] == rram.sources["write_voltage"]
    assert "write_voltage" in filled.description
    assert own.description in filled.description


@pytest.mark.parametrize(("wrong", "reason"), [("rramm", "did you mean 'rram'"), (3, "is not the name of a device")])
def test_a_device_that_fills_has_to_be_one(wrong, reason):
    given = {"network": "lenet5", "dataset": "mnist_subset", "chip": {"device": {"base": "rram", "fill_from": wrong}}}
    with pytest.raises(ConfigError, match=f"chip.device.fill_from: .*{reason}"):
        load(given)


def test_device_file_beside_the_experiment(write):
    write(device_file(), "mine.yaml")
    file = write("network: lenet5\ndataset: mnist_subset\nchip: {device: {base: mine.yaml, states: 64}}\n")
    device = load(file).chip.device
    assert (device.name, device.states, device.on_resistance) == ("mine", 64, 1e5)


def test_errors_in_a_device_file_point_into_it(write):
    """`states` is the tenth line of the file, and its value starts in column 9."""
    other = write(device_file(states="some"), "mine.yaml")
    file = write(MINIMAL.replace("rram", "mine.yaml"))
    assert only(file) == f"{other}:10:9: chip.device.states: 'some' is not a whole number (allowed: 2 or more)"


def test_empty_device_file(write):
    other = write("", "mine.yaml")
    assert only(write(MINIMAL.replace("rram", "mine.yaml"))).startswith(f"{other}:1:1: chip.device: a device file is")


def test_errors_in_a_change_point_into_the_experiment(write):
    write(device_file(), "mine.yaml")
    file = write(MINIMAL.replace("rram", "{base: mine.yaml, states: 1}"))
    assert only(file) == "3:42: chip.device.states: 1 is less than 2 (allowed: 2 or more)"


def test_missing_device_file_names_the_closest(write):
    write(device_file(), "mine.yaml")
    assert "did you mean" in only(write(MINIMAL.replace("rram", "mime.yaml")))


def test_unknown_update_law(write):
    file = write(MINIMAL.replace("rram", "{base: rram, update: {law: lineal}}"))
    assert "3:37: chip.device.update: no law is named 'lineal' (did you mean 'linear'?" in only(file)


def test_place_inside_a_union(write):
    """pydantic's location names the member of the union, which is no key of the file."""
    file = write(MINIMAL.replace("rram", "{base: rram, update: {law: nonlinearity_label, up: 20}}"))
    assert only(file) == "3:67: chip.device.update.up: 20 is more than 9 (allowed: -9 to 9)"


# --- YAML without the traps of version 1.1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("~", None),
        ("1e-9", 1e-9),
        ("1e3", 1000.0),
        ("-.5", -0.5),
        ("+7", 7),
        ("0", 0),
        ("0.0", 0.0),
        ("2024-01-01", "2024-01-01"),
        (".", "."),
        ("1.2.3", "1.2.3"),
    ],
)
def test_scalars_of_yaml_1_2(text, value):
    """By the core schema of YAML 1.2, which has no dates either."""
    assert scalar(text) == value
    assert type(scalar(text)) is type(value)


def test_numbers_without_a_point(write):
    """`1e-1` is text to readers of YAML 1.1; a whole `1e2` is good for an integer."""
    experiment = load(write(MINIMAL + "training: {learning_rate: 1e-1, batch: 1e2}\n"))
    assert (experiment.training.learning_rate.start, experiment.training.batch) == (0.1, 100)


def test_quoted_numbers_are_text():
    entry, problems = read_text("a: '010'\nb: \"true\"\n", "e.yaml")
    assert (entry.plain, problems) == ({"a": "010", "b": "true"}, [])


TEXT = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]))
"""What a person writes: YAML folds the separators of lines that are not plain line feeds."""

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT.filter(bool), inner, max_size=3),
    max_leaves=6,
)


@given(VALUES)
def test_what_is_written_is_read(value):
    """Text that looks like a number stays text, in both directions."""
    entry, problems = read_text(write_text({"value": value}), "e.yaml")
    assert (entry.plain, problems) == ({"value": value}, [])


# --- short forms and overrides


def test_short_forms(write):
    """A scalar stands for `name`, `kind`, `base` or `start`, whichever its section has."""
    short = load(write("network: lenet5\ndataset: mnist_subset\nchip: {device: rram, adc: flash, dram: gddr5}\n"
                       "training: {rule: sgd, learning_rate: 0.5}\ndataflow: naive\n"))  # fmt: skip
    long = load(write("network: {name: lenet5}\ndataset: {name: mnist_subset}\n"
                      "chip: {device: {base: rram}, adc: {kind: flash}, dram: {kind: gddr5}}\n"
                      "training: {rule: {name: sgd}, learning_rate: {start: 0.5}}\n"
                      "dataflow: {base: naive}\n"))  # fmt: skip
    assert short == long


def test_override_changes_a_short_form(write):
    file = write("network: lenet5\ndataset: mnist_subset\nchip: {device: rram, adc: flash}\n")
    experiment = load(file, ["chip.adc.bits=4", "chip.device.states=16", "dataflow=naive"])
    assert (experiment.chip.adc.kind, experiment.chip.adc.bits) == ("flash", 4)
    assert (experiment.chip.device.name, experiment.chip.device.states) == ("rram", 16)
    assert experiment.dataflow.base == "naive"


def test_options_are_converted_and_filled(write):
    """A quoted number is good where a number is expected; other options get the defaults of the rule and the zoo."""
    rule = load(write(MINIMAL + "training: {rule: {name: momentum, gamma: '0.5', bits: 1e1}}\n")).training.rule
    assert (rule.options["gamma"], rule.options["bits"], rule.options["storage"]) == (0.5, 10, "dram")
    assert load(write(MINIMAL.replace("lenet5", "mlp"))).network.options == {
        "hidden": [256, 128],
        "activation": "relu",
    }


def test_override_of_an_option_keeps_the_default_rule(write):
    rule = load(write(MINIMAL), ["training.rule.gamma=0.5"]).training.rule
    assert (rule.name, rule.options["gamma"]) == ("momentum", 0.5)


def test_override_replaces(write):
    """The rule's old options go with the old rule."""
    file = write(MINIMAL + "training: {rule: {name: momentum, gamma: 0.5}}\n")
    assert load(file, ["training.rule=sgd"]).training.rule.name == "sgd"
    assert load(file, ["training.rule.gamma=0.8"]).training.rule.options["gamma"] == 0.8


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("chip.adc.bit=4", "--set chip.adc.bit=4: chip.adc.bit: no such key (did you mean chip.adc.bits?)"),
        ("adc.bits=4", "--set adc.bits=4: adc.bits: no such key (did you mean chip.adc.bits?)"),
        ("seed", "--set seed: has no value (write it as key.path=value)"),
        ("chip.clock=20 GHz", "chip.clock: 20 GHz is more than 10 GHz (allowed: more than 0 Hz, 10 GHz or less)"),
        ("chip.adc.bits=64", "--set chip.adc.bits=64: chip.adc.bits: 64 is more than 12 (allowed: 1 to 12)"),
        ("chip.adc={bits: 3", "--set chip.adc={bits: 3: not YAML: did not find expected ',' or '}'"),
        ("seed=010", "--set seed=010: seed: 010 is octal"),
        ("chip.adc={bits: 3, bits: 4}", "chip.adc.bits: the key 'bits' is said twice"),
    ],
)
def test_bad_override(write, override, message):
    assert message in only(write(MINIMAL), [override])


def test_paths_start_from_the_file_or_from_the_working_folder(write, tmp_path, monkeypatch):
    file = write(MINIMAL.replace("mnist_subset", "mnist_subset, path: images"))
    monkeypatch.chdir("/")
    assert load(file).dataset.path == str(tmp_path / "images")
    assert load(file, base="/other").dataset.path == "/other/images"
    assert load(file, ["dataset.path=images"]).dataset.path == "/images"


# --- the resolved experiment

CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "chip.adc.bits": st.integers(1, 12),
        "chip.backward_adc.kind": st.sampled_from(["flash", "sar"]),
        "chip.temperature": st.floats(300, 400),
        "chip.clock": st.floats(1e6, 1e10),
        "chip.tile.pes": st.integers(1, 64) | st.just("auto"),
        "chip.device.pulse_width": st.floats(1e-12, 1e-3),
        "chip.device": st.sampled_from(["rram", "ideal", "fefet_32_states"]),
        "network": st.just("lenet5") | st.just("{name: mlp, hidden: [20, 10]}"),
        "training.rule.gamma": st.floats(0, 0.99),
        "training.learning_rate": st.floats(1e-6, 1e3),
        "dataflow.overlap": st.sampled_from(["true", "false"]),
        "dataset.path": st.sampled_from(["1e-9", "no", "010", "1:30", "with: colon"]).map(lambda text: f"'{text}'"),
        "seed": st.integers(0, 2**32 - 1),
    },
)


@given(changes=CHANGES)
def test_resolved_experiment_loads_as_itself(tmp_path_factory, changes):
    folder = tmp_path_factory.mktemp("resolved")
    first, second = folder / "e.yaml", folder / "resolved.yaml"
    first.write_text(MINIMAL)
    # A device replaces what was changed in another one, so it comes first.
    experiment = load(first, [f"{path}={value}" for path, value in sorted(changes.items())])
    second.write_text(dump_yaml(experiment))
    again = load(second)
    assert again == experiment
    assert resolved(again) == resolved(experiment)
    assert defaults_taken(again) == {}


def test_resolved_is_plain_yaml(write):
    """A reader of YAML 1.1 sees the same numbers where it has no trap of its own."""
    experiment = load(write(MINIMAL))
    assert yaml.safe_load(dump_yaml(experiment)) == resolved(experiment)


def test_defaults_taken(write):
    """Exactly what the file leaves out; an ADC's bits count as said for the backward pass that inherits them."""
    defaults = defaults_taken(load(write(MINIMAL.replace("rram", "rram, adc: {bits: 5}") + "seed: 0\n")))
    assert defaults["chip.adc.kind"] == "sar"
    assert defaults["training.rule.gamma"] == 0.9
    assert defaults["chip.global_buffer.size"] == 8 * 2**20
    assert not {"seed", "chip.adc.bits", "chip.backward_adc.bits", "chip.device", "chip.device.states"} & set(defaults)


def test_loading_imports_nothing_heavy(write):
    file = write(MINIMAL)
    heavy = "{'numba', 'matplotlib', 'xarray', 'pandas', 'rich', 'pooch'}"
    code = f"import sys; from cimest.config import load; load({str(file)!r}); print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
