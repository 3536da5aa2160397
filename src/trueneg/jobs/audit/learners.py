"""The linear model of the audit, and the threads it may take."""

from __future__ import annotations

from typing import Any

ONE_THREAD_BELOW = 100_000


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


def fit_threads(rows: int) -> Any:
    """Return a context that gives the fit of a model on ``rows`` rows the threads that help it.

    One BLAS thread: the linear solver's many short steps wait longer than they gain. Below 100,000 rows one thread
    of boosting as well: its threads meet at every split, and where another process holds a core all wait for it (15,000
    x 100 rows of eight classes: 3.5 s by one thread, 40 s by two on a busy machine). The model is the same.
    """
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits={"blas": 1} | ({"openmp": 1} if rows < ONE_THREAD_BELOW else {}))
