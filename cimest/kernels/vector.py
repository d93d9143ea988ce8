"""Two vector instructions for numba: sixteen columns of an array read at once, and their sums converted.

Plain loops keep their accumulators in memory; here they stay in registers. Written in LLVM's own language, so that
they serve every processor that LLVM does. All arrays that they take are contiguous, and addressed as if flat.
"""

from __future__ import annotations

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 16
BITS = 8

_WORD, _HALF = ir.IntType(64), ir.IntType(32)
_VECTOR = ir.VectorType(ir.FloatType(), LANES)
_COUNTS = ir.VectorType(_HALF, LANES)
_ZEROS = ir.Constant(_VECTOR, [0.0] * LANES)


def _splat(builder, scalar):
    """A vector whose lanes all hold the scalar."""
    undefined = ir.Constant(ir.VectorType(scalar.type, LANES), ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(_HALF, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(_COUNTS, [0] * LANES))


def _call(builder, name, *operands):
    """An LLVM intrinsic on whole vectors."""
    kind = operands[0].type
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * len(operands)), name)
    return builder.call(function, operands)


def _loop(builder, first, last):
    """A loop over [first, last)."""
    return cgutils.for_range_slice(builder, first, last, ir.Constant(_WORD, 1), intp=_WORD)


def _lanes_at(builder, pointer, index, kind):
    """Address of sixteen numbers in a row."""
    return builder.bitcast(builder.gep(pointer, [index]), kind.as_pointer())


def _convert(builder, sums, inverse, low, high):
    """Codes of a converter (see `Quantiser`) for a vector of sums, and how many of them were clipped."""
    scaled = builder.fmul(sums, inverse)
    code = _call(builder, "llvm.floor.v16f32", builder.fadd(scaled, ir.Constant(_VECTOR, [0.5] * LANES)))
    above, below = builder.fcmp_ordered(">", code, high), builder.fcmp_ordered("<", code, low)
    outside = builder.bitcast(builder.or_(above, below), ir.IntType(LANES))
    population = builder.module.declare_intrinsic("llvm.ctpop", [ir.IntType(LANES)])
    clipped = builder.zext(builder.call(population, [outside]), _WORD)
    return builder.select(above, high, builder.select(below, low, code)), clipped


def _add(builder, pointer, index, values, factor):
    """Add factor · values to sixteen numbers in memory."""
    place = _lanes_at(builder, pointer, index, _VECTOR)
    old = builder.load(place, align=4)
    builder.store(builder.fadd(old, builder.fmul(_splat(builder, factor), values)), place, align=4)


@intrinsic
def read_columns(context, weights, base, rows, values, first, last, bits, inverse, low, high, sign, y, offset):
    """Add the converted sums of sixteen columns to y and return how many conversions were clipped.

    For each input bit, sum weights[base + 16·rows[i] + lane] over the i in [first, last) whose values[i] has that
    bit (bits[8·value + bit] is then 1.0), convert, and add sign · 2^bit · code to y[offset + lane].
    Types: float32 weights, bits and y; uint32 rows; uint8 values.
    """
    integer, real = types.int64, types.float32
    signature = types.int64(
        weights, integer, rows, values, integer, integer, bits, real, real, real, real, y, integer
    )  # fmt: skip

    def generate(context, builder, signature, arguments):
        def data(i):
            return context.make_array(signature.args[i])(context, builder, arguments[i]).data

        _, base, _, _, first, last, _, inverse, low, high, sign, _, offset = arguments
        weights, rows, values, bits, y = (data(i) for i in (0, 2, 3, 6, 11))
        sums = [cgutils.alloca_once(builder, _VECTOR) for _ in range(BITS)]
        for total in sums:
            builder.store(_ZEROS, total)
        with _loop(builder, first, last) as (i, _):
            row = builder.zext(builder.load(builder.gep(rows, [i])), _WORD)
            value = builder.zext(builder.load(builder.gep(values, [i])), _WORD)
            index = builder.add(base, builder.mul(row, ir.Constant(_WORD, LANES)))
            lanes = builder.load(_lanes_at(builder, weights, index, _VECTOR), align=4)
            for bit, total in enumerate(sums):
                index = builder.add(builder.mul(value, ir.Constant(_WORD, BITS)), ir.Constant(_WORD, bit))
                chosen = _splat(builder, builder.load(builder.gep(bits, [index])))
                # times 0 or 1 is exact, so fusing the product with the sum changes nothing
                builder.store(_call(builder, "llvm.fma.v16f32", lanes, chosen, builder.load(total)), total)

        inverse, low, high = (_splat(builder, scalar) for scalar in (inverse, low, high))
        clipped, result = ir.Constant(_WORD, 0), _ZEROS
        for total in reversed(sums):
            code, outside = _convert(builder, builder.load(total), inverse, low, high)
            clipped = builder.add(clipped, outside)
            result = builder.fadd(builder.fadd(result, result), code)
        _add(builder, y, offset, result, sign)
        return clipped

    return signature, generate


@intrinsic
def count_columns(context, cells, base, width, masks, first, pitch, words, inverse, high, factor, total, offset):
    """Add the converted counts of sixteen columns to total and return how many conversions were clipped.

    Count the ones of cells[base + width·w + lane] & masks[first + pitch·w] over the words w, convert, and add
    factor · code to total[offset + lane]. Types: uint32 cells and masks; float32 total.
    """
    integer, real = types.int64, types.float32
    signature = types.int64(
        cells, integer, integer, masks, integer, integer, integer, real, real, real, total, integer
    )  # fmt: skip

    def generate(context, builder, signature, arguments):
        def data(i):
            return context.make_array(signature.args[i])(context, builder, arguments[i]).data

        _, base, width, _, first, pitch, words, inverse, high, factor, _, offset = arguments
        cells, masks, total = (data(i) for i in (0, 3, 10))
        count = cgutils.alloca_once(builder, _COUNTS)
        builder.store(ir.Constant(_COUNTS, [0] * LANES), count)
        with _loop(builder, ir.Constant(_WORD, 0), words) as (word, _):
            mask = builder.load(builder.gep(masks, [builder.add(first, builder.mul(pitch, word))]))
            place = _lanes_at(builder, cells, builder.add(base, builder.mul(width, word)), _COUNTS)
            driven = builder.and_(builder.load(place, align=4), _splat(builder, mask))
            ones = _call(builder, "llvm.ctpop.v16i32", driven)
            builder.store(builder.add(builder.load(count), ones), count)
        sums = builder.uitofp(builder.load(count), _VECTOR)
        code, clipped = _convert(builder, sums, _splat(builder, inverse), _ZEROS, _splat(builder, high))
        _add(builder, total, offset, code, factor)
        return clipped

    return signature, generate
