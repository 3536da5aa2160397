"""The suspect ranking's claims: direction, useless neighbours, the rank beside cleanlab's, the probabilities."""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from trueneg.claims.evidence import Evidence
from trueneg.core.errors import ClaimNotRun

__all__ = [
    "SuspectsCalibrated",
    "SuspectsDirection",
    "SuspectsNoRegret",
    "SuspectsRank",
    "calibration_error",
    "neighbor_votes",
]

_NEAR = 10


def _pendigits(seed: int, *, hidden: float = 0.25) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return X, given labels and truth: 8s against the rest, thinned to 5 %, a share of them hidden."""
    from sklearn.datasets import load_svmlight_file

    from trueneg.data.registry import folder

    X, digit = load_svmlight_file(str(folder("uci") / "pendigits"))
    rng = np.random.default_rng(seed)
    truth = digit == (8 if (digit == 8).any() else digit.max())
    positives = np.flatnonzero(truth)
    keep = np.ones(len(truth), bool)
    keep[rng.choice(positives, len(positives) - round(0.05 * (~truth).sum()), replace=False)] = False
    X, truth = np.asarray(X.todense(), np.float32)[keep], truth[keep]
    given = truth.copy()
    positives = np.flatnonzero(truth)
    given[rng.choice(positives, round(hidden * len(positives)), replace=False)] = False
    return X, given.astype(int), truth.astype(int)


def _evidence(X: np.ndarray, given: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Out-of-fold probabilities of a linear model and the ten nearest rows."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from trueneg.core.neighbors import top_k

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    proba = cross_val_predict(model, X, given, cv=folds, method="predict_proba").astype(np.float32)
    _, near = top_k(X, X, 10, exclude=np.arange(len(X)))
    return proba, near


def _average_precision(rows: np.ndarray, wrong: np.ndarray, scores: np.ndarray) -> float:
    """AP of "the given label is wrong" over all rows; rows that were not suspected come last."""
    from sklearn.metrics import average_precision_score

    ranked = np.full(len(wrong), -np.inf)
    ranked[rows] = scores[rows]
    finite = np.isfinite(ranked)
    ranked[~finite] = (ranked[finite].min() if finite.any() else 0.0) - 1.0
    return float(average_precision_score(wrong, ranked))


class SuspectsDirection:
    """Declaring that only negatives can be wrong beats every score that was not told so."""

    id = "suspects-direction"
    system = "clean.ranking"
    paper = "suspect ranking beside confident learning (Northcutt, Jiang, Chuang 2021, arXiv 1911.00068)"
    statement = (
        "pendigits, 5 % positives, a quarter of them hidden: because the user declared the direction, "
        "AP of the false negatives rises by 0.20 or more over self-confidence on all rows"
    )
    control = "direction reversed"
    GAIN = 0.20

    def run(self, seed: int) -> Evidence:
        """Rank with the direction, without, and reversed."""
        from trueneg.clean.ranking import SuspectRanker

        X, given, truth = _pendigits(seed)
        proba, near = _evidence(X, given, seed)
        wrong = given != truth
        everything = np.arange(len(given))
        plain = _average_precision(everything, wrong, 1 - proba[everything, given])
        found: dict[str, float] = {}
        for name, suspect in (("declared", 0), ("reversed", 1)):
            ranker: Any = SuspectRanker(suspect_classes=[suspect]).fit(None, given, pred_proba=proba, neighbors=near)
            found[name] = _average_precision(np.flatnonzero(given == suspect), wrong, ranker.score_)
        return Evidence(
            found["declared"] - plain >= self.GAIN,
            found["reversed"] - plain >= self.GAIN,
            {"AP self-confidence": plain, "AP declared": found["declared"], "AP reversed": found["reversed"]},
        )


class SuspectsNoRegret:
    """Neighbours that know nothing cost nothing; neighbours that know something help."""

    id = "suspects-no-regret"
    system = "clean.ranking"
    paper = "suspect ranking beside confident learning (Northcutt, Jiang, Chuang 2021, arXiv 1911.00068)"
    statement = (
        "pendigits, a quarter of the positives hidden: real neighbours gain 0.01 AP or more over the "
        "probabilities alone, and permuted ones cost at most 0.01"
    )
    control = "neighbours permuted"
    GAIN, REGRET = 0.01, 0.01

    def run(self, seed: int) -> Evidence:
        """Rank with real, permuted and no neighbours."""
        from trueneg.clean.ranking import SuspectRanker

        X, given, truth = _pendigits(seed)
        proba, near = _evidence(X, given, seed)
        wrong = given != truth
        permuted = near[np.random.default_rng(seed).permutation(len(near))]
        found: dict[str, float] = {}
        for name, ids in (("none", None), ("real", near), ("permuted", permuted)):
            ranker: Any = SuspectRanker(suspect_classes=[0]).fit(None, given, pred_proba=proba, neighbors=ids)
            found[name] = _average_precision(np.flatnonzero(given == 0), wrong, ranker.score_)
        gain, regret = found["real"] - found["none"], found["none"] - found["permuted"]
        return Evidence(
            gain >= self.GAIN and regret <= self.REGRET,
            -regret >= self.GAIN,
            {"AP probabilities alone": found["none"], "AP real": found["real"], "AP permuted": found["permuted"]},
        )


# ------------------------------------------------------------------------------------------- 20 Newsgroups
class _Setting(NamedTuple):
    """Out-of-fold probabilities (n, K), neighbours (n, 10), given labels and truth (n,)."""

    proba: np.ndarray
    near: np.ndarray
    given: np.ndarray
    truth: np.ndarray


@lru_cache(maxsize=1)
def _texts() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return 100 latent dimensions of TF-IDF (n, 100), classes (n,) and a clean confusion matrix (20, 20).

    None of these three depends on a seed or sees a wrong label, so that all claims share them.
    """
    import pyarrow.parquet as pq
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.model_selection import cross_val_predict
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.utils.extmath import randomized_svd

    from trueneg.data.registry import file

    table = pq.read_table(file("20newsgroups.parquet"), columns=["text", "label"])
    _, truth = np.unique(table["label"].to_pylist(), return_inverse=True)
    words = TfidfVectorizer(
        sublinear_tf=True, min_df=3, max_df=0.5, stop_words="english", max_features=30_000, dtype=np.float32
    ).fit_transform(table["text"].to_pylist())
    left, size, _ = randomized_svd(words, 100, n_iter=2, random_state=0)
    # Another model than the judged one says which classes are taken for each other.
    said = cross_val_predict(MultinomialNB(alpha=0.05), words, truth, cv=3)
    n_classes = int(truth.max()) + 1
    confusion = np.full((n_classes, n_classes), 0.1)
    np.add.at(confusion, (truth, said), 1)
    np.fill_diagonal(confusion, 0)
    return (left * size).astype(np.float32), truth, confusion / confusion.sum(axis=1, keepdims=True)


