"""How operands are applied to arrays: with or without a sign, in how many cycles, and what each cycle counts for.

The simulator applies exactly these cycles, and the estimate prices them.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from cimest.config.chip import Adc, Chip

Signs = Literal["none", "two_phase", "twos_complement"]


class Operand(NamedTuple):
    """Words applied to the lines of an array, one bit a cycle.

    Parameters
    ----------
    bits : int
        Of a word, with its sign if it has one.
    signs : {"none", "two_phase", "twos_complement"}
        No sign; positive magnitudes and then negative ones; or the word's bits as they are, the uppermost negative.
    """

    bits: int
    signs: Signs

    @property
    def magnitude_bits(self) -> int:
        """Bits of a phase."""
        return self.bits - 1 if self.signs == "two_phase" else self.bits

    @property
    def cycles(self) -> int:
        """Cycles of a vector, each of which is converted."""
        return (2 if self.signs == "two_phase" else 1) * self.magnitude_bits

    @property
    def power(self) -> float:
        """Sum over the cycles of the square of what each counts for."""
        return self.cycles / self.magnitude_bits * (4.0**self.magnitude_bits - 1) / 3


def errors(chip: Chip) -> Operand:
    """Errors: always in two phases."""
    return Operand(chip.error_bits, "two_phase")


def inputs(chip: Chip, signed: bool) -> Operand:
    """Inputs of a layer in the forward pass, which have a sign or not (`Network.takes_signed`)."""
    return Operand(chip.input_bits, chip.signed_inputs if signed else "none")


def block_bits(chip: Chip, adc: Adc, word: int) -> int:
    """Bits of what one block of lines contributes to a result.

    The codes of a word's bits are joined; of a whole vector there is one code, which is shifted by as many places as
    inputs were halved.
    """
    if chip.periphery.kind == "bit_serial":
        return adc.bits + word
    return adc.bits + (chip.periphery.retries if chip.periphery.bound_management == "iterative" else 0)
