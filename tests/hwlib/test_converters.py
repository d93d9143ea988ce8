"""Converters beyond flash and SAR, and their parts: published fits, noise, counts and sums by hand."""

import numpy as np
import pytest

from hwlib.components.adc import ConverterBehaviour, FlashAdc, SarAdc
from hwlib.components.analog_parts import Capacitor, noise_limited_capacitance
from hwlib.components.cco_adc import CcoAdc
from hwlib.components.dac import CapacitiveDac, R2rDac
from hwlib.components.published_adc import AimcAdc, SurveyAdc, _table
from hwlib.components.pulse_width import PulseWidthDriver
from hwlib.components.ramp_adc import RampAdc
from hwlib.components.registers import Register
from hwlib.components.sample_hold import SampleHold
from hwlib.provenance import record, source
from hwlib.technology import load_technology
from hwlib.technology.gates import d_flip_flop, transmission_gate

TECH = load_technology("22nm")
AT_100_MS = ConverterBehaviour(sampling_rate=1e8)


# Behaviour


def test_effective_bits_by_hand():
    """An ideal converter has all its bits; noise of sqrt(1/12) of a step doubles the squared error, which is half a
    bit; so does a nonlinearity of ±0.5; an offset takes none."""
    ideal = ConverterBehaviour(sampling_rate=1e8, offset=2.0)
    assert ideal.effective_bits(8) == 8
    for behaviour in (ConverterBehaviour(1e8, noise=np.sqrt(1 / 12)), ConverterBehaviour(1e8, nonlinearity=0.5)):
        assert behaviour.effective_bits(8) == pytest.approx(7.5, rel=1e-12)


def test_effective_bits_against_a_simulation():
    """Squared error of 100 000 ideal codes with Gaussian noise of 0.6 steps, against that of none: within 2 %, three
    times the statistical error of a variance."""
    generator = np.random.default_rng(0)
    signal = generator.uniform(0, 256, 100_000)
    noisy = np.round(signal) + generator.normal(0, 0.6, signal.size)
    error = np.mean((noisy - signal) ** 2)
    bits = ConverterBehaviour(1e8, noise=0.6).effective_bits(8)
    assert error == pytest.approx(4.0 ** (8 - bits) / 12, rel=0.02)


# Fits to published converters


def test_published_fits_have_sources():
    table = _table()
    for key in (table["survey"]["source"], table["survey"]["bias"]["source"], table["aimc"]["source"]):
        assert source(key)["title"]


def test_survey_at_8_bit():
    """0.85 pJ and 2199 µm² at 22 nm and 100 MS/s, as evaluated from the published regression by another program
    (two digits, and four without rounding)."""
    adc = SurveyAdc(8, AT_100_MS)
    assert adc.energy(TECH) == pytest.approx(0.85e-12, abs=0.005e-12)
    assert adc.area(TECH) == pytest.approx(2199e-12, abs=1e-12)
    at_full_rate = adc.convert(TECH).energy + adc.leakage(TECH) * adc.convert(TECH).latency
    assert at_full_rate == pytest.approx(adc.energy(TECH), rel=1e-12)


def test_survey_by_hand_where_speed_limits():
    """12 bit at 10 GS/s: FoM = min(213.78 - 2.872 ln 1e10, 128.307 + 3.2205 · 12) = 147.650 dB of speed against
    166.953; SNDR 74.008 dB; 0.5 · 10^-7.3642 = 2.1616e-8; exp(24.5798 + 1.88 ln 22 - 2.8291 ln 12) = 1.3980e10."""
    adc = SurveyAdc(12, ConverterBehaviour(1e10))
    assert adc.energy(TECH) == pytest.approx(302.2e-12, rel=1e-3)


def test_survey_shows_its_spread():
    """Model over published has 0.37 as its median and 0.04 and 3.0 as its outer deciles (evaluated on the survey)."""
    low, median, high = SurveyAdc(8, AT_100_MS).spread(TECH)
    energy = SurveyAdc(8, AT_100_MS).energy(TECH)
    assert energy / low == pytest.approx(3.0, rel=1e-12)
    assert energy / median == pytest.approx(0.37, rel=1e-12)
    assert energy / high == pytest.approx(0.04, rel=1e-12)


