"""The compiled scan of :func:`trueneg.core.neighbors.top_k`; imported only where numba is installed.

A query first *holds* cells that may still matter, score and pool row in one whole number, in the order in which they
come. When its room is full, the k best by product score are selected, and what lies below the k-th by more than the
rounding error of either side is dropped: it is under the query's *floor*, as is all that comes later and lies lower.
Only what is held at the end, hardly more than k cells a query, is scored in float64 and offered to the heap of the
result; where ties leave no room, it is done on the way.

A tile is passed over once, 64 cells at a time: for its rows, and in the same pass for its columns where queries
and pool are one array. What reaches a floor is noted and handed on in lots, so that waits for memory overlap.

A cell is a float32, or the upper half of one (bfloat16, as int16). Such a score is itself rounded, by at most its
*grain*: a share of its size that widens the distance between what is held and its floor.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from trueneg.core._neighbors_cells import _bound, _lower, _lows, _pack, _packed_score, _rising, _value
from trueneg.core.compiled import compiled

_AHEAD = 32  # cells whose queries are fetched before their turn
_LIST = 256  # cells noted before they are handed to their queries
_ROW = 0x7FFFFFFF  # the part of a packed cell that is its pool row
_BRUIJN = np.uint64(0x03F79D71B4CB0A89)  # every shift of it starts with other six bits
_TOP = np.uint64(58)
_PLACES = np.zeros(64, dtype=np.int64)
for _place in range(64):
    _PLACES[((1 << _place) * int(_BRUIJN) % 2**64) >> 58] = _place


# Only the sum inside a pair may be reordered: it depends on d alone, never on the block.
@compiled(fastmath={"reassoc", "contract"})
def _exact(q: Any, p: Any, size: float, code: int, grid: float) -> float:
    """Score one pair in float64; the order of the sum is the compiler's, and the rounding hides it."""
    value = 0.0
    if code == 1:
        for i in range(q.shape[0]):
            step = np.float64(q[i]) - np.float64(p[i])
            value += step * step
        value = -np.sqrt(value)
    else:
        for i in range(q.shape[0]):
            value += np.float64(q[i]) * np.float64(p[i])
        if code == 0:
            value = value / size if size > 0 else 0.0
            return np.rint(value * grid) / grid + 0.0
    mantissa, exponent = math.frexp(value)
    return math.ldexp(np.rint(mantissa * grid), exponent - 40) + 0.0


@compiled()
def _offer(keys: Any, rows: Any, key: float, row: int) -> None:
    """Replace the root of a heap (the worst of the k best) if the pair is better."""
    if key < keys[0] or (key == keys[0] and row > rows[0]):
        return
    k, at = keys.shape[0], 0
    while True:
        child = 2 * at + 1
        if child >= k:
            break
        other = child + 1
        if other < k and (keys[other] < keys[child] or (keys[other] == keys[child] and rows[other] > rows[child])):
            child = other
        if keys[child] > key or (keys[child] == key and rows[child] < row):
            break
        keys[at], rows[at] = keys[child], rows[child]
        at = child
    keys[at], rows[at] = key, row


@compiled()
def _sink(heap: Any, k: int, at: int, value: Any) -> None:
    """Put a value in the place ``at`` of a heap of k (the least at the root), and let it sink."""
    while True:
        child = 2 * at + 1
        if child >= k:
            break
        if child + 1 < k and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= value:
            break
        heap[at] = heap[child]
        at = child
    heap[at] = value


