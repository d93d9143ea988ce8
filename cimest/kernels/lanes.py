"""Short vectors as a type for numba: arithmetic on many numbers at once, kept in registers.

Plain loops keep their accumulators in memory, and are only sometimes made into vector instructions; values of this
type always are. Written in LLVM's own language, so that they serve every processor that LLVM does. Operators work
lane by lane on vectors of one type, or on a vector and a number. Arrays are contiguous, and addressed as if flat.
Nothing is fused or reordered: each operation rounds as numpy's does.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, register_model

_HALF, _WORD = ir.IntType(32), ir.IntType(64)


class Lanes(types.Type):
    """`count` numbers of one type; booleans are the masks that comparisons give."""

    def __init__(self, dtype: Any, count: int):
        self.dtype, self.count = dtype, count
        super().__init__(f"Lanes({dtype}, {count})")


def _scalar(dtype: Any) -> Any:
    if isinstance(dtype, types.Boolean):
        return ir.IntType(1)
    return ir.FloatType() if dtype is types.float32 else ir.IntType(dtype.bitwidth)


def _vector(kind: Lanes) -> Any:
    return ir.VectorType(_scalar(kind.dtype), kind.count)


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Lanes):
        super().__init__(manager, kind, _vector(kind))


def _splat(builder: Any, scalar: Any, count: int) -> Any:
    undefined = ir.Constant(ir.VectorType(scalar.type, count), ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(_HALF, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(_HALF, count), [0] * count))


def _call(builder: Any, name: str, *operands: Any) -> Any:
    """An LLVM intrinsic on whole vectors."""
    kind = operands[0].type
    element = {"float": "f32"}.get(str(kind.element), str(kind.element))
    full = f"llvm.{name}.v{kind.count}{element}"
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * len(operands)), full)
    return builder.call(function, operands)


# Operators

_ARITHMETIC: dict[Any, tuple[str, str]] = {
    operator.add: ("fadd", "add"),
    operator.sub: ("fsub", "sub"),
    operator.mul: ("fmul", "mul"),
    operator.truediv: ("fdiv", ""),
    operator.and_: ("", "and_"),
    operator.or_: ("", "or_"),
    operator.xor: ("", "xor"),
    operator.lshift: ("", "shl"),
    operator.rshift: ("", "lshr"),
}
"""Operator to the instruction for floating-point numbers and for whole ones."""

_COMPARISONS = {
    operator.lt: "<", operator.le: "<=", operator.gt: ">", operator.ge: ">=", operator.eq: "==", operator.ne: "!=",
}  # fmt: skip


def _common(args: tuple) -> Lanes | None:
    """The type of vectors that an operation on these works with."""
    kinds = {arg for arg in args if isinstance(arg, Lanes)}
    if len(args) != 2 or len(kinds) != 1:
        return None
    return kinds.pop() if all(isinstance(arg, (Lanes, types.Number)) for arg in args) else None


def _operands(context: Any, builder: Any, sig: Any, args: Any, kind: Lanes) -> list[Any]:
    return [
        arg if isinstance(given, Lanes) else _splat(builder, context.cast(builder, arg, given, kind.dtype), kind.count)
        for arg, given in zip(args, sig.args, strict=True)
    ]


def _register(function: Any, mask: bool, generate: Callable[[Any, Lanes, Any, Any], Any]) -> None:
    """Teach numba an operator on two vectors, or on a vector and a number."""

    @infer_global(function)
    class _Template(AbstractTemplate):
        def generic(self, args: tuple, kws: dict) -> Any:
            kind = _common(args)
            if kind is None:
                return None
            return signature(Lanes(types.boolean, kind.count) if mask else kind, *args)

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = _common(sig.args)
        assert kind is not None
        return generate(builder, kind, *_operands(context, builder, sig, args, kind))

    for pair in ((Lanes, Lanes), (Lanes, types.Number), (types.Number, Lanes)):
        lower_builtin(function, *pair)(lower)


def _arithmetic(names: tuple[str, str]) -> Callable[[Any, Lanes, Any, Any], Any]:
    def generate(builder: Any, kind: Lanes, a: Any, b: Any) -> Any:
        name = names[0] if kind.dtype is types.float32 else names[1]
        if name == "lshr" and kind.dtype.signed:
            name = "ashr"
        return getattr(builder, name)(a, b)

    return generate


def _comparison(sign: str) -> Callable[[Any, Lanes, Any, Any], Any]:
    def generate(builder: Any, kind: Lanes, a: Any, b: Any) -> Any:
        if kind.dtype is types.float32:
            return builder.fcmp_ordered(sign, a, b)
        return (builder.icmp_signed if kind.dtype.signed else builder.icmp_unsigned)(sign, a, b)

    return generate


for _function, _names in _ARITHMETIC.items():
    _register(_function, False, _arithmetic(_names))
    _register(getattr(operator, f"i{_function.__name__.strip('_')}"), False, _arithmetic(_names))
for _function, _sign in _COMPARISONS.items():
    _register(_function, True, _comparison(_sign))


# Memory


def _place(context: Any, builder: Any, array: Any, kind: Any, index: Any, vector: Any) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())


def _loaded(array: Any, count: int) -> tuple[Lanes, Callable[..., Any]]:
    kind = Lanes(array.dtype, count)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, arguments[0], signature.args[0], arguments[1], _vector(kind))
        return builder.load(place, align=array.dtype.bitwidth // 8)

    return kind, generate


@intrinsic(prefer_literal=True)
def load(context, array, index, count):
    """The `count` numbers of an array from an index on."""
    kind, generate = _loaded(array, count.literal_value)
    return kind(array, types.int64, count), generate


@intrinsic
def load_full(context, array, index):
    """As many numbers of an array, from an index on, as fill 64 bytes."""
    kind, generate = _loaded(array, 512 // array.dtype.bitwidth)
    return kind(array, types.int64), generate


@intrinsic
def full(context, array):
    """How many numbers of an array fill 64 bytes."""
    count = 512 // array.dtype.bitwidth

    def generate(context, builder, signature, arguments):
        return ir.Constant(_WORD, count)

    return types.int64(array), generate


@intrinsic
def store(context, array, index, values):
    """Write numbers to an array from an index on."""
    size = array.dtype.bitwidth // 8

    def generate(context, builder, signature, arguments):
        place = _place(context, builder, arguments[0], signature.args[0], arguments[1], _vector(values))
        builder.store(arguments[2], place, align=size)
        return context.get_dummy_value()

    return types.void(array, types.int64, values), generate


@intrinsic
def store_where(context, array, index, values, mask):
    """Write the numbers whose mask is true to an array from an index on, one after the other without gaps."""

    def generate(context, builder, signature, arguments):
        kind = arguments[2].type
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        place = builder.gep(data, [arguments[1]])
        call = ir.FunctionType(ir.VoidType(), [kind, place.type, arguments[3].type])
        name = f"llvm.masked.compressstore.v{kind.count}{kind.element}"
        builder.call(cgutils.get_or_insert_function(builder.module, call, name), [arguments[2], place, arguments[3]])
        return context.get_dummy_value()

    return types.void(array, types.int64, values, mask), generate


@intrinsic
def gather(context, address, indices):
    """Numbers in single precision from an address on, one for each index."""
    kind = Lanes(types.float32, indices.count)

    def generate(context, builder, signature, arguments):
        data = builder.inttoptr(arguments[0], ir.FloatType().as_pointer())
        values = ir.Constant(_vector(kind), ir.Undefined)
        for lane in range(kind.count):
            number = ir.Constant(_HALF, lane)
            value = builder.load(builder.gep(data, [builder.extract_element(arguments[1], number)]))
            values = builder.insert_element(values, value, number)
        return values

    return kind(address, indices), generate


# Functions


@intrinsic(prefer_literal=True)
def splat(context, value, count):
    """The same number in every lane."""
    kind = Lanes(types.unliteral(value), count.literal_value)

    def generate(context, builder, signature, arguments):
        return _splat(builder, arguments[0], kind.count)

    return kind(kind.dtype, count), generate


@intrinsic(prefer_literal=True)
def ramp(context, start, count):
    """start, start + 1, start + 2, ..."""
    kind = Lanes(types.unliteral(start), count.literal_value)

    def generate(context, builder, signature, arguments):
        steps = ir.Constant(_vector(kind), list(range(kind.count)))
        return builder.add(_splat(builder, arguments[0], kind.count), steps)

    return kind(kind.dtype, count), generate


@intrinsic
def select(context, mask, one, other):
    """`one` where the mask is true, `other` elsewhere."""

    def generate(context, builder, signature, arguments):
        return builder.select(*arguments)

    return one(mask, one, other), generate


@intrinsic
def floor(context, values):
    """Largest whole number not above."""

    def generate(context, builder, signature, arguments):
        return _call(builder, "floor", *arguments)

    return values(values), generate


@intrinsic
def rint(context, values):
    """Nearest whole number, the even one of two."""

    def generate(context, builder, signature, arguments):
        return _call(builder, "rint", *arguments)

    return values(values), generate


@intrinsic
def sqrt(context, values):
    """Square root."""

    def generate(context, builder, signature, arguments):
        return _call(builder, "sqrt", *arguments)

    return values(values), generate


@intrinsic
def ones(context, values):
    """Number of ones among the bits of each lane."""

    def generate(context, builder, signature, arguments):
        return _call(builder, "ctpop", *arguments)

    return values(values), generate


@intrinsic
def fused(context, a, b, c):
    """a · b + c, rounded once; the same as unfused where all three are exact. Some may be numbers."""
    kind = next(kind for kind in (a, b, c) if isinstance(kind, Lanes))

    def generate(context, builder, signature, arguments):
        return _call(builder, "fma", *_operands(context, builder, signature, arguments, kind))

    return kind(a, b, c), generate


@intrinsic
def dotted(context, sums, a, b):
    """sums + a · b over pairs of neighbours, in the type of the sums."""

    def generate(context, builder, signature, arguments):
        wide = ir.VectorType(_scalar(sums.dtype), a.count)
        factors = [
            getattr(builder, _conversion(kind.dtype, sums.dtype))(factor, wide)
            for kind, factor in zip((a, b), arguments[1:], strict=True)
        ]
        product, none = builder.mul(*factors), ir.Constant(wide, ir.Undefined)
        even, odd = (
            builder.shuffle_vector(
                product, none, ir.Constant(ir.VectorType(_HALF, sums.count), list(range(first, a.count, 2)))
            )
            for first in (0, 1)
        )
        return builder.add(arguments[0], builder.add(even, odd))

    return sums(sums, a, b), generate


def _across(builder, operation, values, element, flags=()):
    """All lanes of a vector in one number."""
    kind = values.type
    name = f"llvm.vector.reduce.{operation}.v{kind.count}{element}"
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind.element, [kind]), name)
    return builder.call(function, [values], fastmath=flags)


@intrinsic
def reduced(context, values):
    """Sum of all lanes of whole numbers."""

    def generate(context, builder, signature, arguments):
        return builder.sext(_across(builder, "add", arguments[0], arguments[0].type.element), _WORD)

    return types.int64(values), generate


@intrinsic
def largest(context, values):
    """Largest of all lanes in single precision, none of which is NaN."""

    def generate(context, builder, signature, arguments):
        return _across(builder, "fmax", arguments[0], "f32", ("nnan",))

    return types.float32(values), generate


@intrinsic
def mask_bits(context, mask):
    """The mask as a number: bit i for lane i."""
    wanted = {16: types.uint16, 32: types.uint32, 64: types.uint64}[mask.count]

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.IntType(mask.count))

    return wanted(mask), generate


@intrinsic
def total(context, mask):
    """Number of lanes in which the mask is true."""

    def generate(context, builder, signature, arguments):
        word = ir.IntType(mask.count)
        population = builder.module.declare_intrinsic("llvm.ctpop", [word])
        count = builder.call(population, [builder.bitcast(arguments[0], word)])
        return builder.zext(count, _WORD) if mask.count < 64 else count

    return types.int64(mask), generate


def _conversion(given: Any, wanted: Any) -> str:
    """The instruction from one type of lanes to another."""
    if wanted is given:
        return "bitcast"
    if given is types.float32:
        return "fptosi" if wanted.signed else "fptoui"
    if wanted is types.float32:
        return "sitofp" if given.signed else "uitofp"
    if wanted.bitwidth == given.bitwidth:
        return "bitcast"
    if wanted.bitwidth < given.bitwidth:
        return "trunc"
    return "sext" if given.signed else "zext"


@intrinsic
def convert(context, values, dtype):
    """The same numbers in another type; floating-point ones are cut towards zero, and must fit."""
    kind = Lanes(dtype.dtype, values.count)

    def generate(context, builder, signature, arguments):
        return getattr(builder, _conversion(values.dtype, kind.dtype))(arguments[0], _vector(kind))

    return kind(values, dtype), generate


@intrinsic
def view(context, values, dtype):
    """The same bits as numbers of another type."""
    kind = Lanes(dtype.dtype, values.count * values.dtype.bitwidth // dtype.dtype.bitwidth)

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], _vector(kind))

    return kind(values, dtype), generate


@intrinsic(prefer_literal=True)
def part(context, values, number, count):
    """Lanes number·count to (number + 1)·count."""
    kind, first = Lanes(values.dtype, count.literal_value), number.literal_value * count.literal_value

    def generate(context, builder, signature, arguments):
        chosen = ir.Constant(ir.VectorType(_HALF, kind.count), list(range(first, first + kind.count)))
        return builder.shuffle_vector(arguments[0], ir.Constant(_vector(values), ir.Undefined), chosen)

    return kind(values, number, count), generate
