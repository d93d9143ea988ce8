"""Digital components: by hand at 22 nm, and how they grow."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwlib.components.activation import Relu
from hwlib.components.adder_tree import Accumulator, Adder, AdderTree
from hwlib.components.momentum import MomentumUnit, shift_terms
from hwlib.components.pooling import MaxPool
from hwlib.components.registers import Register
from hwlib.components.shift_add import ShiftAdd
from hwlib.components.update_control import UpdateControl
from hwlib.technology import load_technology
from hwlib.technology.gates import d_flip_flop, nand
from hwlib.technology.logic import logic, path_delay

TECH = load_technology("22nm")

# For each component: how to make one of so many bits.
BY_BITS = {
    "register": Register,
    "adder": Adder,
    "adder_tree": lambda bits: AdderTree(9, bits),
    "accumulator": Accumulator,
    "shift_add": lambda bits: ShiftAdd(bits, 8),
    "relu": Relu,
    "max_pool": lambda bits: MaxPool(4, bits),
    "momentum_unit": lambda bits: MomentumUnit(bits, 0.9),
    "update_control, value": lambda bits: UpdateControl(bits, 6),
    "update_control, count": lambda bits: UpdateControl(8, bits),
}


def costs(part):
    return [part.cost(TECH, name) for name in part.actions()]


@pytest.mark.parametrize("make", BY_BITS.values(), ids=BY_BITS.keys())
def test_everything_is_positive_and_grows_with_bits(make):
    small, large = make(6), make(12)
    assert 0 < small.area(TECH) < large.area(TECH)
    assert 0 < small.leakage(TECH) < large.leakage(TECH)
    for one, other in zip(costs(small), costs(large), strict=True):
        assert 0 < one.energy <= other.energy
        assert 0 < one.latency <= other.latency
    assert sum(cost.energy for cost in costs(small)) < sum(cost.energy for cost in costs(large))


@pytest.mark.parametrize("make", BY_BITS.values(), ids=BY_BITS.keys())
def test_arrays_equal_a_loop(make):
    bits = np.array([2, 7, 16])
    together = make(bits)
    for i, count in enumerate(bits):
        alone = make(int(count))
        assert np.broadcast_to(together.area(TECH), 3)[i] == pytest.approx(alone.area(TECH), rel=1e-12)
        assert np.broadcast_to(together.leakage(TECH), 3)[i] == pytest.approx(alone.leakage(TECH), rel=1e-12)
        for many, one in zip(costs(together), costs(alone), strict=True):
            assert np.broadcast_to(many.energy, 3)[i] == pytest.approx(one.energy, rel=1e-12)
            assert np.broadcast_to(many.latency, 3)[i] == pytest.approx(one.latency, rel=1e-12)


def test_register_by_hand():
    # 8 flip-flops of 12 inverters of 0.1030 µm²; of each 0.8595 fJ by the clock and 0.5513 fJ if it switches
    register = Register(8)
    assert register.area(TECH) == pytest.approx(8 * 12 * 0.1030e-12, rel=1e-3)  # four digits
    assert register.store(TECH).energy == pytest.approx(8 * (0.8595e-15 + 0.5 * 0.5513e-15), rel=1e-3)
    assert register.store(TECH, activity=0.0).energy == pytest.approx(8 * d_flip_flop(TECH).clock_energy)


def test_adder_by_hand():
    # 4 bits: 53 inputs of 208.8 aF and 28 outputs of 108.1 aF at 0.7225 V²; 36 gates of 0.1545 µm². Four digits.
    adder = Adder(4)
    assert adder.add(TECH).energy == pytest.approx((53 * 208.8e-18 + 28 * 108.1e-18) * 0.7225, rel=1e-3)
    assert adder.area(TECH) == pytest.approx(36 * 0.1545e-12, rel=1e-3)
    # 10 gates of 43.19 kohm x (108.1 + 2 x 208.8) aF = 22.71 ps, settled at 1.3544 of it
    assert adder.add(TECH).latency == pytest.approx(10 * 22.71e-12 * 1.3544, rel=1e-3)
    assert adder.add(TECH, activity=0.3).energy == pytest.approx(0.3 * adder.add(TECH).energy)


@given(inputs=st.integers(1, 300), bits=st.integers(1, 16))
def test_a_tree_has_one_adder_less_than_inputs(inputs, bits):
    stages = list(AdderTree(inputs, bits).stages())
    assert sum(count for count, _ in stages) == inputs - 1
    assert len(stages) == int(np.ceil(np.log2(inputs)))
    assert [adder.bits for _, adder in stages] == [bits + stage for stage in range(len(stages))]


def test_tree_by_hand():
    # 5 words of 8 bits: 2 adders of 8 bits, 1 of 9, 1 of 10
    tree, (a, b, c) = AdderTree(5, 8), (Adder(8), Adder(9), Adder(10))
    assert tree.area(TECH) == pytest.approx(2 * a.area(TECH) + b.area(TECH) + c.area(TECH))
    assert tree.leakage(TECH) == pytest.approx(2 * a.leakage(TECH) + b.leakage(TECH) + c.leakage(TECH))
    once = a.add(TECH).alongside(2) + b.add(TECH) + c.add(TECH)
    assert tree.add(TECH).energy == pytest.approx(once.energy)
    assert tree.add(TECH).latency == pytest.approx(once.latency)


def test_tree_of_one_word_is_nothing():
    tree = AdderTree(1, 8)
    assert (tree.area(TECH), tree.leakage(TECH), tree.add(TECH).energy, tree.add(TECH).latency) == (0, 0, 0, 0)


def test_trees_of_different_depth_in_one_call():
    inputs = np.array([1, 2, 5, 128])
    together = AdderTree(inputs, 6).add(TECH)
    alone = [AdderTree(int(count), 6).add(TECH) for count in inputs]
    assert together.energy == pytest.approx([cost.energy for cost in alone])
    assert together.latency == pytest.approx([cost.latency for cost in alone])


def test_parts_add_up():
    register, adder = Register(14), Adder(6)
    shift_add = ShiftAdd(6, 8)
    assert shift_add.output_bits == 14
    assert shift_add.area(TECH) == pytest.approx(register.area(TECH) + adder.area(TECH))
    assert shift_add.shift_add(TECH).energy == pytest.approx(register.store(TECH).energy + adder.add(TECH).energy)
    accumulate = Accumulator(14).accumulate(TECH)
    assert accumulate.latency == pytest.approx(Adder(14).add(TECH).latency + register.store(TECH).latency)
    assert accumulate.energy == pytest.approx(Adder(14).add(TECH).energy + register.store(TECH).energy)


def test_relu_by_hand():
    # 16 gates beside 8 flip-flops; half of the bits change, and in each of these one of its two gates rises
    relu, gates = Relu(8), logic(TECH, 16, 2)
    assert relu.area(TECH) == pytest.approx(gates.area + Register(8).area(TECH))
    stored = Register(8).store(TECH)
    assert relu.apply(TECH).energy == pytest.approx(0.25 * gates.energy + stored.energy)
    assert relu.apply(TECH).latency == pytest.approx(path_delay(TECH, 2) + 0.5e-9)
    assert relu.apply(TECH, activity=0.0).energy == pytest.approx(8 * d_flip_flop(TECH).clock_energy)


def test_max_pool_by_hand():
    # 4 words of 8 bits: 3 comparators of 9 x 8 + 3 x 8 = 96 gates, two of them in a row, 8 flip-flops
    pool, stored = MaxPool(4, 8), Register(8).store(TECH)
    assert pool.area(TECH) == pytest.approx(3 * 96 * nand(TECH).area + Register(8).area(TECH))
    assert pool.pool(TECH).latency == pytest.approx(2 * path_delay(TECH, 18 + 2) + 0.5e-9)
    compare = Adder(8).add(TECH).energy + logic(TECH, 24 / 4, 0).energy
    assert pool.pool(TECH).energy == pytest.approx(3 * compare + stored.energy)


@pytest.mark.parametrize(
    ("factor", "bits", "terms"),
    # worked out by hand: 1/8 - 1/32 + 1/128 = 0.1016 is within 1/512 of 0.1; 1/8 - 1/32 = 0.094 within 1/32
    [(0.5, 8, 1), (1.0, 8, 1), (0.1, 8, 3), (0.1, 4, 1), (0.75, 8, 2), (0.0, 8, 0), (2 / 3, 1, 1)],
)
def test_shift_terms_by_hand(factor, bits, terms):
    assert shift_terms(factor, bits) == terms


@given(factor=st.floats(0, 1), bits=st.integers(1, 16))
def test_shift_terms_are_enough_and_few(factor, bits):
    # Signed digits no two of which are neighbours suffice: at most every second of bits + 2 places.
    assert 0 <= shift_terms(factor, bits) <= (bits + 2) / 2 + 1


def test_momentum_by_hand():
    # 1 - 0.9 takes 3 powers of two to 8 bits, so 4 adders of 9 bits in a row; 2 x 8 flip-flops
    unit = MomentumUnit(8, 0.9)
    assert unit.additions == 4
    assert unit.area(TECH) == pytest.approx(4 * Adder(9).area(TECH) + Register(16).area(TECH))
    assert unit.update(TECH).energy == pytest.approx(4 * Adder(9).add(TECH).energy + Register(16).store(TECH).energy)
    assert unit.update(TECH).latency == pytest.approx(4 * Adder(9).add(TECH).latency + 0.5e-9)
    assert MomentumUnit(8, 0.5).area(TECH) < unit.area(TECH)


def test_momentum_needs_a_decay_below_one():
    for gamma in (1.0, -0.1, np.array([0.5, 1.5])):
        with pytest.raises(ValueError, match="gamma"):
            MomentumUnit(8, gamma)


def test_update_control_by_hand():
    # 8-bit value, 6-bit number: shifter 3 levels x 8 bits x 3 gates = 72, feedback 12, adder 72 gates;
    # flip-flops 8 for the random word, 6 for the number, 1 for the sign
    unit = UpdateControl(8, 6)
    assert unit.area(TECH) == pytest.approx((72 + 12 + 72) * nand(TECH).area + 15 * d_flip_flop(TECH).area)
    leak = (72 + 12 + 72) * nand(TECH).leakage + 15 * d_flip_flop(TECH).leakage
    assert unit.leakage(TECH) == pytest.approx(leak)
    gates = logic(TECH, 72 / 4 + 12 / 4, 0).energy
    stored = Register(8).store(TECH).energy + Register(7).store(TECH).energy
    assert unit.convert(TECH).energy == pytest.approx(gates + Adder(8).add(TECH).energy + stored)


def test_energy_falls_with_node_and_supply():
    adder = Adder(8)
    by_node = [adder.add(load_technology(name)).energy for name in ("7nm", "22nm", "45nm", "130nm")]
    assert by_node == sorted(by_node)
    low = load_technology("22nm", supply=0.7)
    assert adder.add(low).energy < adder.add(TECH).energy
    assert adder.add(low).latency > adder.add(TECH).latency
