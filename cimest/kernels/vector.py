"""One vector instruction for numba: sixteen columns of an array, read for one input vector and converted.

Plain loops keep their accumulators in memory; here eight vectors, one per input bit, stay in registers.
Written in LLVM's own language, so that it serves every processor that LLVM does.
"""

from __future__ import annotations

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 16
BITS = 8

_WORD = ir.IntType(64)
_VECTOR = ir.VectorType(ir.FloatType(), LANES)


def _splat(builder, scalar):
    """A vector whose lanes all hold the scalar."""
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))


def _call(builder, name, *operands):
    """An LLVM intrinsic on whole vectors."""
    signature = ir.FunctionType(_VECTOR, [_VECTOR] * len(operands))
    return builder.call(cgutils.get_or_insert_function(builder.module, signature, name), operands)


@intrinsic
def read_columns(context, weights, base, rows, values, first, last, bits, inverse, low, high, sign, y, offset):
    """Add the converted sums of sixteen columns to y and return how many conversions were clipped.

    For each input bit, sum weights[base + 16·rows[i] + lane] over the i in [first, last) whose values[i] has that
    bit (bits[8·value + bit] is then 1.0), convert as `Quantiser` says, and add sign · 2^bit · code to y[offset + lane].
    All arrays are flat and contiguous: float32 weights, uint32 rows, uint8 values, float32 bits and y.
    """
    integer, real = types.int64, types.float32
    signature = types.int64(
        weights, integer, rows, values, integer, integer, bits, real, real, real, real, y, integer
    )  # fmt: skip

    def generate(context, builder, signature, arguments):
        def data(i):
            return context.make_array(signature.args[i])(context, builder, arguments[i]).data

        def vector_at(pointer, index):
            return builder.bitcast(builder.gep(pointer, [index]), _VECTOR.as_pointer())

        _, base, _, _, first, last, _, inverse, low, high, sign, _, offset = arguments
        weights, rows, values, bits, y = (data(i) for i in (0, 2, 3, 6, 11))
        sums = [cgutils.alloca_once(builder, _VECTOR) for _ in range(BITS)]
        for total in sums:
            builder.store(ir.Constant(_VECTOR, [0.0] * LANES), total)
        with cgutils.for_range_slice(builder, first, last, ir.Constant(_WORD, 1), intp=_WORD) as (i, _):
            row = builder.zext(builder.load(builder.gep(rows, [i])), _WORD)
            value = builder.zext(builder.load(builder.gep(values, [i])), _WORD)
            place = vector_at(weights, builder.add(base, builder.mul(row, ir.Constant(_WORD, LANES))))
            lanes = builder.load(place, align=4)
            for bit, total in enumerate(sums):
                index = builder.add(builder.mul(value, ir.Constant(_WORD, BITS)), ir.Constant(_WORD, bit))
                chosen = _splat(builder, builder.load(builder.gep(bits, [index])))
                # times 0 or 1 is exact, so fusing the product with the sum changes nothing
                builder.store(_call(builder, "llvm.fma.v16f32", lanes, chosen, builder.load(total)), total)

        inverse, low, high = (_splat(builder, scalar) for scalar in (inverse, low, high))
        half = ir.Constant(_VECTOR, [0.5] * LANES)
        population = builder.module.declare_intrinsic("llvm.ctpop", [ir.IntType(LANES)])
        clipped, result = ir.Constant(_WORD, 0), ir.Constant(_VECTOR, [0.0] * LANES)
        for total in reversed(sums):
            scaled = builder.fmul(builder.load(total), inverse)
            code = _call(builder, "llvm.floor.v16f32", builder.fadd(scaled, half))
            above, below = builder.fcmp_ordered(">", code, high), builder.fcmp_ordered("<", code, low)
            outside = builder.bitcast(builder.or_(above, below), ir.IntType(LANES))
            clipped = builder.add(clipped, builder.zext(builder.call(population, [outside]), _WORD))
            code = builder.select(above, high, builder.select(below, low, code))
            result = builder.fadd(builder.fadd(result, result), code)
        target = vector_at(y, offset)
        signed = builder.fmul(_splat(builder, sign), result)
        builder.store(builder.fadd(builder.load(target, align=4), signed), target, align=4)
        return clipped

    return signature, generate
