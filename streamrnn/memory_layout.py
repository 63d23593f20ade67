"""The memory layout of a plan: states, working memory and tables. One `Layout` for a stream, one for a pool.

Regions of both layouts:

"kernel N", "weights N", "constants N"  of op N; the plan owns them (`Plan.bases`)
"working"                               working memory; nothing in it outlasts a call

Further regions of a stream's layout:

"state"                                 all state vectors
"backup"                                room for a copy of them, taken before a call

A pool owns its states itself (streamrnn/pool/memory.py); its layout has only their offsets in the states of a stream.

The table begins with the header. Then come the op records and the addresses of the buffers, and last what the records point to:
the op tables, the sources, the groups (streamrnn/target/record.py).
"""

from collections.abc import Mapping

import numpy as np

from streamrnn.plan import Plan, PoolPlan
from streamrnn.target.integers import integer_room
from streamrnn.target.layout import CACHE_LINE, At, Layout, Word
from streamrnn.target.packing import Array
from streamrnn.target.panels import Positions
from streamrnn.target.record import (
    BACKUP,
    BETWEEN_ROWS,
    BUFFERS,
    CONSTANTS,
    FIRST_STATES,
    GROUP_ADVANCED,
    GROUP_FIELDS,
    GROUP_N_ADVANCED,
    GROUP_N_OPS,
    GROUP_ROWS,
    GROUP_TOGETHER,
    GROUPS,
    HEADER_FIELDS,
    HIDDEN,
    INPUT_BUFFER,
    INPUT_ROOM,
    INPUT_SUMS,
    INPUTS,
    KERNEL,
    N_GROUPS,
    N_INPUTS,
    N_OUTPUTS,
    N_ROW_STATES,
    N_SOURCES,
    ONLY_OP,
    OUTPUT_BUFFER,
    OUTPUTS,
    OVER_ROWS,
    PANELS,
    POOL_HEADER_FIELDS,
    POOL_TILE,
    RECORD_FIELDS,
    RECORDS,
    ROW_KERNEL,
    ROW_ROOM,
    ROW_STATES,
    ROWS,
    ROWS_AT_ONCE,
    ROWS_OF_STEP,
    SCRATCH,
    SOURCE,
    SOURCES,
    SPARE,
    STATE,
    STATE_BLOCK,
    STATE_BYTES,
    STREAM_LISTS,
    STRIDE,
    TABLE,
    TARGET,
    TILE,
    TILE_ROWS,
    WEIGHTS,
)

#: Streams whose sums a pool's kernel computes at once, at most (streamrnn/kernels/pool/panel.py).
_MOST_AT_ONCE = 8


def stream_layout(plan: Plan) -> Layout:
    """The layout of the memory of one stream. The driver reads the table from its beginning, which is the header."""
    layout = Layout()
    header = layout.write([0] * HEADER_FIELDS)
    records, buffers = _begin_ops(layout, plan)
    states: list[At] = []
    for index, op in enumerate(plan.ops):
        if op.held is not None:
            states.append(layout.reserve("state", plan.state_strides[index] * _itemsize(plan) * len(op.state)))
            _fill_rows_op(layout, plan, index, records[index], buffers, states[-1])
            continue
        stride = _stride_bytes(plan, index)
        state = states[plan.halves[index]] if index in plan.halves else layout.reserve("state", stride * len(op.state))
        states.append(state)
        scratch = layout.reserve("working", stride * op.scratch)
        sums_bytes = plan.input_sums_of(index) * _itemsize(plan)
        memory: dict[int, Word] = {
            STATE: state,
            SCRATCH: scratch,
            INPUT_SUMS: layout.reserve("working", sums_bytes) if sums_bytes else 0,
            INPUT_ROOM: _input_room(layout, plan, index, plan.tile * plan.rows_of(index)),
            TABLE: layout.write(_table(layout, plan, index, state, scratch, stride)),
        }
        layout.fill(records[index], _record(layout, plan, index, buffers) | memory)
    state_bytes = layout.reserve("state", 0).offset
    layout.reserve("backup", state_bytes)
    layout.fill(header, _header(layout, plan, records, buffers))
    layout.fill(header, {STATE_BLOCK: At("state"), BACKUP: At("backup"), STATE_BYTES: state_bytes})
    if len(plan.ops) == 1 and plan.ops[0].recipe and plan.stride == 1:
        layout.fill(header, {ONLY_OP: records[0]})
    return layout


