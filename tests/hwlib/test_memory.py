"""Buffers, embedded DRAM and DRAM."""

import numpy as np
import pytest

from hwlib.components.buffers import RegisterFile, SramBuffer
from hwlib.components.dram import Dram
from hwlib.components.edram import EdramBuffer
from hwlib.components.registers import Register
from hwlib.provenance import record, source
from hwlib.registry import UnknownName
from hwlib.technology import load_technology
from hwlib.technology.gates import d_flip_flop
from hwlib.technology.technology import CORNERS

TECH = load_technology("22nm")
KIB = 1024 * 8


# Per bit at the typical corner and bandwidth, from the sources that dram.yaml names: hbm2 and gddr5 as neurosim_v2_1
# has them, ddr4 1300 pJ / 64 bits and 64 x 3200 Mbit/s, the others likewise.
@pytest.mark.parametrize(
    ("kind", "energy", "bandwidth"),
    [
        ("hbm2", 3.9e-12, 15.2e12),
        ("gddr5", 14e-12, 4.288e12),
        ("ddr4", 1300e-12 / 64, 64 * 3.2e9),
        ("lpddr4", 8e-12, 32 * 4.266e9),
        ("lpddr5", 0.7 * 8e-12, 32 * 6.4e9),
    ],
)
def test_dram_is_energy_and_bandwidth(kind, energy, bandwidth):
    dram = Dram(kind)
    with record() as found:
        once = dram.read(TECH, bits=1000)
    assert found.sources
    assert all(source(key) for key in found.sources)
    assert once.energy == pytest.approx(1000 * energy, rel=2e-3)  # three digits in the data
    assert once.latency == pytest.approx(1000 / bandwidth, rel=2e-3)
    assert dram.write(TECH, bits=1000) == once
    assert dram.read(TECH, bits=np.array([1, 2])).energy == pytest.approx([energy, 2 * energy], rel=2e-3)
    assert (dram.area(TECH), dram.leakage(TECH)) == (0.0, 0.0)


# Energy per bit at the ends, by hand from the sources: burst currents of the data sheets (drampower), 450 pJ and
# 2600 pJ per 64 bits, 30 % less than LPDDR4. Two or three digits in the data, hence 1 %.
@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [
        ("hbm2", 250e-12 / 64, 450e-12 / 64),
        ("gddr5", 14e-12, 14e-12),
        ("ddr4", 168.75e-3 * 1.2 / (8 * 2.4e9), 2600e-12 / 64),
        (
            "lpddr4",
            (2.25e-3 * 1.8 + (210e-3 + 55e-3) * 1.1) / (16 * 3.2e9),
            (2.25e-3 * 1.8 + (275e-3 + 150e-3) * 1.1) / (16 * 3.2e9),
        ),
        ("lpddr5", 0.7 * 5.8e-12, 9.2e-12),
    ],
)
def test_dram_has_its_spread(kind, low, high):
    energies = [Dram(kind).read(load_technology("22nm", corner=corner)).energy for corner in CORNERS]
    assert energies == sorted(energies)
    assert energies[0] == pytest.approx(low, rel=0.01)
    assert energies[2] == pytest.approx(high, rel=0.01)


def test_dram_devices_share_the_traffic():
    one, four = Dram("lpddr5"), Dram("lpddr5", devices=4)
    assert four.read(TECH, bits=1e6).energy == one.read(TECH, bits=1e6).energy
    assert four.read(TECH, bits=1e6).latency == pytest.approx(one.read(TECH, bits=1e6).latency / 4)


def test_weight_gradient_traffic_of_vgg8():
    # 12 973 440 weights of 15 bits, out and back, for 50 000 images at 3.9 pJ: 75.89 J (arithmetic on the data of
    # neurosim_v2_1, whose own run prints 76.03 J with all other traffic)
    bits = 12_973_440 * 15 * 50_000
    dram = Dram("hbm2")
    assert dram.read(TECH, bits=bits).energy + dram.write(TECH, bits=bits).energy == pytest.approx(75.89, rel=1e-4)