def test_a_worse_converter_is_cheaper():
    ideal, noisy = SurveyAdc(8, AT_100_MS), SurveyAdc(8, ConverterBehaviour(1e8, noise=1.0))
    assert noisy.convert(TECH).energy < ideal.convert(TECH).energy
    assert noisy.area(TECH) < ideal.area(TECH)


def test_calibration_factors():
    """They multiply, and the area factor alone moves the area."""
    adc = SurveyAdc(8, AT_100_MS, energy_factor=0.275, area_factor=0.25)
    assert adc.energy(TECH) == pytest.approx(0.275 * SurveyAdc(8, AT_100_MS).energy(TECH), rel=1e-12)
    assert adc.area(TECH) == pytest.approx(0.25 * SurveyAdc(8, AT_100_MS).area(TECH), rel=1e-12)


def test_aimc_at_8_bit():
    """(800 + 65.536) fJ/V² · 0.9² V² = 0.701 pJ; 10^(1.206 - 0.2952) · 256 = 2085 µm²; 8 · (0.8358 + 0.640) ns at
    128 rows. The supply of 32 nm is the fit's 0.9 V."""
    tech, adc = load_technology("32nm"), AimcAdc(8)
    assert tech.vdd == 0.9
    assert adc.convert(tech).energy == pytest.approx(0.701e-12, rel=1e-3)
    assert adc.area(tech) == pytest.approx(2085e-12, rel=1e-3)
    assert adc.convert(tech).latency == pytest.approx(8 * (0.00653 * 128 + 0.640) * 1e-9, rel=1e-9)


def test_leaving_the_published_data_is_noted():
    for adc, count in ((AimcAdc(8), 1), (SurveyAdc(3, AT_100_MS), 1), (SurveyAdc(8, ConverterBehaviour(2e10)), 1)):
        with record() as notes:
            adc.convert(TECH)
        assert len(notes.extrapolations) == count
    with record() as notes:
        SurveyAdc(8, AT_100_MS).convert(TECH)
    assert not notes.extrapolations


def test_models_of_one_converter_enclose_silicon():
    """8 bit at 65 nm: 1.79 pJ at 0.85 V and 1941 µm² in a published macro (H. Jia et al., IEEE JSSC 55(9), 2020). The
    models differ tenfold, and the chip lies between; the area by transistor count is within a quarter."""
    tech = load_technology("65nm", supply=0.85)
    energies = [adc.convert(tech).energy for adc in (SarAdc(8), AimcAdc(8), SurveyAdc(8, AT_100_MS))]
    assert min(energies) < 1.79e-12 < max(energies)
    assert SarAdc(8).area(tech) == pytest.approx(1941e-12, rel=0.25)


# Capacitors


def test_noise_limited_capacitance_by_hand():
    """12 · 1.380649e-23 · 300 · 4^10 / 1 V² = 52.1 fF; 8 bit over 0.5 V: 13.0 fF; few bits need less than
    can be made."""
    assert noise_limited_capacitance(300.0, 10, 1.0) == pytest.approx(52.1e-15, rel=1e-3)
    assert Capacitor(8, 0.5).capacitance(TECH) == pytest.approx(13.03e-15, rel=1e-3)
    assert Capacitor(4, 0.5).capacitance(TECH) == 1e-15


def test_sample_and_hold_by_hand():
    """13.03 fF and two drains to 0.5 V, and two gates to 0.85 V; 9 ln 2 time constants; 2 fF/µm²."""
    gate = transmission_gate(TECH)
    load = Capacitor(8, 0.5).capacitance(TECH) + gate.output_capacitance
    cost = SampleHold(8, 0.5).sample(TECH)
    assert cost.energy == pytest.approx(load * 0.25 + gate.input_capacitance * 0.85**2, rel=1e-12)
    assert cost.latency == pytest.approx(9 * np.log(2) * gate.resistance * load, rel=1e-12)
    assert SampleHold(8, 0.5).area(TECH) == pytest.approx(13.03e-15 / 2e-3 + gate.area, rel=1e-3)


