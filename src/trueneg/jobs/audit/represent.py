"""Where no representation is given: features, out-of-fold probabilities, rows to find neighbours with."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from trueneg.data.readers import Table
    from trueneg.data.sniff import Roles
    from trueneg.jobs.audit.images import ImageFeatures

MAX_ONE_HOT = 50
CHOOSE_ON = 20_000
CHOOSE_TOKENS_ON = 10_000
TOO_FEW_TO_CHOOSE = 200
TOKENS: dict[str, dict[str, Any]] = {
    "words": {},
    "split at blanks, case kept": {"token_pattern": r"\S+", "lowercase": False},
}


@dataclass
class Representation:
    """Features for trees, features for linear models (may be sparse), and a dense embedding.

    ``table`` is (n, d) float32 with NaN for missing values, ``linear`` (n, p), ``embedding`` (n, e) float32.
    ``duplicate_of`` (n,) gives rows of equal content the same number, ``notes`` tells what could not be read, and
    ``digest`` changes with the content that stands outside the table (image files), for the key of kept stages;
    ``unread`` (n,) is true where an image could not be read, None where none is missing.
    """

    table: np.ndarray | None
    linear: Any
    embedding: np.ndarray
    duplicate_of: np.ndarray
    words: str
    notes: list[str] = field(default_factory=list)
    digest: str = ""
    unread: np.ndarray | None = None


def represent(
    source: Table,
    roles: Roles,
    *,
    random_state: int,
    image_named: bool = False,
    quick: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Representation:
    """Build what the checks look at from the columns that the roles name.

    Parameters
    ----------
    source : Table
        The table as read; image paths are relative to its file's folder.
    roles : Roles
        Its roles. The labels decide only how text is cut into tokens.
    random_state : int
        Seed of the SVDs and of the draws.
    image_named : bool, default False
        Whether the user named the image columns. Named, absolute paths are read and nothing is passed over; merely
        sniffed, a column that cannot be read is left out with a note where other columns remain.
    quick : bool, default False
        Take text by words without comparing kinds of tokens, which fits two models on at most 10,000 rows.
    progress : callable, optional
        Called with one line while images are read.

    Returns
    -------
    Representation

    Raises
    ------
    InputError
        No column to learn from, text without words, no readable image.
    MissingExtraError
        Images, and no Pillow.
    """
    from scipy import sparse
    from sklearn.decomposition import TruncatedSVD

    arrow = source.arrow
    hashes, blocks, parts = [], [], []
    notes: list[str] = []
    table = unread = None
    given = roles.embedding_matrix(source)
    if given is not None:
        given = np.asarray(given, np.float32)
        blocks.append(given)
        hashes.append(_hash_rows(given))
        table = given
        parts.append(f"given embedding ({given.shape[1]} columns)")
    if roles.numeric or roles.categorical:
        table, dense = _columns(arrow, roles.numeric, roles.categorical)
        blocks.append(dense)
        hashes.append(_hash_rows(table))
        parts.append(f"{len(roles.numeric)} numeric and {len(roles.categorical)} categorical columns")
    if roles.image:
        others = bool(blocks or roles.text or roles.proba)
        for name in roles.image:
            try:
                seen = _images(source, name, random_state, image_named, progress)
            except (InputError, MissingExtraError) as error:
                if image_named or not others:
                    raise
                notes.append(f"images were left out: {error}")
                continue
            blocks.append(seen.embedding)
            hashes.append(seen.content)
            notes += seen.notes
            if seen.broken:
                unread = np.zeros(arrow.num_rows, bool) if unread is None else unread
                unread[list(seen.broken)] = True
            table = seen.embedding if table is None else np.hstack([table, seen.embedding])
            parts.append(f"gradients and colours of the images in {name}")
    embedding = np.hstack(blocks) if blocks else None
    linear: Any = embedding
    if roles.text:
        texts = _texts(arrow, roles.text)
        tfidf, tokens = _tfidf(texts, source, roles, random_state, choose=not quick)
        hashes.append(_codes(texts).astype(np.uint64))
        size = max(1, min(100, tfidf.shape[1] - 1, tfidf.shape[0] - 1))
        reduced = TruncatedSVD(size, random_state=random_state).fit_transform(tfidf).astype(np.float32)
        linear = tfidf if linear is None else sparse.hstack([tfidf, sparse.csr_matrix(linear)], format="csr")
        embedding = reduced if embedding is None else np.hstack([embedding, reduced])
        table = reduced if table is None else np.hstack([table, reduced])
        parts.append("TF-IDF of " + ", ".join(roles.text) + tokens)
    if embedding is None:
        msg = (
            "no column is left to learn from besides the label; "
            "name some with --features, --text or --embedding, or give --proba"
        )
        raise InputError(msg)
    mixed = np.zeros(arrow.num_rows, np.uint64)
    for one in hashes:
        mixed = mixed * np.uint64(0x9E3779B97F4A7C15) + one
    duplicate_of = np.unique(mixed, return_inverse=True)[1]
    digest = hashlib.blake2b(mixed.tobytes(), digest_size=12).hexdigest()
    embedding = np.ascontiguousarray(embedding)
    return Representation(table, linear, embedding, duplicate_of, "; ".join(parts), notes, digest, unread)


def _images(source: Table, name: str, seed: int, named: bool, progress: Callable[[str], None] | None) -> ImageFeatures:
    from trueneg.jobs.audit.images import ImageColumn, image_features

    folder = Path() if source.path is None else source.path.parent
    return image_features(ImageColumn(source.arrow, name, folder, named), random_state=seed, progress=progress)


def _columns(arrow: pa.Table, numeric: list[str], categorical: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the raw matrix (NaN kept, categories as codes) and its standardised, one-hot form."""
    raw, dense = [], []
    for name in numeric:
        column = arrow[name].cast("float32", safe=False).to_numpy().astype(np.float32)
        column[~np.isfinite(column)] = np.nan
        raw.append(column)
        known = np.isfinite(column)
        centre = np.median(column[known]) if known.any() else 0.0
        scale = column[known].std() if known.any() else 0.0
        filled = np.where(known, column, centre)
        dense.append(((filled - centre) / (scale if scale > 0 else 1.0)).astype(np.float32))
    for name in categorical:
        codes = _codes([None if v is None else str(v) for v in arrow[name].to_pylist()])
        raw.append(codes.astype(np.float32))
        counts = np.bincount(codes)
        common = np.argsort(-counts, kind="stable")[:MAX_ONE_HOT]
        dense.extend((codes == value).astype(np.float32) for value in common)
    return np.column_stack(raw), np.column_stack(dense)


