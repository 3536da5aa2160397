"""Time and memory of the marginal likelihood of pooling bias: 1M pairs, 10 + 5 float32 features, one thread.

Against an EM loop of scikit-learn's logistic regressions on soft labels (each pair once as 1 and once as 0, weighed;
until no probability moves by more than .0001 on average, as ours does with classifiers of yours), and against the same
likelihood given to scipy's L-BFGS with its exact gradient. All start from the same point. Run:
``python benchmarks/pooling_bias.py``. Before anything is timed the three must agree on P(selected).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from scipy.special import expit

sys.path.insert(0, str(Path(__file__).parent))
import confident_learning as common

N, P, Q, ROUNDS = 1_000_000, 10, 5, 30
BAR = "CPU >= 2x less than L-BFGS, extra memory < 100 MiB"
CASES = {"pairs": (N, P), "fast": (N // 20, P)}


def draw(n, p):
    """Draw pairs that follow the model; one in twelve is labelled."""
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(n, p)).astype(np.float32), rng.normal(size=(n, Q)).astype(np.float32)
    a, b = rng.normal(size=p) / np.sqrt(p) * 1.5, rng.normal(size=Q) / np.sqrt(Q) * 1.5
    y = (rng.random(n) < expit(x @ a - 1.5)) & (rng.random(n) < expit(z @ b - 0.5))
    return np.where(y, 1, -1).astype(np.int8), x, z


def _lbfgs(y, x, z):
    from scipy.optimize import minimize

    labelled, p = y == 1, x.shape[1]

    def objective(theta):
        r, s = expit(x @ theta[:p] + theta[p]), expit(z @ theta[p + 1 : -1] + theta[-1])
        chance = r * s
        value = np.where(labelled, np.log(chance), np.log1p(-chance))
        slope = np.where(labelled, 1.0, -chance / (1 - chance))
        f, g = slope * (1 - r), slope * (1 - s)
        gradient = np.concatenate([f @ x, [f.sum()], g @ z, [g.sum()]])
        return -value.mean(), -gradient / len(y)

    start = np.zeros(p + Q + 2)
    share = np.sqrt(labelled.mean())
    start[p] = start[-1] = np.log(share / (1 - share))
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options={"ftol": 1e-12, "gtol": 1e-6}).x
    return expit(z @ found[p + 1 : -1] + found[-1])


def _loop(y, x, z):
    from sklearn.linear_model import LogisticRegression

    r = s = np.full(len(y), np.sqrt((y == 1).mean()))
    both, labelled = np.repeat([1, 0], len(y)), y == 1
    chance = np.zeros(len(y))
    models = [LogisticRegression(C=1e4, max_iter=200, warm_start=True) for _ in range(2)]
    for _ in range(ROUNDS):
        rest = 1 - r * s
        soft = [np.where(labelled, 1.0, r * (1 - s) / rest), np.where(labelled, 1.0, (1 - r) * s / rest)]
        for model, a, target in zip(models, (x, z), soft, strict=True):
            model.fit(np.concatenate([a, a]), both, sample_weight=np.concatenate([target, 1 - target]))
        r, s = models[0].predict_proba(x)[:, 1], models[1].predict_proba(z)[:, 1]
        new = r * (1 - s) / (1 - r * s)
        moved, chance = np.abs(new - chance).mean(), new
        if moved < 1e-4:
            break
    return s


def _selected(side, y, x, z):
    if side != "ours":
        return (_lbfgs if side == "lbfgs" else _loop)(y, x, z)
    from trueneg.clean._pooling_bias.marginal import fit_marginal

    found = fit_marginal(x, z, y, l2=1e-6, n_starts=1)
    return expit(z @ found.selection[:-1] + found.selection[-1])


def call(side, y, x, z):
    """Run one side once, and return how many pairs it finds rather selected than not."""
    return _selected(side, y, x, z) > 0.5


def run(fast: bool = False):
    """Return one dict a peer."""
    y, x, z = draw(40_000, P)
    answers = [_selected(side, y, x, z) for side in ("ours", "lbfgs", "loop")]
    for other, least in zip(answers[1:], (0.9999, 0.99), strict=True):
        if np.corrcoef(answers[0], other)[0, 1] < least:
            raise RuntimeError("the sides disagree on P(selected): nothing to time")
    case = "fast" if fast else "pairs"
    ours, lbfgs, loop = (common.fresh(__file__, side, case) for side in ("ours", "lbfgs", "loop"))
    name = f"pooling bias: likelihood of {CASES[case][0]:,} pairs x ({P} + {Q})"
    return [
        common.row(name, "scipy", ours, lbfgs, BAR),
        common.row(name, "scikit-learn", ours, loop, "none: stops earlier than the others"),
    ]


if __name__ == "__main__":
    if len(sys.argv) == 3:
        common.CASES = CASES
        print(json.dumps(common.measure(*sys.argv[1:], call=call, draw=draw)))
    else:
        print(json.dumps(run(), indent=1))
