"""Vectors as integers, where weights are integers (streamrnn/target/integers.py), and sums of such products as numbers.

A vector of values between -1 and 1 (`Recipe.bounded`) is multiplied by the largest integer M that its matrices allow. Other
vectors are divided by a scale, (largest |value|) / M, each time anew. Both are rounded to nearest, ties to even.

Where the integers of a vector lie (`integer_room`) there is first its scale, a float32, then the integers.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types

from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Part
from streamrnn.recipe import Recipe, Section
from streamrnn.simd.arithmetic import absolute, emit_fma, fma, from_bits, select, to_bits
from streamrnn.simd.integers import emit_integer_products, larger, largest_lane, store_byte, store_fours, store_shorts
from streamrnn.simd.memory import INT, bytes_of, emit_load, load, load_scalar, store
from streamrnn.simd.vector import Vec, as_number, as_vector, llvm_type, numba_type, splat
from streamrnn.target.integers import LEAST_STEP, VALUES_AT
from streamrnn.target.packing import Width
from streamrnn.target.panels import bias_bytes, row_bytes, rows_at

_ROUNDING = np.float32(1.5 * 2**23)  # x + _ROUNDING has the bits of this number plus x as an integer
_ROUNDING_BITS = np.int32(_ROUNDING.view(np.int32))
_ONE = np.float32(1)
_NOTHING = np.int32(0)
_SHIFTED = np.int32(1 << 15)  # so that no integer has a sign, where rows lie by fours


def as_integers(recipe: Recipe, vector: str, width: Width) -> Part:
    """A kernel part (source, n, target, most) that turns the n values of a vector at `source` into integers up to `most`."""
    return _of_bounded(width) if vector in recipe.bounded else _of_any(width)


def _of_bounded(width: Width) -> Part:
    convert = _converted(width, within_one)

    @inline
    def from_bounded(source, n, target, most):
        convert(source, n, target + VALUES_AT, np.float32(most), np.int32(most))

    return from_bounded


def _of_any(width: Width) -> Part:
    convert, find_largest = _converted(width, _unchanged), _largest_bits(width)

    @inline
    def from_any(source, n, target, most):
        step = as_number(step_of(find_largest(source, n), np.float32(most)))
        store(target, step)
        convert(source, n, target + VALUES_AT, _ONE / step, np.int32(most))

    return from_any


@inline
def step_of(largest, most):
    """The step of a vector's integers, of one lane, from the bits of its largest |value|; NaN where a value is not finite."""
    step = as_vector(from_bits(largest)) / most
    step = step + (step - step)
    return select(step < LEAST_STEP, LEAST_STEP, step)


def _largest_bits(width: Width) -> Part:
    """A part (source, n): the bits of the largest |value|. As integers, those of infinity are larger, those of NaN largest."""
    lanes, dtype, itemsize, vector_bytes = width.lanes, width.dtype, width.itemsize, width.vector_bytes

    @inline
    def find(source, n):
        end = source + n * itemsize
        if n >= lanes:
            most = to_bits(absolute(load(end - vector_bytes, dtype, lanes)))
            for at in range(source, end - vector_bytes, vector_bytes):
                most = larger(most, to_bits(absolute(load(at, dtype, lanes))))
            return largest_lane(most)
        largest = _NOTHING
        for at in range(source, end, itemsize):
            largest = larger(largest, to_bits(absolute(load_scalar(at, dtype))))
        return largest

    return find


@inline
def within_one(x):
    """x, or -1 or 1 where x lies beyond: a caller may have set a state that the equations never reach."""
    x = select(x > _ONE, _ONE, x)
    return select(x < -_ONE, -_ONE, x)


@inline
def _unchanged(x):
    return x


@inline
def nearest(x, factor, most):
    """The integers, of 32 bits, nearest to x times a factor, but between -most and most."""
    bits = to_bits(fma(x, factor, _ROUNDING)) - _ROUNDING_BITS
    bits = select(bits > most, most, bits)
    return select(bits < -most, -most, bits)


