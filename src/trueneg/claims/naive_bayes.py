"""Naive Bayes and logistic regression: rows needed as the dimension grows, and two regimes on real features."""

from __future__ import annotations

from typing import Any

import numpy as np

from trueneg.claims.evidence import Evidence

__all__ = ["NaiveBayesSampleComplexity", "NaiveBayesTwoRegimes", "rows_needed"]

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
        from trueneg.heads.naive_bayes import sample_complexity_curve

        X, y = self._features(seed)
        verdicts: list[bool] = []
        measured: dict[str, float | str] = {}
        for name, gen in (("NB", None), ("shuffled NB", _shuffled(seed))):
            curve = sample_complexity_curve(
                gen, _logistic(), X, y, self.SIZES, self.REPEATS, test_size=0.4, random_state=seed
            )
            few, many = curve.difference[0].value, curve.difference[-1].value
            verdicts.append(few <= -self.FEW and many >= self.MANY and len(curve.crossings) == 1)
            measured |= {
                f"error {name}, 30 rows": round(curve.generative[0].value, 4),
                f"error {name}, 650 rows": round(curve.generative[-1].value, 4),
                f"crossings {name}": len(curve.crossings),
                f"crossing {name}": "none" if curve.crossing is None else str(curve.crossing),
            }
        measured["error LR, 30 rows"] = round(curve.discriminative[0].value, 4)
        measured["error LR, 650 rows"] = round(curve.discriminative[-1].value, 4)
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