def pool_layout(plan: PoolPlan) -> Layout:
    """The layout of the memory that each thread of a pool needs. The pool fills in the other fields of the header."""
    layout = Layout()
    header = layout.write([0] * POOL_HEADER_FIELDS)
    records, buffers = _begin_ops(layout, plan)
    tile_rows, states = layout.reserve("working", 4 * 8 * POOL_TILE), list[int]()
    end = 0
    for index, op in enumerate(plan.ops):
        if op.held is not None:
            _fill_rows_op(layout, plan, index, records[index], buffers, end, tile_rows)
            states.append(end)
            end += plan.state_strides[index] * _itemsize(plan) * len(op.state)
            continue
        stride = _stride_bytes(plan, index)
        state = states[plan.halves[index]] if index in plan.halves else end
        states.append(state)
        end += stride * len(op.state)
        n_scratch = op.pool_scratch if op.has_state else op.scratch
        scratch = layout.reserve("working", POOL_TILE * stride * n_scratch)
        table = (
            _pool_table(layout, plan, index, state, stride)
            if op.has_state
            else _table(layout, plan, index, At("working"), scratch, stride)
        )
        sums_bytes = _pool_sums_of(plan, index) * _itemsize(plan)
        memory: dict[int, Word] = {
            STATE: state,
            SCRATCH: scratch,
            INPUT_SUMS: layout.reserve("working", sums_bytes) if sums_bytes else 0,
            INPUT_ROOM: _input_room(layout, plan, index, plan.tile * plan.rows_of(index)),
            TABLE: layout.write(table),
            ROWS: tile_rows,
        }
        layout.fill(records[index], _record(layout, plan, index, buffers) | memory)
    spare = layout.reserve("working", POOL_TILE * row_bytes(plan))
    layout.fill(header, _header(layout, plan, records, buffers))
    between = layout.reserve("working", row_bytes(plan))
    layout.fill(header, {TILE_ROWS: tile_rows, SPARE: spare, BETWEEN_ROWS: between, STATE_BYTES: row_bytes(plan)})
    return layout


def state_vectors(plan: Plan) -> list[dict[str, tuple[int, Array]]]:
    """For each layer: name -> (index of the first value of a state vector in a stream, its initial values, (size,))."""
    vectors, begin = [], 0
    for op, stride in zip(plan.ops[: plan.output + 1], plan.state_strides, strict=False):
        vectors.append({name: (begin + n * stride, initial) for n, (name, initial) in enumerate(op.state.items())})
        begin += stride * len(op.state)
    return vectors


