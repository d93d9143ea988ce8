"""What in-memory rules cost: published counts and times, and the parts and actions of a priced chip."""

import numpy as np
import pytest

from cimest.rules.in_array import InMemorySgd
from cimest.rules.operations import operations
from tests.cimest.in_memory_cases import rule

# Rasch et al. 2024, table 1: 512 by 512, pulses of 5 ns, reads of 40 ns, 0.175 T operations/s for an array
PUBLISHED = {"rate": 0.175e12, "pulse": 5e-9, "read": 40e-9}
EVERY_TWO = {"reads": 1, "every": 2}


@pytest.mark.parametrize(
    ("chosen", "slots", "nanoseconds"),
    [
        (InMemorySgd(), 5, 30.9),
        (rule("tiki_taka_v2", **EVERY_TWO), 5, 56.3),
        (rule("chopped_tiki_taka", **EVERY_TWO), 5, 56.3),
        (rule("agad", **EVERY_TWO), 5, 62.1),
        (rule("mixed_precision", vectors=100), 5, 3024.5),
        (rule("agad", reads=1, every=10), 1, 17.1),
    ],
)
def test_update_times_are_those_published(chosen, slots, nanoseconds):
    # one decimal place is printed
    assert operations(chosen, 512, 512, slots).time(**PUBLISHED) * 1e9 == pytest.approx(nanoseconds, abs=0.05)


def test_digital_operations_and_storage_are_those_published():
    n = 512
    two = {name: operations(rule(name, **EVERY_TWO), n, n, 5) for name in ("tiki_taka_v2", "agad")}
    # table 1 in words of a byte: 2N + 2N/n_s and 2N + 6N/n_s operations; N² + 2N and 3N² + 2N bytes; 16N/n_s bits
    assert two["tiki_taka_v2"].digital == 2 * n + 2 * n / 2
    assert two["agad"].digital == 2 * n + 6 * n / 2
    assert two["tiki_taka_v2"].stored_words == n**2 + 2 * n
    assert two["agad"].stored_words == 3 * n**2 + 2 * n
    assert two["tiki_taka_v2"].moved_words * 8 == 16 * n / 2
    # the table has 50N/n_s bits with its choppers; here 40N and a fifth of a word at a flip
    assert two["agad"].moved_words * 8 == pytest.approx((40 + 8 / 5) * n / 2)
    mixed = operations(rule("mixed_precision", vectors=100), n, n, 5)
    assert (mixed.digital, mixed.stored_words) == (2 * n**2 + n, n**2 + 2 * n * 100)
    assert mixed.moved_words * 8 == 16 * n**2 / 100


def test_operations_broadcast_over_designs():
    sizes = np.array([64, 512])
    together = operations(rule("agad"), sizes, sizes, 5).time(**PUBLISHED)
    apart = [operations(rule("agad"), size, size, 5).time(**PUBLISHED) for size in sizes]
    assert together == pytest.approx(apart)
