"""Input sums of coming steps, computed within the products of the steps before.

A step of a large layer waits for the weights of its states, which come from the second cache, while the units that multiply are
idle half of the time. In a chunk they can be busy with the inputs of coming steps, whose weights are loaded once for several of
them. `n_coming` steps have their input sums computed during as many steps before: a step does one share of each panel. The bits
are those of sums that are computed before the steps (streamrnn/kernels/input_sums.py): each is added up in the same order.
"""

from typing import NamedTuple

from llvmlite import ir

from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Part
from streamrnn.recipe import Pass, Recipe, Section, X
from streamrnn.simd.memory import INT, bytes_of, emit_load, emit_store
from streamrnn.simd.multiply import Product, Weights, emit_products_beside
from streamrnn.simd.vector import Vec, llvm_type, numba_type
from streamrnn.target.cpu import COMING_STEPS
from streamrnn.target.packing import Width
from streamrnn.target.panels import bias_bytes, row_bytes


def is_beside(recipe: Recipe, width: Width) -> bool:
    """Whether the kernel of a recipe computes input sums within the steps before."""
    fed = [one for one in recipe.passes if one.input_sums]
    return width.beside and bool(fed) and all(n_parts(one, width) for one in fed)


def n_parts(one: Pass, width: Width) -> int:
    """Into how many parts the rows of a panel's input weights are divided; 0 where the pass has no other weights to go along.

    A share of the input sums is one vector of each coming step, and one part of the rows: there are as many shares as steps.
    """
    vectors = one.input_sums * width.blocks
    is_apart = one.sections[0].vector == X and len(one.sections) > 1
    return COMING_STEPS // vectors if is_apart and COMING_STEPS % vectors == 0 else 0


def first_steps(recipe: Recipe, width: Width) -> Part:
    """A kernel part (n_steps) that returns how many steps of a tile must have their input sums before the first of them."""
    beside = is_beside(recipe, width)

    @inline
    def count(n_steps):
        return min(n_steps, COMING_STEPS + n_steps % COMING_STEPS) if beside else n_steps

    return count


def share_of_step(recipe: Recipe, width: Width) -> Part:
    """A kernel part (step, n_steps) that returns which share of coming steps' input sums a step computes; -1: none."""
    beside = is_beside(recipe, width)

    @inline
    def share(step, n_steps):
        if not beside:
            return -1
        done = step - n_steps % COMING_STEPS
        return done % COMING_STEPS if done >= 0 and step < n_steps - COMING_STEPS else -1

    return share


class Coming(NamedTuple):
    """The input sums of coming steps, of one panel.

    width, section  of the inputs' weights
    n_parts         into which the rows are divided
    share           which share of the sums to compute
    weights         address of the panel: a row of biases, then `n_rows` rows of weights
    inputs          address of the inputs of the first coming step, `input_bytes` before those of the next
    sums            address for the sums of the first coming step, `step_bytes` before those of the next
    """

    width: Width
    section: Section
    n_parts: int
    share: ir.Value
    weights: ir.Value
    n_rows: ir.Value
    inputs: ir.Value
    input_bytes: ir.Value
    sums: ir.Value
    step_bytes: ir.Value

    def emit(self, builder: ir.IRBuilder, product: Product) -> list[ir.Value]:
        """Emit the share beside the product of a step. Returns the sums of the product."""
        width, vec = self.width, Vec(numba_type(self.width.dtype), self.width.lanes)
        parts = INT(self.n_parts)
        part, vector = builder.urem(self.share, parts), builder.mul(builder.udiv(self.share, parts), INT(bytes_of(vec)))
        row = builder.udiv(builder.mul(part, self.n_rows), parts)
        end = builder.udiv(builder.mul(builder.add(part, INT(1)), self.n_rows), parts)
        weights, sums = builder.add(self.weights, vector), builder.add(self.sums, vector)
        is_first = builder.icmp_signed("==", part, INT(0))  # the first rows add to the biases
        begin, begin_bytes = builder.select(is_first, weights, sums), builder.select(is_first, INT(0), self.step_bytes)

        def of_steps(address: ir.Value, stride: ir.Value) -> list[ir.Value]:
            return [builder.add(address, builder.mul(stride, INT(n))) for n in range(COMING_STEPS)]

        in_row = row_bytes(width, self.section)
        first_row = builder.add(weights, INT(bias_bytes(width, self.section)))
        share = Product(
            Weights(vec),
            [emit_load(builder, address, llvm_type(vec)) for address in of_steps(begin, begin_bytes)],
            builder.add(first_row, builder.mul(row, INT(in_row))),
            in_row,
            of_steps(builder.add(self.inputs, builder.mul(row, INT(width.itemsize))), self.input_bytes),
            builder.sub(end, row),
        )
        results, made = emit_products_beside(builder, product, share, self.n_parts)
        for address, value in zip(of_steps(sums, self.step_bytes), made, strict=True):
            emit_store(builder, address, value)
        return results
