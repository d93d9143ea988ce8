"""One battery for every registered component: sane costs, arrays equal loops, no hidden state."""

import inspect
import itertools
from dataclasses import dataclass, fields, replace

import numpy as np
import pytest

from hwlib.component import Component
from hwlib.components import COMPONENTS
from hwlib.provenance import record, source
from hwlib.registry import Registry, UnknownName
from hwlib.technology import load_technology, technology_names
from hwlib.technology.technology import ROADMAPS


@dataclass(frozen=True)
class Example:
    """A typical instance, arguments of those actions that need some, and what may be zero for it."""

    parameters: dict
    actions: dict
    zero: frozenset = frozenset()


def example(parameters, actions=None, zero=()):
    return Example(parameters, actions or {}, frozenset(zero))


ARRAY = {
    "rows": 128,
    "columns": 128,
    "cell_width": 4.0,
    "cell_height": 4.0,
    "on_resistance": 240e3,
    "off_resistance": 24e6,
    "read_voltage": 0.5,
    "access_voltage": 1.1,
    "write_voltage": 4.0,
    "pulse_width": 50e-9,
    "states": 60,
    "series_resistance": 15e3,
}
PULSES = {"cells_up": 9, "cells_down": 7, "pulses_up": 1.5, "pulses_down": 2.0, "longest_up": 3, "longest_down": 4}
SENSE = {"mean_conductance": 2e-6, "sense_time": 1e-9}
SRAM_READ = {"active_rows": 64, "columns": 128, "sense_time": 1e-9}
TRAINS = {"train_length": 31, "row_probability": 0.3, "column_probability": 0.2, "coincidences": 1.5}
ANALOG = {
    "read": {"active_rows": 64, "columns": 128, **SENSE},
    "read_transposed": {"active_columns": 64, "rows": 128, **SENSE},
    "write_row": {**PULSES, "mean_conductance": 2e-6},
    "pulse_outer_product": {**TRAINS, "mean_conductance": 2e-6},
}
READ_LIKE_RRAM = {"on_resistance": 240e3, "off_resistance": 24e6, "read_voltage": 0.5}