def _texts(arrow: pa.Table, names: list[str]) -> list[str]:
    columns = [arrow[name].to_pylist() for name in names]
    return [" ".join("" if v is None else str(v) for v in row) for row in zip(*columns, strict=True)]


def _tfidf(texts: list[str], source: Table, roles: Roles, seed: int, *, choose: bool) -> tuple[Any, str]:
    """Return the TF-IDF matrix by the tokens that predict the given labels better, and what to say of them."""
    kind, losses = _tokens(texts, source, roles, seed) if choose else ("words", {})
    try:
        matrix = _vectorizer(kind).fit_transform(texts)
    except ValueError as error:
        msg = "the text columns hold no words; name another column with --text"
        raise InputError(msg) from error
    if kind == "words":
        return matrix, ""
    other = losses["words"]
    return matrix, f" ({kind}: held-out log loss {losses[kind]:.2f} of the given labels, {other:.2f} by words)"


def _vectorizer(kind: str) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(sublinear_tf=True, max_features=50_000, dtype=np.float32, **TOKENS[kind])


def _tokens(texts: list[str], source: Table, roles: Roles, seed: int) -> tuple[str, dict[str, float]]:
    """Choose words or blank-separated tokens by log loss on held-out given labels, at most 10,000 rows.

    Text made of features (``head=PER between=born_in``) is torn apart by the usual word pattern; prose loses by
    keeping its case and punctuation. The given labels tell the two apart: label errors cost both the same.
    """
    codes = roles.codes(source)[0]
    if codes.ndim == 2:
        # Several labels a row: the one nearest to a half says most.
        rows = ((codes == 1).sum(axis=0), (codes == 0).sum(axis=0))
        codes = codes[:, int(np.argmax(np.minimum(*rows)))]
    rng = np.random.default_rng(seed)
    some = _drawn(codes, np.flatnonzero(codes >= 0), rng, CHOOSE_TOKENS_ON)
    few = [texts[i] for i in some]
    y = np.asarray(codes[some], np.int64)
    together = _codes(few)
    if roles.group:
        together = _codes(source.arrow[roles.group].combine_chunks().take(some).to_pylist())
    # Whole groups are held out, or tokens that name a document would look as if they told its label.
    test = (rng.random(int(together.max(initial=0)) + 1) < 0.25)[together]
    test_known = test & np.isin(y, y[~test])
    if len(some) < TOO_FEW_TO_CHOOSE or len(np.unique(y[~test])) < 2 or test_known.sum() < TOO_FEW_TO_CHOOSE // 10:
        return "words", {}
    losses = {kind: _loss(kind, few, y, ~test, test_known) for kind in TOKENS}
    return min(losses, key=lambda kind: losses[kind]), losses


