"""Options that several commands share, checked before anything is loaded."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter, validators

Seed = Annotated[int, Parameter(validator=validators.Number(gte=0, lt=2**32))]
"""What NumPy and scikit-learn both take as a seed."""
