"""Options that several commands share, checked before anything is loaded."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Group, Parameter, validators

COLUMNS = Group("Columns", sort_key=1)
Column = Annotated[str | None, Parameter(group=COLUMNS)]
"""The name of a column, or of several, or a value in one."""

Seed = Annotated[int, Parameter(validator=validators.Number(gte=0, lt=2**32))]
"""What NumPy and scikit-learn both take as a seed."""
