"""The shapes that parts of trueneg, and plug-ins of its users, agree on: protocols, nothing to inherit from.

Shared rules: everything after the data is keyword-only; ``random_state`` makes a ``numpy.random.Generator``; fitted
attributes end in ``_``; ``groups`` and ``trusted`` travel wherever ``y`` does; ids and masks go in and out, not copies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:  # nothing is imported at run time, so that any module may import the shapes
    import numpy as np
    from numpy.typing import NDArray

    from trueneg.core.suspects import Suspects

__all__ = [
    "Assigner",
    "Assignment",
    "BatchSampler",
    "Claim",
    "Cleaner",
    "Encoder",
    "Engine",
    "Evidence",
    "Generator",
    "Head",
    "Miner",
    "Negatives",
    "Rejecter",
    "Sampler",
    "Study",
    "Updater",
    "Verdicts",
    "Verifier",
]


class Assignment(NamedTuple):
    """What an assigner decides of each anchor.

    ``target`` (n_anchors,) is the index of its box, -1 where it is background, -2 where it is ignored; ``weight``
    (n_anchors,) is how much it counts.
    """

    target: NDArray[np.int64]
    weight: NDArray[np.floating[Any]]


class Negatives(NamedTuple):
    """Mined negatives, one a row of equally long arrays; ``query`` and ``document`` are ids."""

    query: NDArray[Any]
    document: NDArray[Any]
    score: NDArray[np.floating[Any]]
    rank: NDArray[np.int64]
    reason: NDArray[Any]
    verdict: NDArray[np.int8]


class Verdicts(NamedTuple):
    """What a verifier says of each candidate; :mod:`trueneg.core.verdicts` makes and checks them.

    ``accept`` (n,) is 1, 0 or -1; abstaining, time-out, error and an answer that cannot be parsed are -1, never 1.
    ``probability`` (n,) is that of being correct, NaN where the verifier gives none; ``reason`` has one text each;
    ``cost`` (n,) is in the verifier's own unit; ``outcome`` (n,) says why: ``accept``, ``reject``, ``abstain``,
    ``timeout``, ``error`` or ``unparsed`` (None: as ``accept`` says, -1 being ``abstain``).
    """

    accept: NDArray[np.int8]
    probability: NDArray[np.floating[Any]]
    reason: Sequence[str]
    cost: NDArray[np.floating[Any]]
    outcome: NDArray[np.str_] | None = None


class Evidence(NamedTuple):
    """What a claim measured: the figures, and whether they hold and the sabotaged method's do not."""

    holds: bool
    control_holds: bool
    figures: Mapping[str, Any]
    message: str


@runtime_checkable
class Cleaner(Protocol):
    """Says which labels can be believed; a scikit-learn estimator.

    After ``fit``: ``suspects_``, ``label_quality_`` (n,) for all rows (higher = more credible), and after
    ``fit_resample`` ``sample_indices_``, the rows that were kept.
    """

    suspects_: Suspects
    label_quality_: NDArray[np.floating[Any]]
    sample_indices_: NDArray[np.int64]

    def fit(self, X: Any, y: Any, *, groups: Any = None, trusted: Any = None, pred_proba: Any = None) -> Cleaner:
        """Judge the labels ``y`` (n,) of ``X`` (n, d)."""
        ...

    def fit_resample(self, X: Any, y: Any, **metadata: Any) -> tuple[Any, Any]:
        """Return the data with the suspects dealt with, in its own containers."""
        ...


