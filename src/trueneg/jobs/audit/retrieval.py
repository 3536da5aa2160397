"""The audit of a retrieval collection: what its judgments leave out, and what of it can be trusted."""

from __future__ import annotations

from trueneg.jobs.audit._retrieval.audit import digest
from trueneg.jobs.audit._retrieval.context import CLASSES, TOP, Doubt, RetrievalContext, doubt_of, shortened
from trueneg.jobs.audit._retrieval.lists import Lists
from trueneg.jobs.audit._retrieval.pairs import KIND, REMOVE, Proposal, kept_pairs, pairs_roles, pairs_table

__all__ = [
    "CLASSES",
    "KIND",
    "REMOVE",
    "TOP",
    "Doubt",
    "Lists",
    "Proposal",
    "RetrievalContext",
    "digest",
    "doubt_of",
    "kept_pairs",
    "pairs_roles",
    "pairs_table",
    "shortened",
]