def _loss(kind: str, texts: list[str], y: np.ndarray, train: np.ndarray, test: np.ndarray) -> float:
    """Return the held-out log loss of a linear model over one kind of tokens; infinite where there are none."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss

    try:
        matrix = _vectorizer(kind).fit_transform(texts)
    except ValueError:
        return float("inf")
    with warnings.catch_warnings(), one_blas_thread():
        # A fit cut short at 100 steps compares the two as well as a finished one.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(max_iter=100, C=10.0).fit(matrix[train], y[train])
    proba = model.predict_proba(matrix[test]).astype(float)
    return float(log_loss(y[test], proba / proba.sum(axis=1, keepdims=True), labels=model.classes_))


def _codes(values: list[Any]) -> np.ndarray:
    import pyarrow as pa

    encoded = pa.array(values).dictionary_encode()
    return np.asarray(encoded.indices.fill_null(len(encoded.dictionary)), dtype=np.int64)


def _hash_rows(matrix: np.ndarray) -> np.ndarray:
    # Wrapping integer arithmetic on the bits: equal rows hash equally wherever they stand.
    bits = np.ascontiguousarray(matrix, np.float32).view(np.uint32)
    out = np.zeros(len(bits), np.uint64)
    for j in range(bits.shape[1]):
        out = (out ^ bits[:, j]) * np.uint64(0x100000001B3)
    return out


def out_of_fold(
    data: Representation,
    codes: np.ndarray,
    n_classes: int,
    *,
    groups: np.ndarray | None,
    random_state: int,
    progress: Callable[[str], None],
    folds: int = 5,
) -> tuple[np.ndarray, str]:
    """Return probabilities (n, K) of models that never saw the row or its group, and the model's name.

    Rows without a label (code -1) train nothing; they get the mean of the fold models' predictions.
    """
    labelled = np.flatnonzero(codes >= 0)
    y = codes[labelled]
    # Rows of equal content stay in one fold, or the model would have seen the row it judges.
    together = data.duplicate_of if groups is None else groups
    smallest = int(np.bincount(y, minlength=n_classes)[np.unique(y)].min())
    folds = max(2, min(folds, smallest, len(np.unique(together[labelled]))))
    split = _folds(y, together[labelled], folds, random_state)
    name, make, inputs = _choose(data, codes, labelled, random_state)
    proba = np.zeros((len(codes), n_classes), np.float32)
    others = np.flatnonzero(codes < 0)
    for number, (train, test) in enumerate(split):
        progress(f"out-of-fold probabilities ({name}), fold {number + 1} of {folds}")
        with one_blas_thread():
            model = make().fit(inputs[labelled[train]], y[train])
        seen = model.classes_
        proba[np.ix_(labelled[test], seen)] = model.predict_proba(inputs[labelled[test]])
        if others.size:
            proba[np.ix_(others, seen)] += model.predict_proba(inputs[others]) / folds
    proba /= proba.sum(axis=1, keepdims=True)
    return proba, name


def one_blas_thread() -> Any:
    """Return a context in which BLAS takes one thread: the solver's many short steps wait longer than they gain."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1, user_api="blas")