@lru_cache(maxsize=6)  # three seeds, whole and long-tailed: two claims share them
def _newsgroups(seed: int, *, long_tailed: bool = False, share: float = 0.15) -> _Setting:
    """Flip labels along the confusion, at rates of their class, and predict every row out of fold."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    from trueneg.core.neighbors import top_k

    X, truth, confusion = _texts()
    rng = np.random.default_rng(seed)
    n_classes = len(confusion)
    if long_tailed:
        # The largest class is 20 times the smallest; which class is rare depends on the seed.
        kept = rng.permutation(np.geomspace(1.0, 0.05, n_classes))[truth]
        rows = np.flatnonzero(rng.random(len(truth)) < kept)
        X, truth = X[rows], truth[rows]
    rate = rng.uniform(0.05, 0.25, n_classes)
    rate *= share / rate[truth].mean()
    flip = np.flatnonzero(rng.random(len(truth)) < rate[truth])
    given = truth.copy()
    steps = confusion.cumsum(axis=1)[truth[flip], :-1]
    given[flip] = (rng.random(len(flip))[:, None] > steps).sum(axis=1)
    _, near = top_k(X, X, _NEAR, exclude=np.arange(len(X)))
    folds = StratifiedKFold(4, shuffle=True, random_state=seed)
    # Ten times the unit-length scale of the texts: the model's penalty of 1 then hardly binds.
    model = LogisticRegression(max_iter=200)
    proba = cross_val_predict(model, X * 10, given, cv=folds, method="predict_proba").astype(np.float32)
    return _Setting(proba, near, given, truth)


def neighbor_votes(near: np.ndarray, given: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the shares of the given labels among each row's neighbours, (n, K), each row adding up to one.

    Parameters
    ----------
    near : ndarray of int of shape (n, k)
        Row numbers; every one present.
    given : ndarray of int of shape (n,)
        Given labels.
    n_classes : int
        Columns; each gets 1/20 of a vote, so that no share is zero.
    """
    n, k = near.shape
    cells = np.arange(n)[:, None] * n_classes + given[near]
    votes = np.bincount(cells.ravel(), minlength=n * n_classes).reshape(n, n_classes)
    return (votes + 0.05) / (k + 0.05 * n_classes)


def calibration_error(probability: np.ndarray, wrong: np.ndarray, *, n_bins: int = 10) -> float:
    """Return the expected calibration error over equally wide bins.

    Parameters
    ----------
    probability : ndarray of shape (n,)
        Stated probabilities of being wrong.
    wrong : ndarray of bool of shape (n,)
        Whether it is wrong.
    n_bins : int, default=10
        Bins between 0 and 1.
    """
    place = np.minimum((probability * n_bins).astype(np.int64), n_bins - 1)
    stated = np.bincount(place, weights=probability, minlength=n_bins)
    seen = np.bincount(place, weights=wrong, minlength=n_bins)
    return float(np.abs(stated - seen).sum() / len(probability))


