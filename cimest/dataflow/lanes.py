"""Operands of a product of matrices on their way through a small buffer to multipliers that form it block by block."""

from __future__ import annotations

import numpy as np

from hwlib.component import Real


def fetched_bits(one: Real, other: Real, rows: Real, columns: Real, edge: Real, buffer: Real) -> Real:
    """Bits of both operands that enter the buffer, by the cheapest of the orders that it has room for (our choice).

    The lanes form a square block of the result at once, for which a block of each operand streams past. Either
    operand has one half of the buffer:

    * if no block stays there, each operand passes once for every block of the other;
    * a block of one stays, if it fits into its half, while all of the other streams past;
    * if blocks of both fit, as many blocks of the first stay as there is room for, and each block of the other serves
      all of them before the next one comes.

    Parameters
    ----------
    one, other : float or array
        Bits of the operands, of which the first has a share in each row of the result, the other in each column.
    rows, columns : float or array
        Of the result.
    edge : float or array
        Rows, and columns, of a block.
    buffer : float or array
        Size. [bit]

    Returns
    -------
    float or array
    """
    half = buffer / 2
    sides = [
        (bits, np.ceil(size / edge), bits * np.minimum(1, edge / size))
        for bits, size in ((one, rows), (other, columns))
    ]
    (_, down, _), (_, across, _) = sides
    cheapest = one * across + other * down
    for (kept, blocks, block), (streamed, _, next_block) in (sides, sides[::-1]):
        together = np.where(next_block <= half, np.maximum(1, half // block), 1)
        cheapest = np.where(block <= half, np.minimum(cheapest, kept + streamed * np.ceil(blocks / together)), cheapest)
    return cheapest[()]
