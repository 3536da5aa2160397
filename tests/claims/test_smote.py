"""The claims about SMOTE: their tables were chosen by a rule, their figures are right, their sabotage is one."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, recall_score

from trueneg.claims import smote as claim
from trueneg.core.errors import ClaimNotRun
from trueneg.data import registry
from trueneg.data.keel import keel_names, read_keel


def _path():
    try:
        return registry.file("keel_imbalanced")
    except ClaimNotRun as error:
        pytest.skip(str(error))


def test_the_tables_are_all_that_the_rule_names():
    """Tables picked by hand could be picked for their outcome."""
    path = _path()
    chosen = []
    for name in keel_names(path):
        table = read_keel(path, name)
        n, positives = len(table.y), int(table.y.sum())
        if not table.nominal.any() and 300 <= n <= 2500 and positives >= 25 and positives <= 0.12 * n:
            chosen.append(name)
    assert chosen == sorted(claim.SETS)


def test_rates_are_those_of_scikit_learn():
    """A wrong F1 would decide the claim."""
    rng = np.random.default_rng(0)
    truth, said = rng.integers(0, 2, 200), rng.integers(0, 2, 200) == 1
    tpr, fpr, f1 = claim._rates(truth, said)
    assert tpr == pytest.approx(recall_score(truth, said))
    assert fpr == pytest.approx(1 - recall_score(truth, said, pos_label=0))
    assert f1 == pytest.approx(f1_score(truth, said))


def test_the_sabotage_takes_partners_of_either_class():
    """A control that is no other method proves nothing."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [90, 10])
    model = claim._any_partner(0).fit(rng.normal(size=(100, 2)), y)
    assert (y[model.parents_[:, 0]] == 1).all()
    assert (y[model.parents_[:, 1]] == 0).mean() > 0.5


@pytest.mark.slow
def test_the_calibration_claim_holds_and_its_control_fails():
    """The whole claim on real data under one seed."""
    _path()
    found = claim.SmoteCalibration().run(0)
    assert found.holds
    assert not found.control_holds
