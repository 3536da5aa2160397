"""Text as TF-IDF: cut into the tokens that tell more of the labels."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.jobs.audit.contents import codes_of
from trueneg.jobs.audit.folds import drawn
from trueneg.jobs.audit.learners import fit_threads, linear_model

if TYPE_CHECKING:
    import pyarrow as pa

    from trueneg.data.readers import Table
    from trueneg.data.sniff import Roles

CHOOSE_TOKENS_ON = 10_000
TOO_FEW_TO_CHOOSE = 200
TOKENS: dict[str, dict[str, Any]] = {
    "words": {},
    "split at blanks, case kept": {"token_pattern": r"\S+", "lowercase": False},
}


def texts_of(arrow: pa.Table, names: list[str]) -> list[str]:
    """Join the text columns of each row; a missing value is empty."""
    columns = [arrow[name].to_pylist() for name in names]
    return [" ".join("" if v is None else str(v) for v in row) for row in zip(*columns, strict=True)]


def tfidf(texts: list[str], source: Table, roles: Roles, seed: int, *, choose: bool) -> tuple[Any, str]:
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
    some = drawn(codes, np.flatnonzero(codes >= 0), rng, CHOOSE_TOKENS_ON)
    few = [texts[i] for i in some]
    y = np.asarray(codes[some], np.int64)
    together = codes_of(few)
    if roles.group:
        together = codes_of(source.arrow[roles.group].combine_chunks().take(some).to_pylist())
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
    from sklearn.metrics import log_loss

    try:
        matrix = _vectorizer(kind).fit_transform(texts)
    except ValueError:
        return float("inf")
    with warnings.catch_warnings(), fit_threads(len(y)):
        # A fit cut short at 100 steps compares the two as well as a finished one.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = linear_model(matrix, max_iter=100).fit(matrix[train], y[train])
    proba = model.predict_proba(matrix[test]).astype(float)
    return float(log_loss(y[test], proba / proba.sum(axis=1, keepdims=True), labels=model.classes_))