def row_bytes(plan: PoolPlan) -> int:
    """Bytes of a stream's states in a pool: an odd number of cache lines, so that the streams use all sets of a cache."""
    n_values = sum(stride * len(op.state) for op, stride in zip(plan.ops, plan.state_strides, strict=True))
    return (n_values * _itemsize(plan) // CACHE_LINE | 1) * CACHE_LINE


def _itemsize(plan: Plan) -> int:
    return np.dtype(plan.dtype).itemsize


def _stride_bytes(plan: Plan, index: int) -> int:
    return plan.strides[index] * _itemsize(plan)


def _begin_ops(layout: Layout, plan: Plan) -> tuple[list[At], At]:
    """Room for the op records in the table, then the addresses of the buffers: two of the call, and one for each op's output.

    Returns the relative addresses: of each op's record, which stand in the order in which the ops run, and of the buffers.
    """
    first = layout.write([0] * (RECORD_FIELDS * len(plan.ops)))
    running = [op for group in plan.groups for op in group.ops]
    records = {op: first + 8 * RECORD_FIELDS * position for position, op in enumerate(running)}
    words: list[Word] = [0, 0]
    for index, op in enumerate(plan.ops):
        n_rows = 1 if index in plan.single_rows else plan.tile * plan.rows_of(index)
        n_bytes = n_rows * op.output_size * _itemsize(plan)
        words.append(0 if index == plan.output else layout.reserve("working", n_bytes))
    return [records[index] for index in range(len(plan.ops))], layout.write(words)


def _fill_rows_op(
    layout: Layout, plan: Plan, index: int, record: At, buffers: At, kept: Word, tile_rows: At | None = None
) -> None:
    """Write the record of an op whose kernel goes over the rows of a step, and all that it points to.

    kept       where the states of all rows begin: an address; in a pool, an offset in the states of a stream
    tile_rows  in a pool: address of the lists of the tile's streams
    """
    op, one, stride = plan.ops[index], plan.ops[index].row, _stride_bytes(plan, index)
    at_once = min(op.rows, POOL_TILE) if op.state else plan.tile
    room = layout.reserve("working", 2 * at_once * stride * len(one.state))
    memory: dict[int, Word] = {}
    if op.row_kernel_is_a_pools:
        scratch = layout.reserve("working", POOL_TILE * stride * one.pool_scratch)
        table = _pool_table(layout, plan, index, 0, stride)
        sums, memory[ROWS] = _sums_at_once(plan, index), layout.reserve("working", 4 * 8 * POOL_TILE)
    else:
        scratch = layout.reserve("working", stride * one.scratch)
        sums, table, memory[STATE] = plan.input_sums_of(index), _table(layout, plan, index, room, scratch, stride), room
    rows: list[Word] = [0] * ROW_STATES
    rows[ROW_KERNEL] = At(f"row kernel {index}")
    rows[ROWS_OF_STEP], rows[ROWS_AT_ONCE], rows[N_ROW_STATES] = op.rows, at_once, len(one.state)
    rows[ROW_ROOM], rows[FIRST_STATES], rows[STREAM_LISTS] = room, At(f"first states {index}"), tile_rows or 0
    for number, initial in enumerate(one.state.values()):
        rows += [kept + number * plan.state_strides[index] * _itemsize(plan), initial.size]
    memory |= {
        SCRATCH: scratch,
        INPUT_SUMS: layout.reserve("working", sums * _itemsize(plan)) if sums else 0,
        INPUT_ROOM: _input_room(layout, plan, index, at_once),
        TABLE: layout.write(table),
        OVER_ROWS: layout.write(rows),
    }
    layout.fill(record, _record(layout, plan, index, buffers) | memory)


def _input_room(layout: Layout, plan: Plan, index: int, n_rows: int) -> Word:
    """Room for the inputs of some rows of an op whose kernel takes tiny ones as 0; 0 for another op."""
    op, width = plan.ops[index].row, plan.widths[index]
    is_needed = op.recipe and not width.has_integers
    return layout.reserve("working", n_rows * op.input_size * _itemsize(plan)) if is_needed else 0


def _buffer(plan: Plan, op: int) -> int:
    """Index of the buffer that an op writes; for -1, of the input of the call."""
    return INPUT_BUFFER if op == -1 else OUTPUT_BUFFER if op == plan.output else OUTPUT_BUFFER + 1 + op


def _size(plan: Plan, op: int) -> int:
    """Values per row of what an op writes; for -1, of the input of the call."""
    return plan.input_size if op == -1 else plan.ops[op].output_size


def _record(layout: Layout, plan: Plan, index: int, buffers: At) -> dict[int, Word]:
    """The fields of an op record that a stream and a pool have in common."""
    op, sources = plan.ops[index].row, plan.sources[index]
    read: list[Word] = []
    for source in sources:
        read += [buffers + 8 * _buffer(plan, source), _size(plan, source)]
    return {
        KERNEL: At(f"kernel {index}"),
        SOURCE: _buffer(plan, sources[0] if sources else -1),
        TARGET: _buffer(plan, index),
        INPUTS: op.input_size,
        OUTPUTS: op.output_size,
        HIDDEN: op.hidden_size,
        PANELS: plan.widths[index].panels(op.hidden_size),
        WEIGHTS: At(f"weights {index}"),
        STRIDE: _stride_bytes(plan, index),
        CONSTANTS: At(f"constants {index}"),
        N_SOURCES: len(sources),
        SOURCES: layout.write(read),
    }


def _header(layout: Layout, plan: Plan, records: list[At], buffers: At) -> dict[int, Word]:
    """The fields of the header that a stream and a pool have in common. Writes the groups to the table."""
    groups = layout.write([0] * (GROUP_FIELDS * len(plan.groups)))
    for number, group in enumerate(plan.groups):
        advanced: dict[int, Word] = {}
        for op in group.ops if group.together else ():
            for used in (op, *plan.sources[op]):
                if used not in plan.single_rows:
                    n_rows = plan.rows_of(used) // group.rows  # of its source, for a row of the op
                    advanced[_buffer(plan, used)] = n_rows * _size(plan, used) * _itemsize(plan)
        pairs = [word for buffer, n_bytes in advanced.items() for word in (buffers + 8 * buffer, n_bytes)]
        fields: dict[int, Word] = {
            GROUP_N_OPS: len(group.ops),
            GROUP_TOGETHER: int(group.together),
            GROUP_ROWS: group.rows,
            GROUP_N_ADVANCED: len(advanced),
            GROUP_ADVANCED: layout.write(pairs),
        }
        layout.fill(groups + 8 * GROUP_FIELDS * number, fields)
    return {
        RECORDS: min(records),
        N_GROUPS: len(plan.groups),
        GROUPS: groups,
        TILE: plan.tile,
        BUFFERS: buffers,
        N_INPUTS: plan.stride * plan.input_size,
        N_OUTPUTS: plan.output_size,
    }


def _table(layout: Layout, plan: Plan, index: int, state: At, scratch: At, stride: int) -> list[Word]:
    """The table of an op in a stream. With a recipe, it has the addresses of the vectors."""
    op, width = plan.ops[index].row, plan.widths[index]
    if op.panels is None:
        return list(op.table)
    recipe = op.panels.recipe
    now = {name: state + n * stride for n, name in enumerate(recipe.states)}
    now |= {name: scratch + n * stride for n, name in enumerate((*recipe.between, *recipe.gathered))}
    then = dict(now)
    is_single = width.panels(op.hidden_size) == 1
    for n, (name, always) in enumerate(recipe.aside.items(), len(recipe.between)):
        if always or not is_single:
            then[name] = scratch + n * stride
    return _table_of(layout, plan, index, now, then, max(1, plan.rows_ahead_of(index)))


def _pool_table(layout: Layout, plan: Plan, index: int, state: int, stride: int) -> list[Word]:
    """The table of an op in a pool. With a recipe, it has for each vector the bytes to add to an address of a stream's list."""
    op = plan.ops[index].row
    if op.panels is None:
        return list(op.table)
    recipe = op.panels.recipe
    now = {name: state + n * stride for n, name in enumerate(recipe.states)}
    now |= {name: n * POOL_TILE * stride for n, name in enumerate((*recipe.between, *recipe.gathered))}
    return _table_of(layout, plan, index, now, now, POOL_TILE)


def _table_of(
    layout: Layout, plan: Plan, index: int, now: Mapping[str, Word], then: Mapping[str, Word], n_streams: int
) -> list[Word]:
    """The words that `Positions` names, then the integers of the op itself.

    now, then  name of a vector -> its word
    n_streams  for how many streams, or steps of a tile, there must be room for vectors as integers
    """
    op, width = plan.ops[index].row, plan.widths[index]
    assert op.panels is not None
    recipe, positions = op.panels.recipe, Positions(op.panels.recipe)
    options, weights = At(f"constants {index}"), At(f"weights {index}")
    words: list[Word] = [0] * positions.count
    words[Positions.OPTIONS] = options
    for number, (n_panels, sections) in enumerate(zip(op.panels.n_panels, op.panels.sections, strict=True)):
        words[positions.n_panels(number)] = n_panels
        for section, offset, panel_bytes, n_rows in sections:
            words[positions.address(number, section.vector)] = weights + offset
            words[positions.last_address(number, section.vector)] = weights + offset + (n_panels - 1) * panel_bytes
            words[positions.panel_bytes(number, section.vector)] = panel_bytes
            words[positions.n_rows(number, section.vector)] = n_rows
    unit_bytes = width.padded(op.hidden_size) * width.itemsize
    per_unit = {name: options + (recipe.n_options * width.itemsize + n * unit_bytes) for n, name in enumerate(recipe.per_unit)}
    for name in positions.vectors:
        words[positions.now(name)] = per_unit[name] if name in per_unit else now[name]
    for name in recipe.states:
        words[positions.then(name)] = then[name]
    for name, most in op.most_inputs.items():
        n_bytes = integer_room(op.panels.n_values(name))
        words[positions.integers(name)] = layout.reserve("working", n_streams * n_bytes)
        words[positions.integer_bytes(name)], words[positions.most_input(name)] = n_bytes, most
    return [*words, *op.table]


def _pool_sums_of(plan: PoolPlan, index: int) -> int:
    """Size, in values, of an op's sums in a pool: of a tile's inputs; if the op has a state, of the streams taken at once."""
    return _sums_at_once(plan, index) if plan.ops[index].has_state else plan.input_sums_of(index)


def _sums_at_once(plan: Plan, index: int) -> int:
    """Size, in values, of an op's sums of the streams, or rows, that a pool's kernel takes at once."""
    op = plan.ops[index].row
    most = max(len(one.sums) for one in op.panels.recipe.passes) if op.panels else 0
    return _MOST_AT_ONCE * most * plan.widths[index].units
