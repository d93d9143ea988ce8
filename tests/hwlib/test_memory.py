"""Buffers and DRAM."""

import numpy as np
import pytest

from hwlib.components.buffers import RegisterFile, SramBuffer
from hwlib.components.dram import Dram
from hwlib.components.registers import Register
from hwlib.provenance import record
from hwlib.registry import UnknownName
from hwlib.technology import load_technology
from hwlib.technology.gates import d_flip_flop

TECH = load_technology("22nm")
KIB = 1024 * 8


@pytest.mark.parametrize(("kind", "energy", "bandwidth"), [("hbm2", 3.9e-12, 15.2e12), ("gddr5", 14e-12, 4.288e12)])
def test_dram_is_energy_and_bandwidth(kind, energy, bandwidth):
    # the data of neurosim_v2_1 themselves
    dram = Dram(kind)
    with record() as found:
        once = dram.read(TECH, bits=1000)
    assert found.sources == {"neurosim_v2_1"}
    assert once.energy == pytest.approx(1000 * energy)
    assert once.latency == pytest.approx(1000 / bandwidth)
    assert dram.write(TECH, bits=1000) == once
    assert dram.read(TECH, bits=np.array([1, 2])).energy == pytest.approx([energy, 2 * energy])
    assert (dram.area(TECH), dram.leakage(TECH)) == (0.0, 0.0)


def test_weight_gradient_traffic_of_vgg8():
    # 12 973 440 weights of 15 bits, out and back, for 50 000 images at 3.9 pJ: 75.89 J (arithmetic on the data of
    # neurosim_v2_1, whose own run prints 76.03 J with all other traffic)
    bits = 12_973_440 * 15 * 50_000
    dram = Dram("hbm2")
    assert dram.read(TECH, bits=bits).energy + dram.write(TECH, bits=bits).energy == pytest.approx(75.89, rel=1e-4)


def test_unknown_dram():
    with pytest.raises(UnknownName, match="did you mean 'hbm2'"):
        Dram("hbm3")


@pytest.mark.parametrize("kind", [SramBuffer, RegisterFile])
def test_buffers_are_positive_and_grow(kind):
    small, large = kind(1 * KIB, 64), kind(4 * KIB, 64)
    assert 0 < small.area(TECH) < large.area(TECH)
    assert 0 < small.leakage(TECH) < large.leakage(TECH)
    for name in kind.actions():
        one, other = small.cost(TECH, name), large.cost(TECH, name)
        assert 0 < one.energy < other.energy
        assert 0 < one.latency < other.latency


@pytest.mark.parametrize("kind", [SramBuffer, RegisterFile])
def test_arrays_equal_a_loop(kind):
    sizes, words = np.array([1000, 1 * KIB, 64 * KIB]), np.array([[32], [256]])
    together = kind(sizes, words)
    for i, word in enumerate(words[:, 0]):
        for j, size in enumerate(sizes):
            alone = kind(int(size), int(word))
            assert together.area(TECH)[i, j] == pytest.approx(alone.area(TECH), rel=1e-12)
            assert together.leakage(TECH)[i, j] == pytest.approx(alone.leakage(TECH), rel=1e-12)
            assert together.read(TECH).energy[i, j] == pytest.approx(alone.read(TECH).energy, rel=1e-12)
            assert together.write(TECH).latency[i, j] == pytest.approx(alone.write(TECH).latency, rel=1e-12)


@pytest.mark.parametrize("kind", [SramBuffer, RegisterFile])
def test_a_word_must_fit(kind):
    with pytest.raises(ValueError, match="word"):
        kind(64, np.array([32, 128]))


def test_sram_energy_per_bit_is_of_the_right_order():
    # 5 to 50 fJ/bit for 32 to 256 KiB at 22 nm: the order of published compiled SRAM, which spreads that widely
    sizes = np.array([32, 64, 128, 256]) * KIB
    buffer = SramBuffer(sizes, 128)
    for name in ("read", "write"):
        per_bit = buffer.cost(TECH, name).energy / 128
        assert np.all(np.diff(per_bit) > 0)
        assert np.all((per_bit > 5e-15) & (per_bit < 50e-15))


def test_sram_geometry_by_hand():
    # 32 KiB: 16 arrays of 128 x 128 hold 262 144 bits; a word of 512 wakes 4 of them, so 4 banks
    assert SramBuffer(32 * KIB, 128).geometry == (16, 1, 128, 128)
    assert SramBuffer(32 * KIB, 512).geometry == (4, 4, 128, 128)
    # 1000 bits in words of 8: 32 columns are about square, 1000 / 32 = 31.25 rows
    assert SramBuffer(1000, 8).geometry == (1, 1, 32, 32)


def test_sram_area_lies_above_its_cells():
    # cells of 160 F² take 60 to 95 % of the area of a large memory (usual array efficiency)
    cells = 256 * KIB * 160 * 22e-9**2
    assert 0.6 < cells / SramBuffer(256 * KIB, 128).area(TECH) < 0.95


def test_sram_cells_leak_most():
    # cell: off-currents of 1e-4 A/m over 2.08 + 1.31 + 1.23 F at 0.85 V, 8.64 pW; periphery adds less than half
    cells = 256 * KIB * 1e-4 * (2.08 + 1.31 + 1.23) * 22e-9 * 0.85
    assert 1.0 < SramBuffer(256 * KIB, 128).leakage(TECH) / cells < 1.5


def test_register_file_holds_its_flip_flops():
    # flip-flops as a register of the same size, and decoder and pass gates, less than a fifth more
    file, register = RegisterFile(2 * KIB, 64), Register(2 * KIB)
    assert 1.0 < file.area(TECH) / register.area(TECH) < 1.2
    assert 1.0 < file.leakage(TECH) / register.leakage(TECH) < 1.2


def test_register_file_write_stores_one_word():
    # a write is a read plus the clock and the switching of the row's flip-flops, by construction
    file, cell = RegisterFile(2 * KIB, 64), d_flip_flop(TECH)
    extra = file.write(TECH, activity=1.0).energy - file.read(TECH).energy
    assert extra == pytest.approx(64 * (cell.clock_energy + cell.switch_energy))


def test_sram_is_denser_than_flip_flops():
    assert SramBuffer(8 * KIB, 64).area(TECH) < RegisterFile(8 * KIB, 64).area(TECH) / 5