@runtime_checkable
class Sampler(Protocol):
    """Changes which rows there are: ``sample_indices_`` is -1 for a made row, ``parents_`` (n_new, 2) are its rows."""

    sample_indices_: NDArray[np.int64]
    parents_: NDArray[np.int64]
    weights_: NDArray[np.floating[Any]]

    def fit_resample(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Return the rows to train on."""
        ...


@runtime_checkable
class BatchSampler(Protocol):
    """Iterates over batches of row indices, and may be told how the rows look now."""

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        """Yield index batches of one epoch."""
        ...

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        ...

    def update(self, embeddings: NDArray[np.floating[Any]]) -> None:
        """Take the present embeddings (n, d) of all rows."""
        ...


@runtime_checkable
class Assigner(Protocol):
    """Says which anchors are positive for which box."""

    def assign(self, boxes: Any, anchors: Any) -> Assignment:
        """Assign each of ``anchors`` (n, 4) to one of ``boxes`` (m, 4), to background, or to nothing."""
        ...


@runtime_checkable
class Miner(Protocol):
    """Finds negatives that are hard and true: ids in, ids out."""

    def mine(
        self,
        queries: Any,
        documents: Any,
        positives: Any,
        *,
        n: int,
        filters: Callable[..., Any] | Sequence[Callable[..., Any]] | None = None,
        random_state: Any = None,
    ) -> Negatives:
        """Return up to ``n`` negatives a query; every filter counts what it removed."""
        ...


@runtime_checkable
class Head(Protocol):
    """A decision rule on features; a scikit-learn classifier."""

    classes_: NDArray[Any]

    def fit(self, X: Any, y: Any) -> Head:
        """Learn from features ``X`` (n, d) and labels ``y`` (n,)."""
        ...

    def predict(self, X: Any) -> NDArray[Any]:
        """Return labels (n,)."""
        ...


@runtime_checkable
class Rejecter(Protocol):
    """Says when the answer is none of the known ones."""

    def fit(self, X: Any, y: Any = None) -> Rejecter:
        """Learn what is familiar."""
        ...

    def score_samples(self, X: Any) -> NDArray[np.floating[Any]]:
        """Return scores (n,), higher = more familiar."""
        ...

    def calibrate(
        self,
        X: Any,
        y: Any = None,
        *,
        target_fpr: float | None = None,
        target_tpr: float | None = None,
        costs: Any = None,
    ) -> Rejecter:
        """Set the threshold on data that was not learned from, by exactly one of the three aims."""
        ...

    def predict(self, X: Any) -> NDArray[Any]:
        """Return labels (n,), ``unknown_label`` where the answer is none of them."""
        ...


@runtime_checkable
class Verifier(Protocol):
    """Judges candidates, a batch at a time."""

    def verify(self, items: Sequence[Any], candidates: Sequence[Any]) -> Verdicts:
        """Judge ``candidates[i]`` for ``items[i]``."""
        ...


@runtime_checkable
class Encoder(Protocol):
    """Turns texts or images into vectors."""

    def encode(self, items: list[Any]) -> NDArray[np.float32]:
        """Return float32 vectors (n, d), in the order of ``items``."""
        ...


@runtime_checkable
class Engine(Protocol):
    """Calls a function for each batch, in this process or on workers elsewhere.

    A batch has columns of one length each, {name: array}. ``shared_files`` says whether a worker sees the files that
    the caller sees, under the same paths.
    """

    shared_files: bool

    def map_batches(
        self,
        fn_or_class: Callable[..., Any],
        batches: Iterable[Mapping[str, Any]],
        *,
        batch_size: int | None = None,
        resources: Any = None,
    ) -> Iterator[dict[str, NDArray[Any]]]:
        """Yield what the function, or an object of the class, gives for each batch; in any order."""
        ...


@runtime_checkable
class Generator(Protocol):
    """Writes text."""

    def generate(self, prompts: Sequence[str], n: int, seed: int) -> list[list[str]]:
        """Return ``n`` texts for each prompt; the same seed gives the same texts."""
        ...


@runtime_checkable
class Study(Protocol):
    """Measures, and says how sure it is: every figure is an ``Estimate`` with its interval."""

    def evaluate(self, *args: Any, **kwargs: Any) -> Mapping[str, Any]:
        """Return estimates by name."""
        ...


@runtime_checkable
class Updater(Protocol):
    """Changes a released model and reports which answers turned."""

    def update(self, old: Any, data: Any) -> tuple[Any, Any]:
        """Return the new model and the report of its flips."""
        ...


@runtime_checkable
class Claim(Protocol):
    """What a paper says of a method, made runnable, with a sabotage under which it must not hold."""

    id: str
    system: str
    paper: str
    statement: str

    def run(self, seed: int) -> Evidence:
        """Measure the method and its negative control."""
        ...
