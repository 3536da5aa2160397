"""The remedies that ``trueneg compare`` knows: one plain tuple; a new one is one more line."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from trueneg.core.errors import InputError
from trueneg.jobs.compare import cleaning, rejecting, sampling, threshold

if TYPE_CHECKING:
    from trueneg.jobs.compare.fold import Fold, Model

__all__ = ["ALWAYS", "REMEDIES", "Remedy", "chosen"]

ALWAYS = ("nothing", "class-weights", "tuned-threshold")


@dataclass(frozen=True)
class Remedy:
    """One way to train.

    Parameters
    ----------
    name : str
        As it is named on the command line.
    title : str
        As the table names it.
    fit : callable
        ``fit(fold) -> Model``; it sees the training part of a fold and nothing else.
    kind : str, default="own"
        ``"baseline"``, ``"sampling"``, ``"cleaning"``, ``"head"``, ``"calibration"``, ``"rejecter"`` (answers as
        *nothing*, and has its own ``certainty``: in the table of abstaining alone), ``"control"`` or ``"own"``.
    needs : tuple of str, default=()
        What the data must have: ``"alarms"`` (negative rows enough for a budget), ``"negative"``, ``"answers"``,
        ``"nominal"``, ``"no nominal"``, ``"all nominal"``.
    short : bool, default=False
        Whether it is tried where no remedies are named.
    apply : str, default=""
        How to do it for good: a command, with OUT, CODE (of the finding) and FILE to fill in, or a line of Python.
    """

    name: str
    title: str
    fit: Callable[[Fold], Model]
    kind: str = "own"
    needs: tuple[str, ...] = ()
    short: bool = False
    apply: str = ""


def _nothing(fold: Fold) -> Model:
    """Train the base learner on the rows as they are."""
    return fold.model()


def _cleaner(name: str, action: str, needs: tuple[str, ...] = (), *, short: bool = False) -> Remedy:
    fit = partial(getattr(cleaning, name), action=action)
    words = {"ranker": "suspect ranking", "confident": "confident learning", "neighbors": "neighbours"}
    done = {"eliminate": "rows removed", "reannotate": "relabelled", "downweight": "weighted down"}
    if name == "ranker":
        apply = f"trueneg repair OUT --finding CODE --action {action} --min-probability 0.5 --to FILE"
    elif name == "confident":
        how = f"ConfidentLearning(action={action!r}).fit_resample(X, y, pred_proba=p)"
        apply = how if action != "downweight" else "ConfidentLearning().fit(X, y, pred_proba=p).label_quality_"
    else:
        apply = f"NeighborNegativeCleaner(action={action!r}).fit_resample(X, y)"
    return Remedy(f"{name}-{action}", f"{words[name]}: {done[action]}", fit, "cleaning", needs, short, apply)


def _sampled(name: str, system: str, title: str, needs: tuple[str, ...] = (), *, short: str = "") -> tuple[Remedy, ...]:
    """One sampler as it comes, and with its probabilities corrected in two ways; ``short`` is for the short list."""
    made = f"{system}(random_state=0).fit_resample(X, y)"
    ways = (
        ("", "", "", ""),
        ("prior", "prior", ", prior corrected", ", then prior_corrected(...)"),
        ("calibrate", "platt", ", calibrated", ", then calibrate on rows that were not resampled"),
    )
    return tuple(
        Remedy(
            name + (f"-{suffix}" if suffix else ""),
            title + said,
            partial(sampling.resampled, name=system, then=then),
            "sampling",
            needs,
            (suffix or "plain") in short.split(),
            made + after,
        )
        for then, suffix, said, after in ways
    )


REMEDIES: tuple[Remedy, ...] = (
    Remedy("nothing", "nothing", _nothing, "baseline", short=True),
    Remedy("class-weights", "class weights", threshold.class_weights, "baseline", (), True, "class_weight='balanced'"),
    Remedy(
        "tuned-threshold",
        "tuned threshold",
        threshold.tuned_threshold,
        "baseline",
        (),
        True,
        "sklearn.model_selection.TunedThresholdClassifierCV(model)",
    ),
    Remedy("calibrated", "calibrated", threshold.calibrated, "calibration", (), False, "CalibratedClassifierCV(model)"),
    *_sampled("random-under", "UnderSampler", "random under-sampling", short="plain prior"),
    *_sampled("random-over", "OverSampler", "random over-sampling", short="plain"),
    *_sampled("smote", "SMOTE", "SMOTE", ("no nominal",), short="plain prior platt"),
    *_sampled("smotenc", "SMOTENC", "SMOTENC", ("nominal",), short="plain prior platt"),
    *_sampled("smoten", "SMOTEN", "SMOTEN", ("all nominal",))[:1],
    *_sampled("borderline-smote", "BorderlineSMOTE", "borderline SMOTE", ("no nominal",))[:1],
    *_sampled("svm-smote", "SVMSMOTE", "SVM SMOTE", ("no nominal",))[:1],
    *_sampled("adasyn", "ADASYN", "ADASYN", ("no nominal",))[:1],
    *_sampled("kmeans-smote", "KMeansSMOTE", "k-means SMOTE", ("no nominal",))[:1],
    _cleaner("ranker", "eliminate", short=True),
    _cleaner("ranker", "reannotate", short=True),
    _cleaner("ranker", "downweight", short=True),
    _cleaner("confident", "eliminate", short=True),
    _cleaner("confident", "reannotate"),
    _cleaner("confident", "downweight"),
    _cleaner("neighbors", "eliminate", ("negative",), short=True),
    _cleaner("neighbors", "reannotate", ("negative",)),
    _cleaner("neighbors", "downweight", ("negative",)),
    Remedy("random-removal", "rows removed by chance (control)", cleaning.random_removal, "control"),
    Remedy(
        "reviewed",
        "reviewed answers",
        cleaning.reviewed,
        "cleaning",
        ("answers",),
        True,
        "trueneg repair OUT --action reannotate --decisions OUT/review.csv --to FILE",
    ),
    Remedy(
        "naive-bayes", "naive Bayes head", threshold.naive_bayes, "head", (), True, "GaussianNaiveBayes().fit(X, y)"
    ),
    Remedy(
        "mahalanobis",
        "Mahalanobis distance",
        rejecting.mahalanobis,
        "rejecter",
        (),
        False,
        "MahalanobisDetector().fit(X, y).calibrate(X_new, target_tpr=0.9)",
    ),
    Remedy(
        "intrusion",
        "alarms within a budget",
        rejecting.intrusion,
        "head",
        ("alarms",),
        False,
        "IntrusionRejecter(rate=0.01).fit(X, y)",
    ),
    Remedy(
        "teen",
        "prototypes, rare classes added (TEEN)",
        threshold.teen,
        "head",
        (),
        False,
        "PrototypeClassifier().fit(X[often], y[often]).partial_fit(X[rare], y[rare])",
    ),
    Remedy(
        "loki",
        "class means' distances (Loki)",
        threshold.loki,
        "head",
        (),
        False,
        "GeometryAwareClassifier().fit(X, y)",
    ),
    Remedy(
        "tsetlin",
        "Tsetlin machine head",
        threshold.tsetlin,
        "head",
        (),
        False,
        "TsetlinMachineClassifier(n_clauses=200, threshold=800).fit(X, y)",
    ),
)


def chosen(wanted: str | Sequence[str | Remedy] | None) -> tuple[Remedy, ...]:
    """Return the remedies asked for; *nothing*, *class weights* and *tuned threshold* are always among them, first.

    Parameters
    ----------
    wanted : "shortlist", "all", sequence of names or Remedy, or None
        None is the short list.

    Raises
    ------
    InputError
        For a name that is not known, with the one that was probably meant.
    """
    if wanted is None or isinstance(wanted, str):
        word = (wanted or "shortlist").strip().lower()
        if word == "all":
            return REMEDIES
        if word == "shortlist":
            return tuple(r for r in REMEDIES if r.short)
        wanted = [part for part in word.split(",") if part.strip()]
    known = {r.name: r for r in REMEDIES}
    out = {name: known[name] for name in ALWAYS}
    for one in wanted:
        if isinstance(one, Remedy):
            out[one.name] = one
            continue
        name = one.strip().lower().replace("_", "-")
        if name not in known:
            near = difflib.get_close_matches(name, [*known, "all", "shortlist"], 1, 0.5)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
            raise InputError(f"no remedy is called {one!r}; {hint}")
        out[name] = known[name]
    return tuple(out.values())
