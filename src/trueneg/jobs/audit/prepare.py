"""What every check of a table looks at: rows represented, probabilities learnt out of fold, answers read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.data.readers import one_line
from trueneg.data.sniff import trusted_mask
from trueneg.jobs.audit.context import Context
from trueneg.jobs.audit.keep import packed, unpacked
from trueneg.jobs.audit.out_of_fold import out_of_fold
from trueneg.jobs.audit.represent import Representation, represent
from trueneg.jobs.audit.stages import Stages, data_hash
from trueneg.jobs.audit.thorough import thorough_out_of_fold
from trueneg.jobs.audit.trust import why_not

if TYPE_CHECKING:
    from trueneg.data.sniff import Roles


def table_context(
    table: Any, roles: Roles, path: str, options: dict[str, Any], *, say: Any, cache: Any, reviewed: dict[str, Any]
) -> Context:
    """Represent the rows, get their probabilities, and put what every check looks at together."""
    arrow, seed, quick = table.arrow, options["seed"], options["quick"]
    thorough = options.get("thorough", False)
    codes, classes = roles.codes(table)
    groups = None
    if roles.group:
        groups = np.asarray(arrow[roles.group].dictionary_encode().combine_chunks().indices.fill_null(-1))
    trusted = trusted_mask(table, roles.trusted) if roles.trusted else None
    key = {} if cache is None else {"data": data_hash(arrow), "seed": seed, "roles": vars(roles) | {"notes": None}}
    stages = Stages(None if cache is None else Path(cache), key)
    data = None
    if roles.numeric or roles.categorical or roles.text or roles.image or roles.embedding or not roles.proba:
        say("representation")
        named = "image" in options
        data = _represented(stages, table, roles, seed=seed, named=named, quick=quick, say=say)
        stages.key["content"] = data.digest
    probability, model, told = None, "no model (--quick)", ""
    if roles.proba:
        probability, model = roles.proba_matrix(table), "given probabilities"
    elif not quick and data is not None:
        _refuse_single_rows(codes, one_line(path), roles.labels[0])
        learn = _learnt_thoroughly if thorough else _learnt
        probability, model, told = learn(stages, data, codes, len(classes), groups, seed, say)
    context = Context(
        arrow, roles, codes, list(classes), path, seed, quick, data, probability, model, groups, trusted, say, stages
    )
    context.reviewed, context.thorough = reviewed, thorough
    context.notes += [told] if told else []
    if thorough and told:
        context.notes.append("--thorough looked up the neighbours of every row and drew five times the resamples")
    reason = why_not(context)
    context.notes += [reason] if reason else []
    if "miss_rate" in options or "false_alarm_rate" in options:
        context.noise_rates = (options.get("miss_rate", 0.0), options.get("false_alarm_rate", 0.0))
    return context


def _refuse_single_rows(codes: np.ndarray, where: str, label: str) -> None:
    """Refuse a label without two classes of two rows: what learns from one row of a class never meets it again."""
    judged = codes[codes >= 0]
    counts = np.bincount(judged)
    if counts.max() >= 2 and (counts >= 2).sum() < 2:
        msg = (
            f"{where}: only one value of {one_line(label, 60)!r} has two rows or more, so nothing can be learned that "
            "tells it from others; give more rows of another class, or run with --quick (quick=True)"
        )
        raise InputError(msg)
    if counts.max() < 2:
        msg = (
            f"{where}: each of the {len(judged):,} labelled rows has a value of {one_line(label, 60)!r} of its own, so "
            "no class can be learned; name a column of classes, cut numbers into ranges, or give more rows"
        )
        raise InputError(msg)


def _represented(
    stages: Stages, table: Any, roles: Roles, *, seed: int, named: bool, quick: bool, say: Any
) -> Representation:
    """Represent the rows; words are cut and decomposed once, so that an audit after a review does not wait for them."""

    def made() -> Representation:
        return represent(table, roles, random_state=seed, image_named=named, quick=quick, progress=say)

    if stages.folder is None or not roles.text or roles.image:
        return made()  # numbers are read as fast as a kept copy, and image files stand outside the table
    return unpacked(stages.get("words-quick" if quick else "words", lambda: packed(made())))


def _learnt(
    stages: Stages, data: Representation, codes: np.ndarray, n_classes: int, groups: Any, seed: int, say: Any
) -> tuple[np.ndarray, str, str]:
    def make() -> dict[str, np.ndarray]:
        proba, model = out_of_fold(data, codes, n_classes, groups=groups, random_state=seed, progress=say)
        return {"proba": proba, "model": np.asarray(model)}

    kept = stages.get("out-of-fold", make)
    return kept["proba"], str(kept["model"]), ""


def _learnt_thoroughly(
    stages: Stages, data: Representation, codes: np.ndarray, n_classes: int, groups: Any, seed: int, say: Any
) -> tuple[np.ndarray, str, str]:
    def make() -> dict[str, np.ndarray]:
        proba, model, told = thorough_out_of_fold(
            data, codes, n_classes, groups=groups, random_state=seed, progress=say
        )
        return {"proba": proba, "model": np.asarray(model), "told": np.asarray(told)}

    kept = stages.get("out-of-fold-thorough", make)
    return kept["proba"], str(kept["model"]), str(kept["told"])