def test_a_held_voltage_droops():
    """Half of a step of 0.5 V / 256 on 13 fF is lost to some 1e-11 A in 1.2 to 1.3 µs: longer than a conversion."""
    off = 1e-4 * 44e-9 * (1 + 1.319)  # A/m · m, n-type and the wider p-type (peng2021neurosim_v2)
    assert SampleHold(8, 0.5).hold_time(TECH) == pytest.approx(13.03e-15 * 0.5 / 512 / off, rel=2e-3)
    assert SampleHold(8, 0.5).hold_time(TECH) > SarAdc(8).convert(TECH).latency


# Digital to analog


def test_mean_energy_of_a_capacitive_dac():
    """The mean of x (1 - x) over all 64 codes of a reset bank of 64 fF at 0.5 V, to (1 - 1/64²) as it ends before 1."""
    codes = np.arange(64) / 64
    mean = np.mean(codes * (1 - codes)) * 64e-15 * 0.25
    gates = 6 * transmission_gate(TECH).input_capacitance * 0.85**2
    array = CapacitiveDac(6, 0.5).convert(TECH).energy - Register(6).store(TECH).energy - gates
    assert array == pytest.approx(mean, rel=1e-3)


def test_ladder_of_a_resistive_dac_by_hand():
    """0.25 V² / 10 kohm for 1 ns more is 25 fJ; 7 · 20 + 5 · 10 kohm = 190 squares of 0.16 µm²."""
    dac = R2rDac(6, 0.5, 10e3)
    assert dac.convert(TECH, hold_time=2e-9).energy - dac.convert(TECH).energy == pytest.approx(25e-15, rel=1e-9)
    film = sum(count * part.area(TECH) for count, part in (dac.parts()["legs"], dac.parts()["ladder"]))
    assert film == pytest.approx(190 * 0.16e-12, rel=1e-9)


def test_ladder_settles_with_its_load():
    """7 ln 2 · 10 kohm · 10 fF more than without."""
    slow, quick = R2rDac(6, 0.5, 10e3, load=1e-14).convert(TECH), R2rDac(6, 0.5, 10e3).convert(TECH)
    assert slow.latency - quick.latency == pytest.approx(7 * np.log(2) * 1e-10, rel=1e-9)


def test_pulse_widths_by_hand():
    """7 bits at 1 GHz: 128 ns. The energy is twice as large for one bit more, but for the counter's own bit and what
    does not count: 128 lines compare in every period."""
    driver = PulseWidthDriver(128, 7, 0.5)
    assert driver.longest_pulse(TECH) == pytest.approx(128e-9, rel=1e-12)
    long, short = (PulseWidthDriver(128, bits, 0.5).drive(TECH, active_lines=0).energy for bits in (8, 7))
    assert long / short == pytest.approx(2, rel=0.02)
    assert long > 2 * short
    line = driver.drive(TECH, active_lines=1).energy - driver.drive(TECH, active_lines=0).energy
    gate = transmission_gate(TECH)
    assert line == pytest.approx(gate.input_capacitance * 0.85**2 + 3 * gate.output_capacitance * 0.25, rel=1e-6)


# Ramp and oscillator


def test_ramp_time_and_comparisons_by_hand():
    """6 bits at 1 ns: 65 ns. Half of 64 comparisons more from code 0.5 to 1, each 1.866 µW · 1 ns (neurosim_v2_1)."""
    adc = RampAdc(6)
    assert adc.convert(TECH).latency == pytest.approx(65e-9, rel=1e-12)
    more = adc.convert(TECH, code=1.0).energy - adc.convert(TECH).energy
    assert more == pytest.approx(32 * 1.866e-15, rel=1e-9)


