"""The Tsetlin machine: a classifier of rules that can be read, with negated words as evidence of their own.

Berge, Granmo, Tveit, Goodwin, Jiao and Matheussen (2019), "Using the Tsetlin Machine to Learn Human-Interpretable
Rules for High-Accuracy Text Categorization with Medical Applications", arXiv 1809.04547. A class has clauses for and
against it; a clause is a conjunction of features that are present or absent. One small automaton a literal decides
whether the clause includes it. Type I feedback makes clauses hold for rows of their class, Type II makes them tell
others apart.

- :class:`TsetlinMachineClassifier`: the machine as a scikit-learn classifier; ``rules_``, ``explain``, ``export``.
- :class:`TsetlinMachineSearch`: clauses, T and s by a validation share, with a grid that works on text.
- :class:`Binarizer`: tables of numbers and categories as binary features.
- :class:`Rule`, :class:`Explanation`, :class:`Readability`: what is read.
"""

from __future__ import annotations

from trueneg.heads._tsetlin.binarize import Binarizer
from trueneg.heads._tsetlin.estimator import TsetlinMachineClassifier
from trueneg.heads._tsetlin.rules import Explanation, Readability, Rule
from trueneg.heads._tsetlin.search import TsetlinMachineSearch

__all__ = [
    "Binarizer",
    "Explanation",
    "Readability",
    "Rule",
    "TsetlinMachineClassifier",
    "TsetlinMachineSearch",
]
