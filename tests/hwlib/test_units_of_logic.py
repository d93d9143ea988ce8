"""Multipliers, comparators, tables, and the units made of them: by hand at 22 nm, and what they add up to."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwlib.components import COMPONENTS
from hwlib.components.adder_tree import Accumulator, Adder
from hwlib.components.assembly import Assembly, Gates
from hwlib.components.buffers import SramBuffer
from hwlib.components.comparator import DigitalComparator
from hwlib.components.interconnect import Bus
from hwlib.components.lookup_table import LookupTable
from hwlib.components.lstm import LstmGates
from hwlib.components.momentum import MomentumMultiplierUnit, MomentumUnit
from hwlib.components.multiplier import Multiplier, MultiplyAccumulate
from hwlib.components.operand_register import OperandRegister
from hwlib.components.outer_product import OuterProductUnit
from hwlib.components.random_numbers import RandomGenerator, StochasticPulseGenerator
from hwlib.components.registers import Register
from hwlib.components.softmax import Softmax
from hwlib.components.tiki_taka import TransferUnit
from hwlib.technology import load_technology
from hwlib.technology.gates import inverter, nand, transmission_gate
from hwlib.technology.logic import logic, path_delay
from tests.hwlib.test_registry import instance

TECH = load_technology("22nm")
ASSEMBLIES = [name for name in COMPONENTS.names() if issubclass(COMPONENTS.get(name), Assembly)]


@pytest.mark.parametrize("name", ASSEMBLIES)
def test_assemblies_are_the_sum_of_their_parts(name):
    assembly = instance(name)
    parts = assembly.parts().values()
    capacitors = assembly.capacitor_area(TECH) if hasattr(assembly, "capacitor_area") else 0.0
    assert assembly.area(TECH) == pytest.approx(capacitors + sum(count * part.area(TECH) for count, part in parts))
    assert assembly.leakage(TECH) == pytest.approx(sum(count * part.leakage(TECH) for count, part in parts))
    assert all(count > 0 and part.area(TECH) > 0 for count, part in parts)


@given(first=st.integers(1, 40), second=st.integers(1, 40))
def test_factors_may_change_places(first, second):
    one, other = Multiplier(first, second), Multiplier(second, first)
    assert one.area(TECH) == other.area(TECH)
    assert one.multiply(TECH) == other.multiply(TECH)


def test_multiplier_by_hand():
    # 8 x 6 bits: 48 ANDs of two NANDs; 5 rows of adders of 8 bits of nine NANDs
    unit, row = Multiplier(8, 6), Adder(8)
    assert unit.area(TECH) == pytest.approx((2 * 48 + 5 * 72) * nand(TECH).area)
    products = logic(TECH, 2 * 48 / 4, 0).energy
    assert unit.multiply(TECH).energy == pytest.approx(products + 5 * row.add(TECH).energy)
    # 2 gates of the AND, then 6 + 8 - 3 = 11 carries of 2 gates and 5 sums of 6 gates
    assert unit.multiply(TECH).latency == pytest.approx(path_delay(TECH, 2 + 22 + 30))
    # one bit: ANDs alone
    assert Multiplier(8, 1).area(TECH) == pytest.approx(16 * nand(TECH).area)
    assert Multiplier(8, 1).multiply(TECH).latency == pytest.approx(path_delay(TECH, 2))


# horowitz2014computing, 45 nm at 0.9 V: integer addition 0.03 pJ (8 bit) and 0.1 pJ (32 bit), multiplication 0.2 and
# 3.1 pJ. Other circuits and another process, so within a factor of 2.
@pytest.mark.parametrize(("bits", "addition", "multiplication"), [(8, 0.03e-12, 0.2e-12), (32, 0.1e-12, 3.1e-12)])
def test_arithmetic_costs_what_is_published(bits, addition, multiplication):
    tech = load_technology("45nm", "hp", supply=0.9)
    assert 0.5 < Adder(bits).add(tech).energy / addition < 2
    assert 0.5 < Multiplier(bits, bits).multiply(tech).energy / multiplication < 2


def test_multiply_accumulate_is_its_parts():
    unit = MultiplyAccumulate(8, 6, 24).multiply_accumulate(TECH)
    parts = Multiplier(8, 6).multiply(TECH) + Accumulator(24).accumulate(TECH)
    assert unit == parts


def test_comparator_by_hand():
    # 5 NANDs a bit, of which a quarter rise; 2 in a row for each bit, and one
    assert DigitalComparator(8).area(TECH) == pytest.approx(40 * nand(TECH).area)
    assert DigitalComparator(8).compare(TECH).energy == pytest.approx(logic(TECH, 10, 0).energy)
    assert DigitalComparator(8).compare(TECH).latency == pytest.approx(path_delay(TECH, 17))


def test_lookup_table_by_hand():
    # 8 bits to 6: 256 words of 6 bits, and 6 flip-flops
    table, memory = LookupTable(8, 6), SramBuffer(256 * 6, 6)
    assert table.area(TECH) == pytest.approx(memory.area(TECH) + Register(6).area(TECH))
    assert table.look_up(TECH) == memory.read(TECH) + Register(6).store(TECH)
    assert table.load(TECH) == memory.write(TECH)
    assert 1.8 < LookupTable(13, 8).area(TECH) / LookupTable(12, 8).area(TECH) < 2.2  # twice the entries


def test_random_words_by_hand():
    # 8 flip-flops and three exclusive-ors of four NANDs; a bit more of both for each bit of a line
    generator = RandomGenerator(8)
    assert generator.area(TECH) == pytest.approx(Register(8).area(TECH) + 12 * nand(TECH).area)
    assert generator.draw(TECH).energy == pytest.approx(Register(8).store(TECH).energy + logic(TECH, 3, 0).energy)


def test_pulse_trains_by_hand():
    # 10 lines, 4 share a random word: 3 generators; each line compares, and passes with two gates
    unit = StochasticPulseGenerator(10, 7, lines_per_generator=4)
    assert unit.generators == 3
    compared, drawn = DigitalComparator(7).compare(TECH), RandomGenerator(7).draw(TECH)
    gates = logic(TECH, 20, 2)
    slot = unit.slot(TECH)
    assert slot.energy == pytest.approx(3 * drawn.energy + 10 * compared.energy + gates.energy / 4)
    assert slot.latency == pytest.approx(drawn.latency + compared.latency + gates.latency)
    assert unit.load(TECH).energy == pytest.approx(80 * Register(1).store(TECH).energy)
    assert StochasticPulseGenerator(10, 7).area(TECH) > unit.area(TECH)


def test_softmax_grows_with_its_vector():
    # a constant division, and the same for each value: the third equals the second difference free
    unit = Softmax(8)
    costs = [unit.normalise(TECH, values=values) for values in (10, 20, 30)]
    for figure in ("energy", "latency"):
        ten, twenty, thirty = (getattr(cost, figure) for cost in costs)
        assert thirty - twenty == pytest.approx(twenty - ten)
        # the division takes 8 steps of an adder of 8 + 10 bits, which is less than ten values take
        assert 0 < 2 * ten - twenty < ten
    assert Softmax(8, 10).sum_bits == 12


def test_lstm_by_hand():
    # backward: 16 products, two at once, one addition, five results
    unit, product = LstmGates(8), Multiplier(8, 8).multiply(TECH)
    rest = Adder(8).add(TECH) + Register(8).store(TECH).alongside(5)
    assert unit.backward(TECH).energy == pytest.approx(16 * product.energy + rest.energy)
    assert unit.backward(TECH).latency == pytest.approx(8 * product.latency + rest.latency)
    # forward: five look-ups, of which the one of g is hidden, three products in two steps
    table, rest = LookupTable(7, 8).look_up(TECH), Adder(8).add(TECH) + Register(8).store(TECH).alongside(6)
    assert unit.forward(TECH).energy == pytest.approx(5 * table.energy + 3 * product.energy + rest.energy)
    assert unit.forward(TECH).latency == pytest.approx(4 * table.latency + 2 * product.latency + rest.latency)


def test_momentum_with_a_multiplier_by_hand():
    # 12 bits: two additions of 13 bits and a product of 13 x 8
    unit = MomentumMultiplierUnit(12, 8)
    parts = Register(12).store(TECH).alongside(2) + Adder(13).add(TECH).times(2) + Multiplier(13, 8).multiply(TECH)
    assert unit.update(TECH).energy == pytest.approx(parts.energy)
    assert unit.update(TECH).latency == pytest.approx(parts.latency)
    # shifts and adds of a fixed gamma are cheaper, which is why huang2022momentum has them
    assert MomentumUnit(12, 0.9).update(TECH).energy < unit.update(TECH).energy
    assert MomentumUnit(12, 0.9).area(TECH) < unit.area(TECH)


def test_transfer_pays_for_what_fires():
    unit = TransferUnit(hidden_bits=16, reading_bits=8)
    none, all_of_them = unit.transfer(TECH, fired=0.0), unit.transfer(TECH, fired=1.0)
    assert all_of_them.energy - none.energy == pytest.approx(Adder(16).add(TECH).energy)
    assert all_of_them.latency == none.latency
    half = unit.transfer(TECH, fired=np.array([0.5])).energy
    assert half == pytest.approx((none.energy + all_of_them.energy) / 2)


def test_outer_product_pays_for_what_is_executed():
    unit, lane = OuterProductUnit(8, 6, 24, lanes=16), MultiplyAccumulate(8, 6, 24).multiply_accumulate(TECH)
    full, skipped = unit.accumulate(TECH), unit.accumulate(TECH, executed=0.0)
    stored = Register(14).store(TECH).energy
    assert full.energy - skipped.energy == pytest.approx(16 * (lane.energy + stored))
    # a skipped product still gates its lane by two gates, of which a quarter rise; zeros are found for 4 rows of 8 bits
    # and 4 columns of 6, by two gates a bit, and operands come, with a bit each, over the side of the square of lanes
    lanes = 16 * (MultiplyAccumulate(8, 6, 24).area(TECH) + Register(14).area(TECH) + Gates(2, 2).area(TECH))
    rows, columns, flags = (Bus(np.sqrt(lanes), 4 * bits).transfer(TECH) for bits in (8, 6, 2))
    found = logic(TECH, (16 * 2 + 4 * 28) / 4, 0).energy
    assert skipped.energy == pytest.approx(found + rows.energy + columns.energy + flags.energy)
    around = 4 * (Gates(16, 6).area(TECH) + Gates(12, 6).area(TECH)) + Bus(np.sqrt(lanes), 4 * 16).area(TECH)
    assert unit.area(TECH) == pytest.approx(lanes + around)
    assert full.latency == skipped.latency
    # wires of a zero stay as they are
    half = unit.accumulate(TECH, executed=0.0, activations=0.5, errors=0.25)
    assert skipped.energy - half.energy == pytest.approx(rows.energy / 2 + columns.energy * 3 / 4)
    # operands follow one another over the wires: only the lane itself holds up the next product
    ahead = rows.latency + Gates(16, 6).switch(TECH).latency
    assert unit.cycle_time(TECH) == pytest.approx(full.latency - ahead)


@pytest.mark.parametrize("bits", [2, 8, 16])
def test_operand_register_by_hand(bits):
    """A counter steps through a whole period: each change of its bit j moves all multiplexers of level j."""
    unit, gate, out = OperandRegister(bits), transmission_gate(TECH), inverter(TECH)
    levels = int(np.log2(bits))
    assert unit.area(TECH) == pytest.approx(
        Register(bits).area(TECH) + (bits - 1) * 2 * gate.area + out.area  # each multiplexer has two pass gates
    )
    assert unit.store(TECH) == Register(bits).store(TECH)
    energy, wire = 0.0, TECH.wire_capacitance * np.sqrt(unit.area(TECH))
    for count in range(bits):
        for level in range(levels):
            if (count ^ (count + 1)) >> level & 1:
                # one wire of the pair rises, with its gates; outputs rise in a quarter of the changes
                moved = gate.input_capacitance + 3 * gate.output_capacitance / 4
                energy += (2**level * moved + wire) * TECH.vdd**2
        energy += (out.input_capacitance + out.output_capacitance) / 4 * TECH.vdd**2
    assert unit.select(TECH).energy == pytest.approx(energy / bits)


def test_selecting_bits_is_cheaper_than_shifting_the_word():
    """A shift register clocks all flip-flops for each bit: that is what the tree of multiplexers saves."""
    bits = np.array([2, 4, 8, 16])
    assert np.all(OperandRegister(bits).select(TECH).energy < Register(bits).store(TECH).energy / 2)
    # a word of one bit has nothing to select from: its output inverter alone works
    out = inverter(TECH)
    only = (out.input_capacitance + out.output_capacitance) / 4 * TECH.vdd**2
    assert OperandRegister(1).select(TECH).energy == pytest.approx(only)