def _peer_scores(at: _Setting) -> dict[str, np.ndarray]:
    """Cleanlab's label qualities on the same probabilities, and on those of the same neighbours."""
    try:
        from cleanlab import rank
    except ImportError:
        message = 'cleanlab is not installed, and this claim compares with it: pip install "cleanlab==2.9.0"'
        raise ClaimNotRun(message) from None
    proba = at.proba.astype(np.float64)
    both = [proba, neighbor_votes(at.near, at.given, proba.shape[1])]
    scores = {
        name: rank.get_label_quality_scores(at.given, proba, method=name)
        for name in ("self_confidence", "normalized_margin")
    }
    with warnings.catch_warnings():
        # Its search for weights hands tempered probabilities to a metric that wants sums of one.
        warnings.filterwarnings("ignore", message="The y_prob values do not sum to one")
        for how in ("accuracy", "log_loss_search"):
            scores[f"ensemble, {how}"] = rank.get_label_quality_ensemble_scores(
                at.given, both, weight_ensemble_members_by=how, verbose=False
            )
    return scores


class SuspectsRank:
    """On confusable texts, the rank beats every cleanlab score that has the same evidence."""

    id = "suspects-rank"
    system = "clean.ranking"
    paper = "suspect ranking beside confident learning (Northcutt, Jiang, Chuang 2021, arXiv 1911.00068)"
    statement = (
        "20 Newsgroups, 15 % of the labels flipped along the classes' confusion: AP of the wrong labels is 0.02 or "
        "more above the best of cleanlab's self-confidence, normalised margin and ensemble with the same neighbours"
    )
    control = "neighbours permuted"
    GAIN = 0.02

    def run(self, seed: int) -> Evidence:
        """Rank with real, permuted and no neighbours, beside four scores of cleanlab."""
        from trueneg.clean.ranking import SuspectRanker

        at = _newsgroups(seed)
        wrong, rows = at.given != at.truth, np.arange(len(at.given))
        # A small quality is a large suspicion.
        peers = {f"AP {name}": _average_precision(rows, wrong, -quality) for name, quality in _peer_scores(at).items()}
        permuted = at.near[np.random.default_rng(seed).permutation(len(rows))]
        found: dict[str, float] = {}
        for name, ids in (("ours", at.near), ("neighbours permuted", permuted), ("probabilities alone", None)):
            ranker: Any = SuspectRanker().fit(None, at.given, pred_proba=at.proba, neighbors=ids)
            found[name] = _average_precision(rows, wrong, ranker.score_)
        best = max(peers.values())
        measured: dict[str, float | str] = {name: round(value, 4) for name, value in peers.items()}
        measured |= {f"AP {name}": round(value, 4) for name, value in found.items()}
        measured |= {f"gain, {name}": round(value - best, 4) for name, value in found.items()}
        return Evidence(found["ours"] - best >= self.GAIN, found["neighbours permuted"] - best >= self.GAIN, measured)


class SuspectsCalibrated:
    """The stated probability that a label is wrong is one; that of the bare model is not."""

    id = "suspects-calibrated"
    system = "clean.ranking"
    paper = "suspect ranking beside confident learning (Northcutt, Jiang, Chuang 2021, arXiv 1911.00068)"
    statement = (
        "20 Newsgroups, whole and long-tailed 20 to 1, 15 % of the labels flipped: the probability that a label is "
        "wrong has an ECE of at most 0.06, and at most a quarter of that of one minus self-confidence"
    )
    control = "no transition step: one minus the fitted probability of the given label"
    MOST, RATIO = 0.06, 0.25

    def run(self, seed: int) -> Evidence:
        """Measure ECE with and without the transition step on both settings."""
        measured: dict[str, float | str] = {}
        holds, control = True, False
        for name, tailed in (("whole", False), ("long-tailed", True)):
            at = _newsgroups(seed, long_tailed=tailed)
            wrong, rows = at.given != at.truth, np.arange(len(at.given))
            ours, bare = _stated(at)
            errors = {
                "ours": calibration_error(ours, wrong),
                "no transition step": calibration_error(bare, wrong),
                "one minus self-confidence": calibration_error(1 - at.proba[rows, at.given], wrong),
            }
            bound = min(self.MOST, self.RATIO * errors["one minus self-confidence"])
            holds &= errors["ours"] <= bound
            # Without the step both settings must miss: one that still holds is enough to distrust.
            control |= errors["no transition step"] <= bound
            measured |= {f"ECE {name}, {what}": round(value, 4) for what, value in errors.items()}
        return Evidence(bool(holds), bool(control), measured)


def _stated(at: _Setting) -> tuple[np.ndarray, np.ndarray]:
    """Return the probability that each label is wrong, with the transition step and without it."""
    from trueneg.clean._ranking.evidence import Evidence as Rows
    from trueneg.clean._ranking.evidence import combine, softmax
    from trueneg.clean.ranking import SuspectRanker

    ranker: Any = SuspectRanker().fit(None, at.given, pred_proba=at.proba, neighbors=at.near)
    evidence = Rows(at.proba, at.given.astype(np.int32), at.near, None)
    weights = np.array([ranker.a_, ranker.b_, ranker.c_])
    rows = np.arange(len(at.given))
    z = combine(weights, *evidence.of(rows)) + (weights[2] * evidence.log_share).astype(np.float32)
    return ranker.probability_, 1 - softmax(z)[rows, at.given]