def _converted(width: Width, limited: Part) -> Part:
    """A part (source, n, target, factor, most) that writes n values times a factor, as integers between -most and most."""
    lanes, dtype, itemsize, vector_bytes = width.lanes, width.dtype, width.itemsize, width.vector_bytes

    @inline
    def converted(x, factor, most):
        return nearest(limited(x), factor, most)

    @inline
    def convert_by_four(source, n, target, factor, most):
        done = n // lanes * lanes
        for at in range(0, done * itemsize, vector_bytes):
            store_fours(target + at // 2, converted(load(source + at, dtype, lanes), factor, most) + _SHIFTED)
        while done + 4 <= n:
            at = done * itemsize
            store_fours(target + at // 2, converted(load(source + at, dtype, 4), factor, most) + _SHIFTED)
            done += 4
        for index in range(done, n):
            value = converted(load_scalar(source + index * itemsize, dtype), factor, most) + _SHIFTED
            place = target + 8 * (index // 4) + index % 4
            store_byte(place, value)
            store_byte(place + 4, value >> np.int32(8))

    @inline
    def convert(source, n, target, factor, most):
        end = n * itemsize
        if n >= lanes:
            for at in range(0, end - vector_bytes, vector_bytes):
                store_shorts(target + at // 2, converted(load(source + at, dtype, lanes), factor, most))
            at = end - vector_bytes
            store_shorts(target + at // 2, converted(load(source + at, dtype, lanes), factor, most))
        else:
            for at in range(0, end, itemsize):
                store_shorts(target + at // 2, converted(load_scalar(source + at, dtype), factor, most))
        if n % 2 == 1:
            store_shorts(target + 2 * n, _NOTHING)

    return convert_by_four if width.rows_at_once == 4 else convert


def emit_integer_sums(
    builder: ir.IRBuilder,
    recipe: Recipe,
    width: Width,
    section: Section,
    first: list[ir.Value],
    weights: ir.Value,
    inputs: list[ir.Value],
    n_rows: ir.Value,
    ahead: int,
    group: range | None = None,
) -> list[ir.Value]:
    """Sums of a panel, [input][sum][block], with the products of one section of integers added.

    first    the sums before
    weights  address of the panel's section
    inputs   addresses of vectors as integers
    group    which vectors of a row of sums are wanted; None: all
    """
    vec, at_once = Vec(numba_type(width.dtype), width.lanes), width.rows_at_once
    of_row = len(section.sums) * width.blocks
    group = range(of_row) if group is None else group
    n_vectors = len(group)
    products = emit_integer_products(
        builder,
        width.lanes,
        n_vectors,
        builder.add(weights, INT(rows_at(width, section) + group[0] * at_once * width.lanes)),
        row_bytes(width, section),
        [builder.add(address, INT(VALUES_AT)) for address in inputs],
        builder.udiv(builder.add(n_rows, INT(at_once - 1)), INT(at_once)),
        at_once,
        ahead,
    )
    factors = [builder.add(weights, INT(bias_bytes(width, section) + n * bytes_of(vec))) for n in group]
    if at_once == 4:
        whole = ir.VectorType(ir.IntType(32), width.lanes)
        added = [emit_load(builder, builder.add(factor, INT(of_row * bytes_of(vec))), whole) for factor in factors]
        products = [builder.add(product, added[n % n_vectors]) for n, product in enumerate(products)]
    results = []
    for number, address in enumerate(inputs):
        scaled = [emit_load(builder, factor, llvm_type(vec)) for factor in factors]
        if section.vector not in recipe.bounded:
            step = splat(builder, emit_load(builder, address, llvm_type(types.float32)), vec)
            scaled = [builder.fmul(factor, step) for factor in scaled]
        own = slice(number * n_vectors, (number + 1) * n_vectors)
        for product, factor, begin in zip(products[own], scaled, first[own], strict=True):
            results.append(emit_fma(builder, vec, builder.sitofp(product, llvm_type(vec)), factor, begin))
    return results


def typed_as_integers(typingctx: Any, part: Part) -> tuple[Any, Any]:
    """The type and the signature of what `as_integers` returns. For the typing part of an intrinsic."""
    function = typingctx.resolve_value_type(part)
    return function, function.get_call_type(typingctx, (types.int64,) * 4, {})
