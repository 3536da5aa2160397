"""Small tables whose labels, groups and errors are known."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest


def table(
    n: int = 400, *, seed: int = 0, rate: float = 0.25, missed: float = 0.0, shift: float = 1.5, **more
) -> pa.Table:
    """Two classes shifted in two of four columns; ``missed`` of the positives are labelled negative."""
    rng = np.random.default_rng(seed)
    y = rng.random(n) < rate
    x = rng.normal(size=(n, 4))
    x[:, :2] += shift * y[:, None]
    given = y & (rng.random(n) >= missed)
    columns = {f"x{j}": x[:, j] for j in range(4)}
    return pa.table({**columns, **more, "label": np.where(given, "yes", "no").tolist()})


@pytest.fixture(scope="session")
def make():
    """Return the maker of tables."""
    return table
