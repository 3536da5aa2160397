"""Naive Bayes and logistic regression: rows needed as the dimension grows, and two regimes on real features."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.claims.evidence import Evidence
from trueneg.core.errors import ClaimNotRun, MissingExtraError

if TYPE_CHECKING:
    from trueneg.heads.naive_bayes import SampleComplexityCurve

__all__ = ["NaiveBayesFrozenFeatures", "NaiveBayesSampleComplexity", "NaiveBayesTwoRegimes", "rows_needed"]

_PAPER = "Zheng, Wu, Bao, Cao, Li, Zhu (2023), Revisiting Discriminative vs. Generative Classifiers, arXiv 2302.02334"


def _shuffled(seed: int) -> Any:
    """Naive Bayes that gives every feature the variance of another one."""
    from trueneg.heads.naive_bayes import GaussianNaiveBayes

    class Shuffled(GaussianNaiveBayes):
        """The sabotage: means right, variances of other features."""

        def _rule(self) -> None:
            self.var_ = np.random.default_rng(seed).permutation(self.var_)
            super()._rule()

    return Shuffled()


def _logistic() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=1000)


def rows_needed(sizes: list[int], errors: list[float], target: float) -> float:
    """Return the size at which the mean error first reaches ``target``, by a straight line in log size.

    Parameters
    ----------
    sizes : list of int
        Rising.
    errors : list of float
        Mean errors of the first ``len(errors)`` sizes.
    target : float
        Error to reach; ``inf`` is returned where it is not.
    """
    for j, error in enumerate(errors):
        if error <= target:
            if j == 0:
                return float(sizes[0])
            share = (errors[j - 1] - target) / (errors[j - 1] - error)
            low, high = np.log(sizes[j - 1]), np.log(sizes[j])
            return float(np.exp(low + share * (high - low)))
    return float("inf")


class NaiveBayesSampleComplexity:
    """Naive Bayes needs about as many rows in 800 dimensions as in 50; logistic regression needs them in proportion."""

    id = "naive-bayes-sample-complexity"
    system = "heads.naive_bayes"
    paper = _PAPER
    statement = (
        "two classes at -1 and +1 in n dimensions, noise of variance n in half of them and 1 in the others: from "
        "n = 50 to 800, the rows for 1 % error grow at most 2-fold for naive Bayes and 8-fold or more for logistic "
        "regression, whose log-log slope is 0.6 or more"
    )
    control = "variances shuffled between the features"
    DIMENSIONS = (50, 200, 800)
    SIZES = (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
    TARGET, FLAT, STEEP, SLOPE = 0.01, 2.0, 8.0, 0.6
    REPEATS = 4

    def run(self, seed: int) -> Evidence:
        """Find the rows each learner needs at each dimension."""
        from threadpoolctl import threadpool_limits

        from trueneg.heads.naive_bayes import GaussianNaiveBayes

        learners = {
            "NB": GaussianNaiveBayes(),
            "LR": _logistic(),
            "shuffled NB": _shuffled(seed),
        }
        with threadpool_limits(limits=1):
            need = {
                name: [self._needed(model, n, np.random.default_rng([seed, n])) for n in self.DIMENSIONS]
                for name, model in learners.items()
            }
        measured: dict[str, float | str] = {
            f"rows {name}, n={n}": round(m, 1) if np.isfinite(m) else f"more than {self.SIZES[-1]}"
            for name, found in need.items()
            for n, m in zip(self.DIMENSIONS, found, strict=True)
        }
        slope = float(np.polyfit(np.log(self.DIMENSIONS), np.log(need["LR"]), 1)[0]) if self._all(need["LR"]) else 0.0
        measured["slope LR"] = round(slope, 2)
        steep = need["LR"][-1] / need["LR"][0] >= self.STEEP and slope >= self.SLOPE
        return Evidence(steep and self._flat(need["NB"]), steep and self._flat(need["shuffled NB"]), measured)

    def _flat(self, need: list[float]) -> bool:
        return self._all(need) and max(need) / need[0] <= self.FLAT

    @staticmethod
    def _all(need: list[float]) -> bool:
        return bool(np.isfinite(need).all())

    def _needed(self, model: Any, n: int, rng: np.random.Generator) -> float:
        X, y = self._draw(rng, 1000, n)
        errors: list[float] = []
        for m in self.SIZES:
            fits = [model.fit(*self._draw(rng, m, n)).predict(X) for _ in range(self.REPEATS if m > 64 else 20)]
            errors.append(float(np.mean([(p != y).mean() for p in fits])))
            if errors[-1] <= self.TARGET:
                break
        return rows_needed(list(self.SIZES), errors, self.TARGET)

    @staticmethod
    def _draw(rng: np.random.Generator, m: int, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw m rows, both classes present."""
        y = np.concatenate([[0, 1], rng.integers(0, 2, m - 2)])
        scale = np.where(np.arange(n) < n // 2, np.sqrt(n), 1.0)
        return (2.0 * y - 1)[:, None] + scale * rng.normal(size=(m, n)), y


class NaiveBayesTwoRegimes:
    """On features of a supervised network, naive Bayes is ahead at few rows and logistic regression at many."""

    id = "naive-bayes-two-regimes"
    system = "heads.naive_bayes"
    paper = _PAPER
    statement = (
        "digits, hidden features of a network trained on 600 other digits, 30 splits: naive Bayes is better by 0.5 "
        "points or more at 30 rows, logistic regression by 1 point or more at 650, and the curves cross exactly once"
    )
    control = "variances shuffled between the features"
    SIZES = (30, 50, 80, 120, 200, 400, 650)
    FEW, MANY = 0.005, 0.01
    REPEATS = 30

    def run(self, seed: int) -> Evidence:
        """Measure both curves with naive Bayes and with the sabotaged one, on the same splits."""
        from trueneg.heads.naive_bayes import GaussianNaiveBayes, crossings, sample_complexity_curve

        X, y = self._features(seed)
        options: dict[str, Any] = {"test_size": 0.4, "random_state": seed}
        curve = sample_complexity_curve(None, _logistic(), X, y, self.SIZES, self.REPEATS, **options)
        # The same seed draws the same splits, so that logistic regression need not be fitted again.
        plain = GaussianNaiveBayes()
        other = sample_complexity_curve(_shuffled(seed), plain, X, y, self.SIZES, self.REPEATS, **options)
        errors = {"NB": curve.errors[0], "shuffled NB": other.errors[0], "LR": curve.errors[1]}
        verdicts: list[bool] = []
        measured: dict[str, float | str] = {}
        for name, error in errors.items():
            measured |= {
                f"error {name}, 30 rows": round(float(error[:, 0].mean()), 4),
                f"error {name}, 650 rows": round(float(error[:, -1].mean()), 4),
            }
            if name == "LR":
                continue
            difference = (error - errors["LR"]).mean(axis=0)
            n_crossings = len(crossings(self.SIZES, difference))
            few, many = difference[0] <= -self.FEW, difference[-1] >= self.MANY
            verdicts.append(bool(few and many and n_crossings == 1))
            measured[f"crossings {name}"] = n_crossings
        measured["crossing NB"] = "none" if curve.crossing is None else str(curve.crossing)
        return Evidence(verdicts[0], verdicts[1], measured)

    @staticmethod
    def _features(seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Hidden layer (256) of a network trained on 600 digits, of the other 1,197."""
        import warnings

        from sklearn.datasets import load_digits
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPClassifier
        from threadpoolctl import threadpool_limits

        X, y = load_digits(return_X_y=True)
        X = X / 16
        order = np.random.default_rng(seed).permutation(len(y))
        seen, left = order[:600], order[600:]
        net = MLPClassifier((256,), max_iter=200, random_state=seed)
        with threadpool_limits(limits=1), warnings.catch_warnings():
            # 200 epochs fit the 600 rows; that the loss still falls a little does not matter to the features.
            warnings.simplefilter("ignore", ConvergenceWarning)
            net.fit(X[seen], y[seen])
        return np.maximum(X[left] @ net.coefs_[0] + net.intercepts_[0], 0.0), y[left]


class NaiveBayesFrozenFeatures:
    """Linear evaluation of frozen image encoders on CIFAR-10, from one shot a class up; only the long form."""

    id = "naive-bayes-frozen-features"
    system = "heads.naive_bayes"
    paper = _PAPER
    statement = (
        "CIFAR-10, features of EfficientNet-Lite0 and of a contrastive encoder trained here: naive Bayes is at most 5 "
        "points behind at 10 shots a class, settles sooner (from 20 shots to 200 its error falls by 1 point less or "
        "more than that of logistic regression), and logistic regression is ahead at 200"
    )
    control = "naive Bayes learns from permuted labels"
    SHOTS = (1, 2, 5, 10, 20, 50, 100, 200)
    BEHIND, SOONER = 0.05, 0.01
    REPEATS, ROWS, TRAINED_ON = 10, 3600, 6144

    def run(self, seed: int, *, full: bool = False) -> Evidence:
        """Measure both heads on both encoders' features, of other images for every seed."""
        if not full:
            raise ClaimNotRun("it encodes thousands of images: run it with --full, some minutes a seed")
        try:
            items, labels = _photographs(self.TRAINED_ON, self.ROWS, seed)
            features = {
                "EfficientNet-Lite0": _pretrained().encode(items),
                "contrastive": _contrastive(self.TRAINED_ON).encode(items),
            }
        except MissingExtraError as error:
            raise ClaimNotRun(str(error)) from None
        verdicts, sabotaged = [], []
        measured: dict[str, float | str] = {}
        for name, X in features.items():
            curve, permuted = self._curves(X, labels, seed)
            verdicts.append(self._shown(*curve.errors.mean(axis=1)))
            sabotaged.append(self._shown(permuted.mean(axis=0), curve.errors[1].mean(axis=0)))
            pairs = zip(self.SHOTS, curve.generative, curve.discriminative, curve.difference, strict=True)
            measured |= {
                f"{name}, {shots} shots": f"NB {nb.value:.3f} LR {lr.value:.3f} difference {difference}"
                for shots, nb, lr, difference in pairs
            }
            measured[f"{name}, crossing"] = "none" if curve.crossing is None else str(curve.crossing)
            measured[f"{name}, sign changes"] = len(curve.crossings)
        return Evidence(all(verdicts), all(sabotaged), measured)

    def _shown(self, nb: np.ndarray, lr: np.ndarray) -> bool:
        """Whether mean errors at each of the shots are as the statement says."""
        at = {shots: j for j, shots in enumerate(self.SHOTS)}
        falls = [float(e[at[20]] - e[at[200]]) for e in (nb, lr)]
        near = nb[at[10]] - lr[at[10]] <= self.BEHIND
        return bool(near and falls[0] <= falls[1] - self.SOONER and nb[at[200]] > lr[at[200]])

    def _curves(self, X: np.ndarray, y: np.ndarray, seed: int) -> tuple[SampleComplexityCurve, np.ndarray]:
        """Return the curve of the two heads, and the errors of the sabotaged one on the same splits."""
        from trueneg.heads.naive_bayes import GaussianNaiveBayes, linear_evaluation

        class Permuted(GaussianNaiveBayes):
            """The sabotage: right features, labels of other rows."""

            def fit(self, X: Any, y: Any, sample_weight: Any = None) -> GaussianNaiveBayes:
                return super().fit(X, np.random.default_rng(seed).permutation(y), sample_weight)

        options: dict[str, Any] = {"shots": self.SHOTS, "n_repeats": self.REPEATS, "random_state": seed}
        curve = linear_evaluation(X, y, disc=_logistic(), **options)
        return curve, linear_evaluation(X, y, gen=Permuted(), disc=GaussianNaiveBayes(), **options).errors[0]


def _photographs(left_out: int, n: int, seed: int) -> tuple[list[bytes], np.ndarray]:
    """Draw training images of CIFAR-10 and their labels, none of the ``left_out`` that an encoder learns from."""
    table, order = _cifar10()
    rows = np.random.default_rng(seed).choice(order[left_out:], n, replace=False)
    part = table.take(rows)
    return part["image"].to_pylist(), np.array(part["label"].to_pylist())


@lru_cache(maxsize=1)
def _cifar10() -> tuple[Any, np.ndarray]:
    """Return CIFAR-10 and its training rows, in one random order for all seeds."""
    import pyarrow.parquet as pq

    from trueneg.data.registry import file

    table = pq.read_table(file("cifar10_jpeg.parquet"))
    train = np.flatnonzero(np.array(table["split"].to_pylist()) == "train")
    return table, np.random.default_rng(0).permutation(train)


@lru_cache(maxsize=1)
def _pretrained() -> Any:
    from trueneg.encoders import EfficientNetLite0

    return EfficientNetLite0(side=160)


@lru_cache(maxsize=1)
def _contrastive(n: int) -> Any:
    """Train the encoder once for all seeds, on images alone."""
    from trueneg.encoders import train_contrastive

    table, order = _cifar10()
    return train_contrastive(table.take(order[:n])["image"].to_pylist(), epochs=6, random_state=0)
