"""The claims on pooling bias: selection is recovered where the model is true, and what the correction is worth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trueneg.claims._pooling import SAMPLERS, Arm, Design, How, design
from trueneg.claims.evidence import Evidence
from trueneg.clean import PoolingBiasCorrector
from trueneg.core.errors import InputError
from trueneg.core.intervals import Estimate, bootstrap

_PAPER = "Hard Negatives or False Negatives: Correcting Pooling Bias in Training Neural Ranking Models"
Floats = NDArray[np.float64]
_HOW: tuple[How, ...] = ("pool", "random")
World = tuple[Floats, Floats, NDArray[np.int64], Floats, NDArray[np.bool_]]


# ----------------------------------------------------------------------------------------------------- recovery
def _world(
    n: int, correlation: float, seed: int
) -> tuple[Floats, Floats, NDArray[np.int64], Floats, NDArray[np.bool_]]:
    """Draw pairs that follow the model, and return features, labels, the true P(selected) and what is relevant."""
    rng = np.random.default_rng([seed, round(100 * correlation)])
    x, z = rng.normal(size=(n, 4)), rng.normal(size=(n, 4))
    z = correlation * x + np.sqrt(1 - correlation**2) * z
    a, b = (1.5 * v / np.linalg.norm(v) for v in rng.normal(size=(2, 4)))
    relevant = rng.random(n) < 1 / (1 + np.exp(-(x @ a - 1.5)))
    chance = 1 / (1 + np.exp(-(z @ b + 0.5)))
    selected = rng.random(n) < chance
    return x, z, np.where(relevant & selected, 1, -1), chance, relevant


def _fitted(x: Floats, z: Floats, y: NDArray[np.int64], **how: str) -> PoolingBiasCorrector:
    rows = np.arange(len(y))
    model = PoolingBiasCorrector(loss="em", unpooled="allow", **how)  # type: ignore[arg-type]
    return model.fit(rows // 25, rows, x, z, y)


class PoolingRecovery:
    """Where labels follow the model, the pool is read off them; exchanged or shared features are not."""

    id = "pooling-recovery"
    system = "clean.pooling_bias"
    paper = _PAPER
    statement = (
        "5,000 generated pairs, P(labelled) = P(relevant) P(selected), the two sets of features correlated by 0 and by "
        ".5: the estimated P(selected) has a correlation of .95 or more with the true one. With all features in both "
        "models the corrector refuses: starts then end at likelihoods within 3 of one another."
    )
    control = "relevance and selection features exchanged"
    LEAST = 0.95

    def run(self, seed: int) -> Evidence:
        """Fit the likelihood with the features as they are, exchanged, and shared."""
        measured: dict[str, float | str] = {}
        holds, control = True, True
        for correlation in (0.0, 0.5):
            x, z, y, chance, relevant = _world(5000, correlation, seed)
            model = _fitted(x, z, y)
            found = float(np.corrcoef(model.propensity_, chance)[0, 1])
            other = float(np.corrcoef(_fitted(z, x, y).propensity_, chance)[0, 1])
            both = np.concatenate([x, z], axis=1)
            try:
                _fitted(both, both, y)
                refused = False
            except InputError:
                refused = True
            starts = _fitted(both, both, y, shared="allow").report_["starts"]
            top = max(one.log_likelihood for one in starts)
            rates = [one.false_negative_rate for one in starts if one.log_likelihood > top - 3]
            holds &= found >= self.LEAST and refused
            control &= other >= self.LEAST
            at = f"correlation {correlation:g}"
            measured |= {
                f"{at}, as they are": round(found, 4),
                f"{at}, exchanged": round(other, 3),
                f"{at}, false negatives, estimate over truth": round(
                    float(model.false_negative_proba_[y < 0].mean() / relevant[y < 0].mean()), 2
                ),
                f"{at}, shared: highest over lowest rate at equal likelihood": round(max(rates) / min(rates), 2),
            }
        return Evidence(holds, control, measured)


# ------------------------------------------------------------------------------------------------ pooling is not fn
def _drawn(one: Design, how: How, arms: list[Arm], seed: int, *, draws: int = 4) -> dict[Arm, Floats]:
    """Return nDCG@10 of each query by arm, a mean over draws of labels and folds."""
    total = {arm: np.zeros(one.n) for arm in arms}
    for draw in range(draws):
        labels = one.labels(0.15, how, np.random.default_rng([seed, draw, 17]))
        for arm, value in one.run(labels, arms, 100 * seed + draw).items():
            total[arm] += value / draws
    return total


def _means(found: dict[Arm, Floats]) -> dict[Arm, float]:
    return {arm: float(value.mean()) for arm, value in found.items()}


def _gate(one: Design, full: float, naive: float) -> bool:
    """Say whether a run may be read at all: full labels must beat the untrained order and the hidden labels."""
    return full > float(one.ndcg(one.score["minilm"]).mean()) and full > naive


class PoolingIsNotFn:
    """What a pool does to a ranker is not done by false negatives: which positives are labelled does it."""

    id = "pooling-is-not-fn"
    system = "clean.pooling_bias"
    paper = _PAPER
    statement = (
        "Vaswani, 15 % of the relevant documents labelled, a linear ranker on lists of MiniLM and of LSA-64: as many "
        "labels drawn at random in place of a pool raise nDCG@10 of the stronger sampler against the weaker one by .02 "
        "or more; with every false negative removed the two samplers differ under the pool as before, within a quarter "
        "of that. Read only if full labels beat the untrained order and the hidden labels."
    )
    control = "positives from anywhere beside negatives of the sampler's first 100: stopped by that gate"
    LEAST, SHARE = 0.02, 0.25

    def run(self, seed: int, *, full: bool = False) -> Evidence:
        """Train with labels of a pool and at random, with and without the false negatives; four draws a seed."""
        one = design("vaswani", full=full)
        both: list[Arm] = [("minilm", "softmax", ""), ("lsa64", "softmax", "")]
        without: list[Arm] = [(arm[0], "softmax", "oracle") for arm in both]
        best: Arm = ("minilm", "softmax", "full")
        far: list[Arm] = [("minilm", "softmax", "anywhere"), ("minilm", "softmax", "anywhere, full")]
        pool = _means(_drawn(one, "pool", [*both, *without, best, *far], seed))
        chance = _means(_drawn(one, "random", both, seed))
        gap, gap_without = pool[both[0]] - pool[both[1]], pool[without[0]] - pool[without[1]]
        turn = chance[both[0]] - chance[both[1]] - gap
        explained = (gap_without - gap) / turn
        gate = _gate(one, pool[best], pool[both[0]])
        holds = gate and turn >= self.LEAST and abs(explained) <= self.SHARE
        control = _gate(one, pool[far[1]], pool[far[0]])
        measured = {
            "untrained": float(one.ndcg(one.score["minilm"]).mean()),
            "full labels": pool[best],
            "hidden labels": pool[both[0]],
            "pool, stronger - weaker": gap,
            "pool, stronger - weaker, no false negatives": gap_without,
            "random labels, stronger - weaker": chance[both[0]] - chance[both[1]],
            "turn": turn,
            "part of the turn that false negatives explain": explained,
            "false negatives removed, stronger": pool[without[0]] - pool[both[0]],
            "control, full labels": pool[far[1]],
            "control, hidden labels": pool[far[0]],
        }
        return Evidence(holds, control, {name: round(value, 4) for name, value in measured.items()})


# ------------------------------------------------------------------------------------------------------------ scope
class CetScope:
    """What the correction is worth: a gain in one corner, harm beside it."""

    id = "cet-scope"
    system = "clean.pooling_bias"
    paper = _PAPER
    statement = (
        "Vaswani, 15 % of the relevant documents labelled by a soft pool of BM25, lists of MiniLM, BM25's rank and "
        "score as selection features: the coupled listwise loss gains .004 nDCG@10 or more over the same loss without "
        "weights, a mean of four draws. Told as a limit: with as many labels drawn at random it loses."
    )
    control = "the selection features permuted within each query"
    LEAST = 0.004

    def run(self, seed: int, *, full: bool = False) -> Evidence:
        """Train the coupled and the plain form under both kinds of labels; the long form prints the whole table."""
        one = design("vaswani", full=full)
        cet, plain, mixed = (
            ("minilm", form, change) for form, change in (("cet", ""), ("sum", ""), ("cet", "permuted"))
        )
        pool = _drawn(one, "pool", [cet, plain, mixed], seed)
        chance = _drawn(one, "random", [cet, plain], seed)
        gain, control = (_difference(pool, arm, plain, seed) for arm in (cet, mixed))
        harm = _difference(chance, cet, plain, seed)
        measured: dict[str, float | str] = {
            "pool, coupled - plain": _told(gain),
            "pool, permuted - plain": _told(control),
            "random labels, coupled - plain": _told(harm),
        }
        if full:
            for name in ("vaswani", "cranfield"):
                for how in _HOW:
                    measured |= _table(name, how, seed)
        return Evidence(gain.value >= self.LEAST and harm.value < 0, control.value >= self.LEAST, measured)


def _difference(found: dict[Arm, Floats], arm: Arm, plain: Arm, seed: int) -> Estimate:
    return bootstrap(np.mean, found[arm] - found[plain], random_state=seed)


def _told(one: Estimate) -> str:
    return f"{one.value:+.3f} [{one.low:+.3f}, {one.high:+.3f}]"


def _table(name: str, how: How, seed: int) -> dict[str, float | str]:
    """Train one ranker on the lists of every sampler, plain and coupled, beside random and positive-aware lists."""
    one = design(name, full=True)
    arms: list[Arm] = [(s, form, "") for s in SAMPLERS for form in ("softmax", "sum", "cet", "pairs", "cet pairs")]
    arms += [(s, "softmax", change) for s in SAMPLERS for change in ("percent", "oracle", "full")]
    arms += [("random", "softmax", "")]
    found = _means(_drawn(one, how, arms, seed, draws=2))
    out: dict[str, float | str] = {f"{name} {how}, untrained": round(float(one.ndcg(one.score["minilm"]).mean()), 3)}
    out |= {f"{name} {how}, {' '.join(filter(None, arm))}": round(value, 3) for arm, value in found.items()}
    return out
