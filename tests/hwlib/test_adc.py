"""The converters: the published fits by hand, areas by transistor count, ranges."""

import numpy as np
import pytest

from hwlib.components import adc
from hwlib.components.adc import FlashAdc, SarAdc, fitted_power
from hwlib.provenance import record, source
from hwlib.technology import load_technology, technology_names
from hwlib.technology.gates import inverter, nand

TECH = load_technology("22nm")


def test_the_table_has_a_source_and_every_node():
    table = adc._table()
    assert source(table["source"])["title"]
    for name in ("flash_current", "flash_voltage", "sar_per_bit", "sar_constant"):
        for roadmap in ("hp", "lstp"):
            assert len(table[name][roadmap]) == len(table["nodes"])
    assert sorted(f"{node}nm" for node in table["nodes"]) == sorted(technology_names())


@pytest.mark.parametrize(
    ("node", "roadmap", "name", "microwatt"),
    [
        ("130nm", "hp", "flash_current", 19.898),
        ("65nm", "lstp", "flash_voltage", 10.18),
        ("22nm", "lstp", "flash_current", 1.7),
        ("14nm", "hp", "sar_per_bit", 0.4710),
        ("7nm", "lstp", "sar_constant", 0.8847),
    ],
)
def test_fitted_power_at_the_nodes(node, roadmap, name, microwatt):
    """Published fits (neurosim_v2_1) at 300 K; interpolation through a node is exact to rounding."""
    assert fitted_power(load_technology(node, roadmap), name) == pytest.approx(microwatt * 1e-6, rel=1e-9)


def test_power_grows_with_temperature():
    """1 + 1.3e-3 · 50 K."""
    ratio = fitted_power(load_technology("22nm", temperature=350.0), "flash_current") / 1.7e-6
    assert ratio == pytest.approx(1.065, rel=1e-9)


def test_flash_conversion_by_hand():
    """63 comparators · 1.7 µW = 107.1 fJ for each ns; the encoder adds below 10 % and 0.2 ns."""
    once, twice = FlashAdc(6).convert(TECH), FlashAdc(6, conversion_time=2e-9).convert(TECH)
    assert twice.energy - once.energy == pytest.approx(107.1e-15, rel=1e-9)
    assert 107.1e-15 < once.energy < 1.1 * 107.1e-15
    assert 1e-9 < once.latency < 1.2e-9


def test_conversion_energy_of_an_image():
    """28.5 million conversions of one image of VGG-8 at 22 nm take 3.05 µJ in 63 comparators (own count from the
    published dimensions, three digits), the encoder apart."""
    comparators = FlashAdc(6, conversion_time=2e-9).convert(TECH).energy - FlashAdc(6).convert(TECH).energy
    assert 28.5e6 * comparators == pytest.approx(3.05e-6, rel=2e-3)


def test_sar_conversion_by_hand():
    """(0.538 · 6 + 4.3753) µW · 7 ns = 53.2231 fJ."""
    cost = SarAdc(6).convert(TECH)
    assert cost.energy == pytest.approx(53.2231e-15, rel=1e-9)
    assert cost.latency == pytest.approx(7e-9, rel=1e-12)


def test_flash_area_by_transistor_count():
    """1360 arrays · 2 directions · 16 converters · 63 comparators · 72 transistors · 212.8 F² = 20.3 mm² at 22 nm
    (count and cell of neurosim_v2_1). The encoder of 2 · 63 inverters and 63 + 6 · 31 NANDs comes on top."""
    encoder = 126 * inverter(TECH).area + (63 + 6 * 31) * nand(TECH).area
    comparators = FlashAdc(6).area(TECH) - encoder
    assert 1360 * 2 * 16 * comparators == pytest.approx(20.3e-6, rel=0.005)  # 20.3 is rounded


def test_sar_area_by_transistor_count():
    """(269 + 109 · 5) + (209 + 73 · 5) transistors of 212.8 F²; the same 1360 · 2 · 16 of them take 6.2 mm²."""
    assert SarAdc(6).area(TECH) == pytest.approx((814 + 574) * 212.8 * 22e-9**2, rel=1e-9)
    assert 1360 * 2 * 16 * SarAdc(6).area(TECH) == pytest.approx(6.2e-6, rel=0.01)


def test_more_bits_cost_more():
    bits = np.arange(3, 9)
    for kind in (FlashAdc, SarAdc):
        for quantity in (kind(bits).area(TECH), kind(bits).leakage(TECH), kind(bits).convert(TECH).energy):
            assert np.all(np.diff(quantity) > 0)


def test_what_the_array_conducts():
    """Flash: through the whole conversion; successive approximation: while it samples, one cycle."""
    assert FlashAdc(6, conversion_time=2e-9).sense_time == 2e-9
    assert SarAdc(6, cycle=3e-9).sense_time == 3e-9


def test_leaving_the_data_is_noted():
    with record() as notes:
        FlashAdc(9).convert(TECH)
        SarAdc(np.array([6, 12])).convert(TECH)
    assert len(notes.extrapolations) == 2
    assert "neurosim_v2_1" in notes.sources
    with record() as notes:
        FlashAdc(8).convert(TECH)
        SarAdc(10).convert(TECH)
    assert not notes.extrapolations


def test_unknown_sensing_is_refused():
    with pytest.raises(ValueError, match=r"'curent'.*did you mean 'current'"):
        FlashAdc(6, sensing="curent")