@compiled()
def _heapify(heap: Any, k: int) -> None:
    """Order the first k values as a heap."""
    for at in range(k // 2 - 1, -1, -1):
        _sink(heap, k, at, heap[at])


@compiled()
def _select(cells: Any, n: int, k: int) -> None:
    """Move the k largest of the first n cells to the front, the least of them to place k - 1 (Hoare's selection)."""
    low, high = 0, n - 1
    while low < high:
        a, b, c = cells[low], cells[(low + high) >> 1], cells[high]
        pivot = max(min(a, b), min(max(a, b), c))
        i, j = low, high
        while i <= j:
            while cells[i] > pivot:
                i += 1
            while cells[j] < pivot:
                j -= 1
            if i <= j:
                cells[i], cells[j] = cells[j], cells[i]
                i += 1
                j -= 1
        if k - 1 <= j:
            high = j
        elif k - 1 >= i:
            low = i
        else:
            return


@compiled()
def _lowered(score: float, grain: float) -> Any:
    """Return the least that a score of this size may have been before it was rounded, or may become by it."""
    return score - grain * abs(score) if grain > 0 else score


@compiled()
def _below(score: float, slack: float, grain: float) -> Any:
    """Return the least rounded score that something no worse can have, given what the rounding of both can hide."""
    return np.float32(_lowered(score - slack, grain))


@compiled()
def _floor(held: int, margin: float, grain: float) -> Any:
    """Return the floor under a held cell: its score less the error of either side."""
    return _below(_lowered(np.float64(_packed_score(held)), grain), 2 * margin, grain)


@compiled()
def _score(q: int, n: int, state: Any, one: Any, two: Any, margin: Any, how: Any) -> None:
    """Score the first n cells that a query holds in float64, and offer them to its heap."""
    keys, rows, floor, held = state[0][q], state[1][q], state[2], state[3]
    code, factor, grid, grain = how
    state[5][q] += n
    x, size = one[0][q - one[3]], one[1][q]
    y, sizes, first = two[0], two[1], two[3]
    for i in range(n):
        p = held[q, i] & _ROW
        _offer(keys, rows, _exact(x, y[p - first], size * sizes[p], code, grid), p)
    if keys[0] > -np.inf:
        value = keys[0] * keys[0] if code == 1 else keys[0]
        floor[q] = max(floor[q], _below(value * factor, margin[q], grain))


@compiled()
def _take(q: int, cell: int, floor: Any, held: Any, count: Any) -> bool:
    """Hold one more cell, and tell whether the room is full."""
    if _packed_score(cell) < floor[q]:
        return False
    n = count[q]
    held[q, n] = cell
    count[q] = n + 1
    return n + 1 == held.shape[1]


@compiled()
def _relieve(q: int, last: bool, state: Any, one: Any, two: Any, margin: Any, how: Any) -> None:
    """Drop held cells that have fallen below the floor; where ties leave too many, or at last, score them all."""
    floor, held, count = state[2], state[3], state[4]
    k, n = state[0].shape[1], count[q]
    kept = n
    if n >= k:
        _select(held[q], n, k)
        # k cells score at least this in the product, less the error; one more error below, none can.
        floor[q] = max(floor[q], _floor(held[q, k - 1], margin[q], how[3]))
        least, kept = _pack(floor[q], 0), k
        for i in range(k, n):
            cell = held[q, i]
            held[q, kept] = cell
            kept += np.int64(cell >= least)
    if last or kept > held.shape[1] - held.shape[1] // 8 - 4:
        _score(q, kept, state, one, two, margin, how)
        kept = 0
    count[q] = kept


@compiled()
def _reach(block: Any, i: int, run: int, low: Any) -> Any:
    """Return 64 bits: which cells of a run reach the floor of their row."""
    bits = np.int64(0)
    for j in range(64):
        bits |= np.int64(_rising(block[i, run, j]) >= low) << j
    return bits


@compiled()
def _reach_each(block: Any, i: int, run: int, lows: Any) -> Any:
    """Return 64 bits: which cells of a run reach the floors of their columns."""
    bits = np.int64(0)
    for j in range(64):
        bits |= np.int64(_rising(block[i, run, j]) >= lows[run, j]) << j
    return bits


@compiled()
def _first_bit(bits: int) -> Any:
    """Return the place of the lowest set bit, looked up by a product (de Bruijn)."""
    return _PLACES[(np.uint64(bits & -bits) * _BRUIJN) >> _TOP]


@compiled()
def _open(q: int, i: int, k: int, block: Any, floor: Any, lanes: Any, margin: Any, grain: float) -> None:
    """Give a query its first floor: the k-th best of the lanes' maxima is at most the k-th best of the tile's row."""
    groups = lanes.shape[0] // 64
    lanes[:] = -np.inf
    for run in range(block.shape[1]):
        lane = lanes[run % groups * 64 : (run % groups + 1) * 64]
        for j in range(64):
            value = _value(block[i, run, j])
            lane[j] = value if value > lane[j] else lane[j]
    width = lanes.shape[0]
    while groups == 1 and width >= 4 * k:  # fewer maxima are looked through sooner
        width //= 2
        for j in range(width):
            lanes[j] = max(lanes[j], lanes[j + width])
    _heapify(lanes, k)
    for j in range(k, width):
        if lanes[j] > lanes[0]:
            _sink(lanes, k, 0, lanes[j])
    floor[q] = _floor(_pack(lanes[0], 0), margin[q], grain)


@compiled()
def _flush(n: int, who: Any, what: Any, state: Any, one: Any, two: Any, exclude: Any, margin: Any, how: Any) -> None:
    """Hand the noted cells to their queries, unless the rules ban them."""
    floor, held, count = state[2], state[3], state[4]
    own, other = one[2], two[2]
    ahead = np.zeros(1, dtype=np.int64)
    for i in range(n):
        if i % _AHEAD == 0:  # read what the next ones need in one go: these waits overlap, those below would not
            for j in range(i, min(i + _AHEAD, n)):
                ahead[0] += held[who[j], count[who[j]]]
        q, p = who[i], what[i] & _ROW
        if exclude.shape[0] > 0 and exclude[q] == p:
            continue
        if own.shape[0] > 0 and own[q] == other[p]:
            continue
        if _take(q, what[i], floor, held, count):
            _relieve(q, False, state, one, two, margin, how)


@compiled()
def scan(
    block: Any, a: int, b: int, both: bool, state: Any, one: Any, two: Any, exclude: Any, margin: Any, how: Any
) -> None:
    """Pass over a tile of scores, queries a... by pool rows b...; with ``both``, of queries b... by rows a... too.

    ``block`` has the shape (queries, runs, 64), its last run filled up with what reaches no floor. ``state`` is (keys,
    rows, floor, held, count, pairs scored) of all queries, the floor longer by a tile; ``one`` and ``two`` are (values,
    norms, groups, first row of the values) of the queries and of the pool; ``how`` is (metric, factor from an exact
    score to the product's units, grid, grain).
    """
    floor = state[2]
    runs = block.shape[1]
    lows = _lows(floor, b if both else 0, runs, block)
    if both:
        _lower(lows, floor, b)
    # One row may be excluded, so that one more must lie above; groups may ban any number.
    k = state[0].shape[1] + (1 if exclude.shape[0] > 0 else 0)
    opens = k <= runs * 64 and one[2].shape[0] == 0
    lanes = np.empty(64 * min(runs, max(1, -(-4 * k // 64)) if k > 16 else 1), dtype=np.float32)
    by_row, by_column = np.empty(runs + 1, dtype=np.int64), np.empty(runs + 1, dtype=np.int64)
    size = _LIST + runs * 64
    row_who, row_what = np.empty(size, dtype=np.int64), np.empty(size, dtype=np.int64)
    column_who, column_what = np.empty(size, dtype=np.int64), np.empty(size, dtype=np.int64)
    n_row, n_column = 0, 0
    for i in range(block.shape[0]):
        q = a + i
        if opens and floor[q] == -np.inf:
            _open(q, i, k, block, floor, lanes, margin, how[3])
        low, hits, others = _bound(floor[q], block[0, 0, 0]), np.int64(0), np.int64(0)
        for run in range(runs):
            hit, other = np.int32(0), np.int32(0)
            for j in range(64):
                hit |= np.int32(_rising(block[i, run, j]) >= low)
            if both:
                for j in range(64):
                    other |= np.int32(_rising(block[i, run, j]) >= lows[run, j])
            by_row[hits], by_column[others] = run, run
            hits += np.int64(hit)
            others += np.int64(other)
        for s in range(hits):
            run = by_row[s]
            bits = _reach(block, i, run, low)
            while bits:
                j = _first_bit(bits)
                bits &= bits - 1
                row_who[n_row], row_what[n_row] = q, _pack(_value(block[i, run, j]), b + run * 64 + j)
                n_row += 1
        for s in range(others):
            run = by_column[s]
            bits = _reach_each(block, i, run, lows)
            while bits:
                j = _first_bit(bits)
                bits &= bits - 1
                column_who[n_column], column_what[n_column] = b + run * 64 + j, _pack(_value(block[i, run, j]), q)
                n_column += 1
        if n_row >= _LIST:
            _flush(n_row, row_who, row_what, state, one, two, exclude, margin, how)
            n_row = 0
        if n_column >= _LIST:
            _flush(n_column, column_who, column_what, state, two, one, exclude, margin, how)
            _lower(lows, floor, b)
            n_column = 0
    _flush(n_row, row_who, row_what, state, one, two, exclude, margin, how)
    _flush(n_column, column_who, column_what, state, two, one, exclude, margin, how)


@compiled()
def settle(start: int, stop: int, state: Any, one: Any, two: Any, margin: Any, how: Any) -> None:
    """Score all that the queries start...stop still hold."""
    for q in range(start, stop):
        _relieve(q, True, state, one, two, margin, how)