def test_the_ramp_and_its_counter_are_shared():
    """One column alone pays 64 times for all of the counter, which 128 columns share; so for the area."""
    alone, shared = RampAdc(6, columns_per_ramp=1), RampAdc(6, columns_per_ramp=128)
    bit = d_flip_flop(TECH)
    counter = 64 * (6 * bit.clock_energy + 2 * bit.switch_energy)
    ramp = Capacitor(6, 0.5).capacitance(TECH) * 0.5 * 0.85
    saved = alone.convert(TECH).energy - shared.convert(TECH).energy
    assert saved == pytest.approx((counter + ramp) * 127 / 128, rel=1e-9)
    parts = Register(6).area(TECH) + Capacitor(6, 0.5).area(TECH)
    assert alone.area(TECH) - shared.area(TECH) == pytest.approx(parts * 127 / 128, rel=1e-9)


def test_oscillator_by_hand():
    """256 counts of 300 ps (khaddam2022hermes) are 76.8 ns, for which 95.2 µA (3.33 GHz at 35 MHz/µA) at half scale
    draw 0.85 V; and two flip-flops per count."""
    adc, bit = CcoAdc(8), d_flip_flop(TECH)
    assert adc.sense_time == pytest.approx(76.8e-9, rel=1e-12)
    more = adc.convert(TECH, code=1.0).energy - adc.convert(TECH).energy
    assert more == pytest.approx(
        0.5 * 1 / 300e-12 / 35e12 * 76.8e-9 * 0.85 + 128 * 2 * (bit.clock_energy + bit.switch_energy), rel=1e-9
    )


def test_oscillator_is_below_a_published_core():
    """A whole 14 nm core of 256 rows at 10.5 TOPS/W (khaddam2022hermes) has 512 op / 10.5e12 op/J = 48.8 pJ for each
    output with all its converters, arrays and logic; 8 bits here must take less."""
    assert CcoAdc(8).convert(load_technology("14nm"), code=1.0).energy < 48.8e-12


def test_a_faster_oscillator_is_noted():
    with record() as notes:
        CcoAdc(8, frequency=6e9).convert(TECH)
    assert len(notes.extrapolations) == 1
    assert "khaddam2022hermes" in notes.sources


@pytest.mark.parametrize(
    "converter", [SampleHold(8, 0.5), CapacitiveDac(6, 0.5), R2rDac(6, 0.5, 1e4), RampAdc(6), CcoAdc(8)]
)
def test_areas_are_the_sums_of_their_parts(converter):
    """Each part is there and takes room, and they add up."""
    areas = [count * part.area(TECH) for count, part in converter.parts().values()]
    assert all(area > 0 for area in areas)
    assert converter.area(TECH) == pytest.approx(sum(areas), rel=1e-12)


@pytest.mark.parametrize("kind", [FlashAdc, SarAdc, RampAdc, CcoAdc, AimcAdc, lambda bits: SurveyAdc(bits, AT_100_MS)])
def test_more_bits_cost_more(kind):
    bits = np.arange(4, 9)
    converter = kind(bits)
    assert np.all(np.diff(converter.convert(TECH).energy) > 0)
    assert np.all(np.diff(converter.area(TECH)) > 0)
    assert np.all(np.asarray(converter.sense_time) > 0)


def test_many_behaviours_in_one_call():
    """A sweep over rate and noise prices each converter as alone."""
    rates, noises = np.array([1e7, 1e8, 1e9]), np.array([0.0, 0.3, 1.0])
    together = SurveyAdc(8, ConverterBehaviour(rates, noise=noises))
    for index, (rate, noise) in enumerate(zip(rates, noises, strict=True)):
        alone = SurveyAdc(8, ConverterBehaviour(rate, noise=noise))
        assert together.convert(TECH).energy[index] == pytest.approx(alone.convert(TECH).energy, rel=1e-12)
        assert together.area(TECH)[index] == pytest.approx(alone.area(TECH), rel=1e-12)