EXAMPLES = {
    "accumulator": example({"bits": 16}),
    "adder": example({"bits": 8}),
    "adder_tree": example({"inputs": 9, "bits": 8}),
    "aimc_adc": example({"bits": 6}),
    "bus": example({"length": 1e-3, "bits": 64}),
    "c2c_sram_array": example(
        {"rows": 64, "columns": 16, "bits": 8, "stored_words": 8},
        {"read": {"active_rows": 32, "stored_ones": 0.5, "columns": 16}},
    ),
    "capacitive_dac": example({"bits": 6, "voltage": 0.5}),
    "capacitor_array": example(
        {
            "rows": 128,
            "columns": 128,
            **READ_LIKE_RRAM,
            "capacitance": 1e-14,
            "swing": 0.4,
            "states": 400,
            "pulse_width": 1e-9,
        },
        ANALOG,
    ),
    "capacitor_sram_array": example(
        {"rows": 256, "columns": 64},
        {"read": {"active_rows": 128, "used_rows": 256, "stored_ones": 0.5, "columns": 64}},
    ),
    "cco_adc": example({"bits": 8}, {"hold": {"current": 1e-4, "voltage": 0.2, "time": 1e-7}}, zero={"hold.latency"}),
    "charge_decrement_adc": example({"bits": 8}),
    "charge_sar_adc": example({"bits": 8}),
    "column_mux": example({"columns": 128, "ratio": 8, "line_resistance": 1875.0, "voltage": 0.5}),
    "crossbar_array": example(
        {
            "rows": 128,
            "columns": 128,
            **READ_LIKE_RRAM,
            "write_voltage": 4.0,
            "pulse_width": 50e-9,
            "selectivity": 10.0,
        },
        ANALOG,
        zero={"leakage"},
    ),
    "digital_sram_array": example(
        {"rows": 64, "columns": 16, "bits": 4, "stored_words": 2},
        {"read": {"active_rows": 32, "used_rows": 64, "stored_ones": 0.5, "columns": 16}},
    ),
    "digital_comparator": example({"bits": 8}),
    "dram": example({"kind": "hbm2"}, zero={"area", "leakage"}),
    "ecram_array": example(
        {"rows": 128, "columns": 128, **READ_LIKE_RRAM, "write_voltage": 2.0, "access_voltage": 1.1}, ANALOG
    ),
    "edram_buffer": example({"size": 65536, "word": 64}),
    "flash_adc": example({"bits": 6}),
    "h_tree": example({"rows": 4, "columns": 3, "unit_width": 1e-4, "unit_height": 2e-4, "bus_bits": 64}),
    "lookup_table": example({"input_bits": 8, "output_bits": 8}),
    "lstm_gates": example({"bits": 8}),
    "max_pool": example({"window": 4, "bits": 8}),
    "mesh": example({"rows": 4, "columns": 3, "unit_width": 1e-4, "unit_height": 2e-4, "flit_bits": 64}),
    "momentum_multiplier_unit": example({"bits": 12}),
    "momentum_unit": example({"bits": 12}),
    "multiplier": example({"first_bits": 8, "second_bits": 6}),
    "multiply_accumulate": example({"first_bits": 8, "second_bits": 6, "sum_bits": 24}),
    "near_memory_datapath": example({"adc_bits": 8, "input_bits": 4, "weight_bits": 4}),
    "operand_register": example({"bits": 8}),
    "outer_product_unit": example({"activation_bits": 8, "error_bits": 6, "sum_bits": 24, "lanes": 16}),
    "pulse_generator": example({"lines": 128, "pulse_width": 50e-9}),
    "pulse_width_driver": example({"lines": 128, "bits": 7, "voltage": 0.5}, {"drive": {"active_lines": 64}}),
    "pulsed_sram_array": example(
        {"rows": 64, "columns": 16, "bits": 4},
        {"read": {"active_rows": 60, "stored_ones": 0.5, "columns": 16, "longest": 15, "pulses": 8}},
    ),
    "r2r_dac": example({"bits": 6, "voltage": 0.5, "resistance": 10e3, "load": 1e-14}),
    "ramp_adc": example({"bits": 6}),
    "random_generator": example({"bits": 8}),
    "register": example({"bits": 8}),
    "register_file": example({"size": 4096, "word": 64}),
    "relu": example({"bits": 8}),
    "resistive_array": example(ARRAY, ANALOG),
    "row_decoder": example({"rows": 128, "load": 1e-14}),
    "router": example({"ports": 5, "flit_bits": 64}),
    "sample_hold": example({"bits": 8, "voltage": 0.5}, zero={"leakage"}),
    "sar_adc": example({"bits": 6}),
    "shift_add": example({"adc_bits": 6, "input_bits": 8}),
    "softmax": example({"bits": 8}, {"normalise": {"values": 10}}),
    "sram_6t_array": example({"rows": 128, "columns": 128}, {"read": SRAM_READ}),
    "sram_8t_array": example(
        {"rows": 128, "columns": 128},
        {"read": SRAM_READ, "read_transposed": {"active_columns": 64, "rows": 128, "sense_time": 1e-9}},
    ),
    "sram_buffer": example({"size": 65536, "word": 64}),
    "sram_cim_array": example(
        {"rows": 128, "columns": 128},
        {"read": {"active_rows": 64, "stored_ones": 0.5, "columns": 128, "sense_time": 1e-9}},
    ),
    "stochastic_pulse_generator": example({"lines": 128, "bits": 8}),
    "survey_adc": example({"bits": 8}),
    "switch_matrix": example({"lines": 128, "voltage": 0.5, "load": 1e-14}, {"drive": {"active_lines": 64}}),
    "transfer_unit": example({"hidden_bits": 16, "reading_bits": 8}, {"transfer": {"fired": 0.1}}),
    "update_control": example({"value_bits": 8, "pulse_bits": 6}),
    "voltage_sensed_array": example(
        {
            "rows": 128,
            "columns": 256,
            "on_resistance": 25e3,
            "off_resistance": 1e6,
            "read_voltage": 0.5,
            "access_voltage": 1.8,
            "cell_width": 11.2,
            "cell_height": 11.2,
            "cells_per_weight": 2,
        },
        {"read": {"active_rows": 64, "columns": 256, "mean_conductance": 1e-5, "pulse": 1e-8}},
    ),
    "word_line_driver": example({"lines": 128, "voltage": 1.8, "load": 1e-13}, {"pulse": {"lines_driven": 128}}),
    "write_driver": example({"lines": 128, "voltage": 4.0, "load": 1e-14}, {"pulse": {"lines_driven": 128}}),
}

TECH = load_technology("22nm")
NAMES = COMPONENTS.names()


def instance(name, **changes) -> Component:
    return COMPONENTS.get(name)(**{**EXAMPLES[name].parameters, **changes})


def price(component, tech, arguments):
    """Everything that a component says about itself, by name."""
    quantities = {"area": component.area(tech), "leakage": component.leakage(tech)}
    for action in component.actions():
        cost = component.cost(tech, action, **arguments.get(action, {}))
        quantities |= {f"{action}.energy": cost.energy, f"{action}.latency": cost.latency}
    return quantities


def numeric_fields(name):
    """Fields of the example that hold a number, with their values."""
    component = instance(name)
    values = {field.name: getattr(component, field.name) for field in fields(component)}
    return {key: value for key, value in values.items() if type(value) in (int, float)}


def another(value):
    """A second valid value of a number: counts doubled, quantities halved."""
    return 2 * value if isinstance(value, int) else value / 2


