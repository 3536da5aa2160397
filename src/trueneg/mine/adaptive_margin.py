"""LG-ANNA: margins that adapt to the query, soft labels from fused teachers, queries with worked examples.

The parts in the order of use. :class:`BelowPositive` cuts off candidates above a bound that depends on the query's own
positive. :class:`TeacherFusion` scores what is left, and the positives, by several teachers at once;
:func:`training_lists` puts both into lists, and :class:`trueneg.losses.SoftLabelKLLoss` teaches them. The student is a
decoder whose last token stands for the text (:class:`trueneg.encoders.TorchEncoder` with ``Recipe(pooling="last")``, or
:class:`trueneg.encoders.GgufEncoder`), asked by an :class:`InstructionPrompt`.

What was measured (``trueneg claims run adaptive-margin-yield teacher-fusion soft-labels worked-examples``): the margins
do *not* lower the share of false negatives at equal yield, and two teachers of like strength rank better than either.

References
----------
"LG-ANNA-Embedding technical report" (2025). Which margin it uses is not told; 95 % of the positive is our reading.
"""

from __future__ import annotations

from trueneg.mine._adaptive_margin.lists import TrainingLists, training_lists
from trueneg.mine._adaptive_margin.prompts import InstructionPrompt, Prompts, WorkedExamples
from trueneg.mine._adaptive_margin.teachers import FusedLists, TeacherFusion, normalized
from trueneg.mine._mining.filters import BelowPositive

__all__ = [
    "BelowPositive",
    "FusedLists",
    "InstructionPrompt",
    "Prompts",
    "TeacherFusion",
    "TrainingLists",
    "WorkedExamples",
    "normalized",
    "training_lists",
]
