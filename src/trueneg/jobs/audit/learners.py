"""The two models of the audit, and the threads they may take."""

from __future__ import annotations

from typing import Any

import numpy as np

ONE_THREAD_BELOW = 100_000
FEW = 40  # two leaves of the trees


def linear_model(inputs: Any, *, max_iter: int = 300, strength: float = 10.0) -> Any:
    """Return a logistic regression with the solver that suits its inputs.

    Parameters
    ----------
    inputs : ndarray or sparse matrix of shape (n, d)
        What it will learn from; only its kind is looked at.
    max_iter : int, default 300
        Steps at most.
    strength : float, default 10.0
        scikit-learn's ``C``.

    Returns
    -------
    LogisticRegression
        Not fitted. Over words (sparse) by Newton steps: the coefficients of 50,000 words and eight classes are longer
        than the rows, so that L-BFGS spends its time on its own memory, 13 times as long to a point farther from the
        optimum. Else by L-BFGS.
    """
    from scipy import sparse
    from sklearn.linear_model import LogisticRegression

    if not sparse.issparse(inputs):
        return LogisticRegression(max_iter=max_iter, C=strength)
    from trueneg.jobs.audit.newton import NewtonRegression

    # One Newton step more than by default: it ends below the error at which L-BFGS stops.
    return NewtonRegression(max_iter=max_iter, C=strength, solver="newton-cg", tol=1e-5)


def boosting_model(y: np.ndarray, seed: int) -> Any:
    """Return a histogram gradient boosting for labels y (n,) of two classes or more.

    Its steps are the gradient over the curvature of a leaf. A class of a few rows has hardly any curvature, its steps
    grow with every tree, and all other classes go with it: of 6,000 NSL-KDD flows of 16 classes, five of them with 1 to
    3 rows, .47 are right, with ``l2_regularization=1`` .99. Where every class has rows for a leaf it bears on little.

    Returns
    -------
    HistGradientBoostingClassifier
        Not fitted.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    counts = np.unique(y, return_counts=True)[1]
    steady = 1.0 if len(counts) > 2 and counts.min() < FEW else 0.0
    return HistGradientBoostingClassifier(
        max_iter=100, early_stopping=False, l2_regularization=steady, random_state=seed
    )


def fit_threads(rows: int) -> Any:
    """Return a context that gives the fit of a model on ``rows`` rows the threads that help it.

    One BLAS thread: the linear solver's many short steps wait longer than they gain. Below 100,000 rows one thread
    of boosting as well: its threads meet at every split, and where another process holds a core all wait for it (15,000
    x 100 rows of eight classes: 3.5 s by one thread, 40 s by two on a busy machine). The model is the same.
    """
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits={"blas": 1} | ({"openmp": 1} if rows < ONE_THREAD_BELOW else {}))
