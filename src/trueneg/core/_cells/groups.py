"""Cells that belong to a problem, a bag or an image: attempts, instances, boxes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from trueneg.core._cells.columns import UNJUDGED, codes_of, floats_of, occurrence, restore, same_length, verdicts_of
from trueneg.core._cells.stored import StoredCells
from trueneg.core.errors import InputError


class GroupCells(StoredCells):
    """Cells that can be read from attempts, bags and boxes and written as such."""

    @classmethod
    def from_attempts(
        cls,
        problem: Any,
        correct: Any,
        *,
        attempt: Any = None,
        score: Any = None,
        unlabeled: Any = None,
        problems: Any = None,
        side: Mapping[str, Any] | None = None,
    ) -> Self:
        """Read verified attempts at problems, one a cell; an absent attempt is unjudged.

        ``correct`` (n,) is a yes or no, null where no verifier spoke; ``attempt`` (n,) are ids, by default the
        number within the problem in order of appearance.
        """
        row, row_ids = codes_of(problem, "problem", universe=problems)
        verdict, how = verdicts_of(correct, "correct", unlabeled)
        candidate, candidate_ids = codes_of(occurrence(row) if attempt is None else attempt, "attempt")
        same_length(len(row), correct=verdict, attempt=candidate, score=score)
        more: dict[str, Any] = {
            "absent": UNJUDGED,
            "kind": "attempts",
            "row_ids": row_ids,
            "candidate_ids": candidate_ids,
        }
        tables = {**(side or {}), "encoding": {"verdict": how}}
        return cls(row, candidate, verdict, score, side=tables, **more)

    def to_attempts(self) -> dict[str, NDArray[Any]]:
        """Return the columns ``problem``, ``attempt``, ``correct`` (and ``score``) in the given order."""
        self._need("attempts", "to_attempts")
        out = {"problem": self.row_ids[self.row], "attempt": self.candidate_ids[self.candidate]}
        out["correct"] = self._verdict_values()
        return out if self.score is None else {**out, "score": self.score}

    @classmethod
    def from_bags(
        cls, bag: Any, label: Any, *, instance: Any = None, instance_label: Any = None, unlabeled: Any = None
    ) -> Self:
        """Read bags of instances, one instance a cell, unjudged unless ``instance_label`` says more.

        Parameters
        ----------
        bag : (n,) ids
            The bag of each instance.
        label : (n,) 0 or 1, null unlabelled
            The label of its bag, the same for every instance of a bag; kept as ``side["row_verdict"]`` (n_bags,).
        instance : (n,) ids, default None
            Default: the number within the bag in order of appearance.
        """
        row, row_ids = codes_of(bag, "bag")
        told, how = verdicts_of(label, "label", unlabeled)
        candidate, candidate_ids = codes_of(occurrence(row) if instance is None else instance, "instance")
        same_length(len(row), label=told, instance=candidate)
        of_bag = np.full(len(row_ids), UNJUDGED, dtype=np.int8)
        of_bag[row] = told
        if (of_bag[row] != told).any():
            first = row_ids[row[int((of_bag[row] != told).argmax())]]
            msg = f"bag {first!s} has more than one label: give every instance the label of its bag"
            raise InputError(msg)
        verdict, how_instance = np.full(len(row), UNJUDGED, dtype=np.int8), None
        if instance_label is not None:
            verdict, how_instance = verdicts_of(instance_label, "instance_label", unlabeled)
            same_length(len(row), instance_label=verdict)
        side = {"row_verdict": of_bag, "encoding": {"bag": how, "verdict": how_instance}}
        more: dict[str, Any] = {"absent": UNJUDGED, "kind": "bags", "row_ids": row_ids, "candidate_ids": candidate_ids}
        return cls(row, candidate, verdict, side=side, **more)

    def to_bags(self) -> dict[str, NDArray[Any]]:
        """Return the columns ``bag``, ``instance``, ``label`` (and ``instance_label`` if given or changed)."""
        self._need("bags", "to_bags")
        how = self._encoding("bag", {"values": np.array([0, 1]), "unlabeled": None})
        out = {"bag": self.row_ids[self.row], "instance": self.candidate_ids[self.candidate]}
        out["label"] = restore(self.side["row_verdict"][self.row], how["values"], how["unlabeled"])
        written = self._encoding("verdict")
        if written is None and (self.verdict == UNJUDGED).all():
            return out
        written = written or {"values": np.array([0, 1]), "unlabeled": None}
        return {**out, "instance_label": restore(self.verdict, written["values"], written["unlabeled"])}

    @classmethod
    def from_boxes(
        cls,
        image: Any,
        box: Any,
        category: Any,
        *,
        annotation: Any = None,
        score: Any = None,
        images: Any = None,
        categories: Any = None,
        unlabeled: Any = None,
    ) -> Self:
        """Read boxes in images, one a cell; whatever has no box is negative.

        Parameters
        ----------
        image : (n,) ids
        box : (n, 4) float
            Corners x1, y1, x2, y2, finite and in order; kept as ``side["box"]``.
        category : (n,)
            Null is a box that nobody named: unjudged. Kept as codes in ``side["category"]``.
        annotation : (n,) ids, default None
            Default: the number within the image in order of appearance.
        images : sequence, default None
            All images, also those without a box (all negative).
        """
        row, row_ids = codes_of(image, "image", universe=images)
        codes, names = codes_of(category, "category", universe=categories, unlabeled=unlabeled, nullable=True)
        candidate, candidate_ids = codes_of(occurrence(row) if annotation is None else annotation, "annotation")
        boxes = floats_of(box, "box", finite=True)
        boxes = boxes.reshape(0, 4) if boxes.size == 0 else boxes
        same_length(len(row), box=boxes, category=codes, annotation=candidate, score=score)
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            msg = f"box must have shape (n, 4), not {boxes.shape}: give x1, y1, x2, y2"
            raise InputError(msg)
        wrong = (boxes[:, 2:] < boxes[:, :2]).any(axis=1)
        if wrong.any():
            first = int(wrong.argmax())
            msg = f"{int(wrong.sum())} boxes end before they start (first at {first}): give corners x1, y1, x2, y2"
            raise InputError(msg)
        side = {"box": boxes, "category": codes, "encoding": {"categories": names, "unlabeled": unlabeled}}
        more: dict[str, Any] = {"absent": 0, "kind": "boxes", "row_ids": row_ids, "candidate_ids": candidate_ids}
        return cls(row, candidate, np.where(codes < 0, UNJUDGED, 1), score, side=side, **more)

    def to_boxes(self) -> dict[str, NDArray[Any]]:
        """Return ``image``, ``annotation``, ``box``, ``category`` (and ``score``) of the boxes not judged negative."""
        self._need("boxes", "to_boxes")
        keep = self.verdict != 0
        category = np.where(self.verdict == UNJUDGED, -1, self.side["category"])
        out = {"image": self.row_ids[self.row[keep]], "annotation": self.candidate_ids[self.candidate[keep]]}
        out["box"] = self.side["box"][keep]
        out["category"] = restore(category[keep], self._encoding("categories"), self._encoding("unlabeled"))
        return out if self.score is None else {**out, "score": self.score[keep]}
