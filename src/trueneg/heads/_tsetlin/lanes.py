"""Eight 64-bit words as one value of a compiled loop: a block of 512 automata, or of 512 literals, in one register.

The machine's loops are all "and, xor, shift on a block". Written over an array of eight words the compiler sometimes
keeps the block in a register and mostly does not; as a type of its own it always does, on any processor (the
compiler splits the block where registers are narrower). Blocks are read at addresses, not from arrays, since handing
an array to a function counts its references, which costs more than the work on a block. Imported only where numba is
installed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic as _numba_intrinsic
from numba.extending import models, register_model

from trueneg.core.compiled import compiled as _compiled

__all__ = ["LANES", "and_", "andnot", "any_", "compiled", "load", "or_", "popcount", "spread", "store", "xor"]
__all__ += ["scatter", "xorshift"]

LANES = 8
intrinsic: Any = _numba_intrinsic  # its own annotations ask for the typing context as well
_WORD = ir.IntType(64)
_BLOCK = ir.VectorType(_WORD, LANES)
_WIDE = ir.IntType(64 * LANES)


class _Lanes(types.Type):
    """The type of a block."""

    def __init__(self) -> None:
        super().__init__(name="trueneg_lanes")


_LANES_TYPE = _Lanes()


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, _BLOCK)


# The loops read at addresses: there are no bounds to check.
compiled = partial(_compiled, boundscheck=False)


def _constant(value: int) -> ir.Constant:
    return ir.Constant(_BLOCK, [value] * LANES)


def _place(builder: Any, address: Any, at: Any) -> Any:
    """Return a pointer to the block that starts ``at`` words behind an address."""
    eight = ir.Constant(_WORD, 8)
    return builder.inttoptr(builder.add(address, builder.mul(at, eight)), _BLOCK.as_pointer())


@intrinsic
def load(typing_context: Any, address: Any, at: Any) -> Any:
    """Return the eight words that lie ``at`` words behind an address (``array.ctypes.data``)."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        found = builder.load(_place(builder, *args), typ=_BLOCK)
        found.align = 8
        return found

    return _LANES_TYPE(types.intp, types.intp), generate


@intrinsic
def store(typing_context: Any, address: Any, at: Any, block: Any) -> Any:
    """Write eight words to where they lie ``at`` words behind an address."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        written = builder.store(args[2], _place(builder, args[0], args[1]))
        written.align = 8
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, _LANES_TYPE), generate


def _two(make: Callable[[Any, Any, Any], Any]) -> Callable[..., Any]:
    def typed(typing_context: Any, left: Any, right: Any) -> Any:
        return _LANES_TYPE(_LANES_TYPE, _LANES_TYPE), lambda context, builder, signature, args: make(builder, *args)

    return typed


and_ = intrinsic(_two(lambda builder, left, right: builder.and_(left, right)))
or_ = intrinsic(_two(lambda builder, left, right: builder.or_(left, right)))
xor = intrinsic(_two(lambda builder, left, right: builder.xor(left, right)))
#: ``andnot(a, b)``: the bits of a that are not in b.
andnot = intrinsic(_two(lambda builder, left, right: builder.and_(left, builder.xor(right, _constant(2**64 - 1)))))


@intrinsic
def any_(typing_context: Any, block: Any) -> Any:
    """Say whether any bit is set."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.icmp_unsigned("!=", builder.bitcast(args[0], _WIDE), ir.Constant(_WIDE, 0))

    return types.boolean(_LANES_TYPE), generate


@intrinsic
def spread(typing_context: Any, word: Any) -> Any:
    """Return a block of eight times one word."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        one = builder.insert_element(ir.Constant(_BLOCK, ir.Undefined), args[0], ir.Constant(ir.IntType(32), 0))
        return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))

    return _LANES_TYPE(types.uint64), generate


@intrinsic
def popcount(typing_context: Any, block: Any) -> Any:
    """Return how many bits are set."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        wide = builder.bitcast(args[0], _WIDE)
        return builder.trunc(builder.ctpop(wide), _WORD)

    return types.int64(_LANES_TYPE), generate


@intrinsic
def scatter(typing_context: Any, key: Any, block: Any) -> Any:
    """Return eight random words of a key: SplitMix64 at the counters 8 block + 1 ... 8 block + 8."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        gamma = 0x9E3779B97F4A7C15
        steps = ir.Constant(_BLOCK, [gamma * (lane + 1) % 2**64 for lane in range(LANES)])
        start = builder.add(args[0], builder.mul(args[1], ir.Constant(_WORD, gamma * LANES % 2**64)))
        one = builder.insert_element(ir.Constant(_BLOCK, ir.Undefined), start, ir.Constant(ir.IntType(32), 0))
        z = builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))
        z = builder.add(z, steps)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            z = builder.mul(builder.xor(z, builder.lshr(z, _constant(shift))), _constant(factor))
        return builder.xor(z, builder.lshr(z, _constant(31)))

    return _LANES_TYPE(types.uint64, types.uint64), generate


@intrinsic
def xorshift(typing_context: Any, block: Any) -> Any:
    """Return the next words of eight xorshift64 streams (shifts 13, 7, 17)."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        z = args[0]
        z = builder.xor(z, builder.shl(z, _constant(13)))
        z = builder.xor(z, builder.lshr(z, _constant(7)))
        return builder.xor(z, builder.shl(z, _constant(17)))

    return _LANES_TYPE(_LANES_TYPE), generate