def test_unknown_dram():
    with pytest.raises(UnknownName, match="did you mean 'hbm2'"):
        Dram("hbm3")


@pytest.mark.parametrize("kind", [SramBuffer, EdramBuffer, RegisterFile])
def test_buffers_are_positive_and_grow(kind):
    small, large = kind(1 * KIB, 64), kind(4 * KIB, 64)
    assert 0 < small.area(TECH) < large.area(TECH)
    assert 0 < small.leakage(TECH) < large.leakage(TECH)
    for name in kind.actions():
        one, other = small.cost(TECH, name), large.cost(TECH, name)
        assert 0 < one.energy < other.energy
        assert 0 < one.latency < other.latency


@pytest.mark.parametrize("kind", [SramBuffer, EdramBuffer, RegisterFile])
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


@pytest.mark.parametrize("kind", [SramBuffer, EdramBuffer, RegisterFile])
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


def test_sram_arrays_can_be_chosen():
    # arrays of 64 x 32: 64 KiB in words of 64 wake 2 of them, so 524 288 / (64 x 64) = 128 banks
    small = SramBuffer(64 * KIB, 64, array_rows=64, array_columns=32)
    assert small.geometry == (128, 2, 64, 32)
    # more decoders, column circuits and tree for the same cells
    assert small.area(TECH) > SramBuffer(64 * KIB, 64).area(TECH)


# Published cells: 0.127, 0.039 and 0.026 µm² (wang2006edram, butt2010edram, pei2014edram), exact at their nodes.
@pytest.mark.parametrize(("name", "cell"), [("65nm", 0.127e-12), ("32nm", 0.039e-12), ("22nm", 0.026e-12)])
def test_edram_cells_are_the_published_ones(name, cell):
    tech = load_technology(name)
    width, height = EdramBuffer(1024 * KIB, 128)._cell(tech)
    assert width * height == pytest.approx(cell, rel=1e-9)
    # cells take a quarter to nine tenths of the memory: a sense amplifier for each column is not small
    assert 0.25 < 1024 * KIB * cell / EdramBuffer(1024 * KIB, 128).area(tech) < 0.9


def test_edram_refresh_by_hand():
    # 1 MiB in words of 128: 512 banks of 128 rows; in each retention time every row is restored once, and a write
    # restores one row besides sending the word through the tree
    memory = EdramBuffer(1024 * KIB, 128)
    row = memory.write(TECH).energy - memory._tree(TECH).transfer(TECH).energy
    assert memory.refresh_power(TECH) == pytest.approx(512 * 128 * row / 40e-6)
    assert EdramBuffer(1024 * KIB, 128, retention=80e-6).refresh_power(TECH) == pytest.approx(
        memory.refresh_power(TECH) / 2
    )
    # a column at least charges its 20 fF trench by half of 0.85 V: 128 x 20 fF x 0.7225 V² / 2 = 925 fJ
    assert 925e-15 < row < 3 * 925e-15


def test_edram_is_denser_than_sram_and_needs_refresh():
    dynamic, static = EdramBuffer(1024 * KIB, 128), SramBuffer(1024 * KIB, 128)
    assert 1.5 < static.area(TECH) / dynamic.area(TECH) < 4  # cells of 54 against 160 F², with more column circuits
    assert dynamic.leakage(TECH) > static.leakage(TECH)


def test_edram_access_time_is_of_the_published_order():
    # barth2011edram: 1.35 ns of a macro of 292 kbit; transistors of logic, as here, are faster than its thick oxide
    macro = EdramBuffer(292 * 1024, 146)
    assert 1.35e-9 / 5 < macro.read(load_technology("45nm", "hp")).latency < 1.35e-9


def test_edram_outside_its_nodes_is_recorded():
    with record() as found:
        EdramBuffer(64 * KIB, 64).area(load_technology("7nm"))
    assert any("embedded DRAM" in text for text in found.extrapolations)