def _folds(y: np.ndarray, together: np.ndarray, folds: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Stratified folds that keep rows of one group together; by hashing where the groups are many."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    names, group = np.unique(together, return_inverse=True)
    if len(names) == len(y):
        return list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(y, y))
    if len(names) <= 5_000:
        return list(StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(y, y, group))
    # scikit-learn's splitter loops over the groups in Python: minutes at a million of them.
    # Dealing the groups out in order of their first label keeps every class in every fold.
    first = y[np.unique(group, return_index=True)[1]]
    order = np.lexsort((np.random.default_rng(seed).random(len(names)), first))
    fold = np.empty(len(names), np.int64)
    fold[order] = np.arange(len(names)) % folds
    return [(np.flatnonzero(fold[group] != f), np.flatnonzero(fold[group] == f)) for f in range(folds)]


def _choose(data: Representation, codes: np.ndarray, labelled: np.ndarray, seed: int) -> tuple[str, Any, Any]:
    """Boosting or a linear model, by log loss on a held-out part of at most 20,000 rows."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss
    from sklearn.model_selection import train_test_split

    def boosting() -> Any:
        return HistGradientBoostingClassifier(max_iter=100, early_stopping=False, random_state=seed)

    def linear() -> Any:
        return LogisticRegression(max_iter=300, C=10.0)

    candidates = [("logistic regression", linear, data.linear)]
    n_classes = len(np.unique(codes[labelled]))
    if data.table is not None and n_classes <= MAX_ONE_HOT and data.table.shape[1] * n_classes <= 2000:
        candidates.append(("histogram gradient boosting", boosting, data.table))
    if len(candidates) == 1:
        return candidates[0]
    some = _drawn(codes, labelled, np.random.default_rng(seed))
    counts = np.bincount(codes[some])
    some = some[counts[codes[some]] >= 4]
    train, test = train_test_split(some, test_size=0.25, stratify=codes[some], random_state=seed)
    losses = []
    for _, make, inputs in candidates:
        with one_blas_thread():
            model = make().fit(inputs[train], codes[train])
        proba = model.predict_proba(inputs[test]).astype(float)
        proba /= proba.sum(axis=1, keepdims=True)
        losses.append(log_loss(codes[test], proba, labels=model.classes_))
    return candidates[int(np.argmin(losses))]


def _drawn(codes: np.ndarray, labelled: np.ndarray, rng: np.random.Generator, size: int = CHOOSE_ON) -> np.ndarray:
    """At most about `size` rows: the rare classes first, since at 1 % an even draw leaves too few to learn from."""
    if len(labelled) <= size:
        return labelled
    shuffled = rng.permutation(labelled)
    of_class = np.argsort(codes[shuffled], kind="stable")
    counts = np.bincount(codes[labelled])
    rank = np.empty(len(labelled), np.int64)
    rank[of_class] = np.arange(len(labelled)) - np.repeat(np.cumsum(counts) - counts, counts)
    quota = size // (2 * np.count_nonzero(counts))
    first = np.flatnonzero(rank < quota)
    rest = np.flatnonzero(rank >= quota)[: size - len(first)]
    return np.sort(shuffled[np.concatenate([first, rest])])