def same(found, expected):
    """Equal to a few units in the last place: vectorised functions round differently from scalar ones."""
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value, rtol=1e-12, atol=0, err_msg=key)


@pytest.mark.parametrize("name", NAMES)
def test_has_an_example(name):
    assert name in EXAMPLES, f"add {name!r} to EXAMPLES so that the battery covers it"


def test_every_example_is_registered():
    assert set(EXAMPLES) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_has_actions(name):
    assert instance(name).actions()


@pytest.mark.parametrize(("node", "roadmap"), list(itertools.product(technology_names(), ROADMAPS)))
@pytest.mark.parametrize("name", NAMES)
def test_every_quantity_is_finite_and_positive(name, node, roadmap):
    for key, value in price(instance(name), load_technology(node, roadmap), EXAMPLES[name].actions).items():
        assert np.ndim(value) == 0, key
        assert np.isfinite(value), key
        assert value >= 0 if key in EXAMPLES[name].zero else value > 0, key


@pytest.mark.parametrize("name", NAMES)
def test_arrays_of_parameters_equal_a_loop(name):
    """Each number of the example on its own as an array, and then all together in one call."""
    arguments, numbers = EXAMPLES[name].actions, numeric_fields(name)
    for key, value in numbers.items():
        together = price(instance(name, **{key: np.array([value, another(value)])}), TECH, arguments)
        for index, one in enumerate((value, another(value))):
            single = price(instance(name, **{key: one}), TECH, arguments)
            same({key: np.broadcast_to(many, 2)[index] for key, many in together.items()}, single)
    all_at_once = {key: np.full(3, value) for key, value in numbers.items()}
    together = price(instance(name, **all_at_once), TECH, arguments)
    same({key: np.broadcast_to(many, 3)[0] for key, many in together.items()}, price(instance(name), TECH, arguments))


@pytest.mark.parametrize("name", NAMES)
def test_arrays_of_arguments_equal_a_loop(name):
    for action in instance(name).actions():
        options = inspect.signature(getattr(instance(name), action)).parameters
        defaults = {key: option.default for key, option in options.items() if option.default is not option.empty}
        arguments = defaults | EXAMPLES[name].actions.get(action, {})
        for key, value in arguments.items():
            together = instance(name).cost(TECH, action, **{**arguments, key: np.array([value, value / 2])})
            for index, one in enumerate((value, value / 2)):
                single = instance(name).cost(TECH, action, **{**arguments, key: one})
                assert np.broadcast_to(together.energy, 2)[index] == pytest.approx(single.energy, rel=1e-12)
                assert np.broadcast_to(together.latency, 2)[index] == pytest.approx(single.latency, rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_arrays_of_conditions_equal_a_loop(name):
    """Temperatures and supplies of the technology as arrays."""
    arguments = EXAMPLES[name].actions
    temperatures, supplies = np.array([300.0, 330.0, 390.0]), np.array([0.8, 0.85, 0.9])
    together = price(instance(name), load_technology("22nm", temperature=temperatures, supply=supplies), arguments)
    for index, (temperature, supply) in enumerate(zip(temperatures, supplies, strict=True)):
        tech = load_technology("22nm", temperature=temperature, supply=supply)
        found = {key: np.broadcast_to(many, 3)[index] for key, many in together.items()}
        same(found, price(instance(name), tech, arguments))


@pytest.mark.parametrize("name", NAMES)
def test_keeps_no_state(name):
    """A component prices the same before and after others with other parameters and technologies have been priced."""
    arguments = EXAMPLES[name].actions
    component = instance(name)
    before = price(component, TECH, arguments)
    for key, value in numeric_fields(name).items():
        price(replace(component, **{key: another(value)}), load_technology("65nm", "hp"), arguments)
    assert price(component, TECH, arguments) == before


@pytest.mark.parametrize("name", NAMES)
def test_names_the_sources_that_it_rests_on(name):
    with record() as used:
        price(instance(name), TECH, EXAMPLES[name].actions)
    assert used.sources
    for key in used.sources:
        assert source(key)


def test_leakage_grows_with_temperature():
    """Leakages come from off-currents, which grow several times from 300 to 400 K, but for refresh at a fixed rate."""
    hot = load_technology("22nm", temperature=400.0)
    for name in set(NAMES) - {"edram_buffer", "survey_adc"}:
        if "leakage" not in EXAMPLES[name].zero:
            assert instance(name).leakage(hot) > 2 * instance(name).leakage(TECH), name


def test_unknown_component_gets_the_closest():
    with pytest.raises(UnknownName, match="no component is named 'sar_adk'; did you mean 'sar_adc'"):
        COMPONENTS.get("sar_adk")


def test_a_name_is_taken_once():
    registry: Registry[int] = Registry("number", "hwlib")
    registry.register("one")(1)
    with pytest.raises(ValueError, match="number 'one' is registered twice"):
        registry.register("one")(2)
