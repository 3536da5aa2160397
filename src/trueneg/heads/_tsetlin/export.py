"""A machine's rules as text, JSON, and as C code that decides without any library."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from trueneg.heads._tsetlin.machine import Machine
from trueneg.heads._tsetlin.rules import Rule

__all__ = ["as_c", "as_json", "as_text"]


def as_text(rules: list[Rule], *, limit: int | None = None) -> str:
    """Return one line a rule, under its class."""
    lines: list[str] = []
    label: Any = object()
    for rule in rules:
        if rule.label is not label:
            label = rule.label
            lines.append(f"{label}")
        figures = "" if rule.precision is None else f"  [precision {rule.precision}, coverage {rule.coverage}]"
        lines.append(f"  {rule.weight:+d}  {rule.text(limit)}{figures}")
    return "\n".join(lines) + "\n"


def as_json(rules: list[Rule]) -> str:
    """Return an array of objects, one a rule."""
    return json.dumps([rule.to_dict() for rule in rules], ensure_ascii=False, indent=1, default=str)


def as_c(machine: Machine, classes: list[Any], names: list[str], *, function: str = "predict") -> str:
    """Return C99 code: ``int predict(const unsigned char *x, long long *votes)``.

    ``x`` holds one byte, 0 or 1, a binary feature in the order of ``names``; ``votes``, which may be NULL, gets one
    number a class; the result is the place of the class with the most votes, the first of several.
    """
    included = machine.included().reshape(-1, machine.shape.literals)
    alive = np.flatnonzero(included.any(axis=1))
    signed, F = machine.signed(), machine.shape.features
    literals = [np.flatnonzero(included[c]) for c in alive]
    # A literal is its feature, or minus one less its feature where that must be absent.
    codes = [np.where(own < F, own, -(own - F) - 1) for own in literals]
    starts = np.concatenate([[0], np.cumsum([len(own) for own in codes])]).astype(int)
    owner = None if machine.pool else alive // signed.shape[1]
    weights = signed[:, alive].T if machine.pool else signed.reshape(-1)[alive]
    vote = "for (c = 0; c < CLASSES; c++) v[c] += weight[j * CLASSES + c];"
    if not machine.pool:
        vote = "v[owner[j]] += weight[j];"
    comments = [f"   class {i}: {_comment(label)}" for i, label in enumerate(classes)]
    return "\n".join(
        [
            "/* Rules of a Tsetlin machine.",
            *comments,
            f"   {len(names)} binary features; a literal i >= 0 asks for x[i], a literal i < 0 for !x[-i - 1]. */",
            "#include <stddef.h>",
            f"#define CLASSES {len(classes)}",
            f"#define CLAUSES {len(alive)}",
            _array("int", "literal", np.concatenate(codes) if codes else np.zeros(0, int)),
            _array("int", "start", starts),
            _array("int", "weight", weights.ravel()),
            "" if owner is None else _array("int", "owner", owner),
            f"int {function}(const unsigned char *x, long long *votes) {{",
            "  long long v[CLASSES] = {0};",
            "  int j, k, c, best = 0;",
            "  for (j = 0; j < CLAUSES; j++) {",
            "    for (k = start[j]; k < start[j + 1]; k++)",
            "      if (literal[k] >= 0 ? !x[literal[k]] : x[-literal[k] - 1]) break;",
            f"    if (k == start[j + 1]) {{ {vote} }}",
            "  }",
            "  for (c = 0; c < CLASSES; c++) {",
            "    if (votes != NULL) votes[c] = v[c];",
            "    if (v[c] > v[best]) best = c;",
            "  }",
            "  return best;",
            "}",
            "",
        ]
    )


def _array(kind: str, name: str, values: Any) -> str:
    numbers = [str(int(v)) for v in values] or ["0"]  # C has no empty array
    lines = [", ".join(numbers[i : i + 20]) for i in range(0, len(numbers), 20)]
    return f"static const {kind} {name}[] = {{\n  " + ",\n  ".join(lines) + "};"


def _comment(label: Any) -> str:
    text = "".join(c if c.isprintable() else "?" for c in str(label))
    return text.replace("*/", "* /").replace("??/", "?? /").replace("\\", "/")
