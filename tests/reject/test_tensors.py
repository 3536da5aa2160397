"""Tensors in, tensors out: what rejecters and heads say of tensors, and of labels that were tensors."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sklearn.ensemble import IsolationForest  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402

from trueneg.heads import DiscreteNaiveBayes, GaussianNaiveBayes, PrototypeClassifier  # noqa: E402
from trueneg.reject import (  # noqa: E402
    FeatureEnsembleDetector,
    IntrusionRejecter,
    MahalanobisDetector,
    MaxLogitDetector,
    OpenSetClassifier,
    find_threshold,
)
from trueneg.reject.mahalanobis import fgsm, local_dimension, noise_like  # noqa: E402

Y = np.arange(90) % 3
X = np.random.default_rng(0).normal(size=(90, 4)) + 4.0 * np.eye(3, 4)[Y]


def tensors(dtype=torch.float64):
    """The rows with gradients, as a network gives them, and their labels."""
    return torch.tensor(X, dtype=dtype, requires_grad=True), torch.tensor(Y)


def ensemble(rows, y):
    """Two layers, weighed on rows beside those learned from."""
    model = FeatureEnsembleDetector(MahalanobisDetector(widths=(2, 2)), random_state=0)
    return model.fit(rows[:60], y[:60], known=rows[60:], unknown=rows[60:] + 9.0)


MADE = {
    "mahalanobis": lambda rows, y: MahalanobisDetector().fit(rows, y),
    "batches": lambda rows, y: MahalanobisDetector().partial_fit(rows[:50], y[:50]).partial_fit(rows[50:], y[50:]),
    "ensemble": ensemble,
    "logits": lambda rows, y: MaxLogitDetector().fit(rows[:, :3], y),
    "classifier": lambda rows, y: OpenSetClassifier(LogisticRegression(), random_state=0).fit(rows, y),
    "network": lambda rows, y: OpenSetClassifier(torch.nn.Linear(4, 3, bias=False)).fit(rows.float(), y),
}


@pytest.mark.parametrize("name", MADE)
def test_labels_come_as_they_were_given(name):
    """Labels of a tensor are told as one, on the rows' device; NumPy and text labels stay, scores follow the rows."""
    if name == "network":
        torch.manual_seed(0)
    rows, y = tensors()
    given = rows[:, :3] if name == "logits" else rows.float() if name == "network" else rows
    model = MADE[name](rows, y).calibrate(given, y, target_tpr=0.9)
    said, scores = model.predict(given), model.score_samples(given)
    assert isinstance(said, torch.Tensor)
    assert said.device == given.device
    assert not said.is_floating_point()
    assert scores.dtype == torch.float64
    assert not scores.requires_grad
    np.testing.assert_array_equal((model.decision_function(given) >= 0).numpy(), said.numpy() >= 0)
    plain = given.detach().numpy()
    np.testing.assert_array_equal(model.score_samples(plain), scores.numpy())
    assert isinstance(model.predict(plain), torch.Tensor)
    nearest = model.score_samples(given, return_class=True)[1]
    np.testing.assert_array_equal(nearest[said >= 0].numpy(), said[said >= 0].numpy())
    if name != "network":
        text = MADE[name](rows, np.array(["a", "b", "c"])[Y]).calibrate(given, target_tpr=0.9)
        assert set(text.predict(given)) <= {"a", "b", "c", "unknown"}
        assert isinstance(text.score_samples(given), torch.Tensor)


def test_numbers_that_numpy_has_not_are_read():
    """Rows of bfloat16 are read as float32; scores stay float64, the type of the threshold."""
    rows, y = tensors(torch.bfloat16)
    scores = MahalanobisDetector().fit(rows, y).score_samples(rows)
    want = MahalanobisDetector().fit(rows.detach().float(), y).score_samples(rows.detach().float())
    assert scores.dtype == torch.float64
    np.testing.assert_array_equal(scores.numpy(), want.numpy())


def test_bytes_are_pixels_in_tensors_too():
    """A network sees a picture of bytes alike, as an array or as a tensor."""
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 3))
    pictures = np.random.default_rng(0).integers(0, 256, (9, 3, 2, 2)).astype(np.uint8)
    model = OpenSetClassifier(net, threshold=None).fit(pictures, np.arange(9) % 3)
    np.testing.assert_array_equal(model.logits(torch.tensor(pictures)).numpy(), model.logits(pictures))


def test_a_new_class_leaves_the_container_of_labels():
    """add_class is given a plain label: answers go on as tensors, the new class among them."""
    rows, y = tensors()
    model = MahalanobisDetector().fit(rows[Y < 2], y[Y < 2]).add_class(rows[Y == 2], 2)
    said = model.calibrate(rows, target_tpr=0.9).predict(rows)
    assert isinstance(said, torch.Tensor)
    assert 2 in said


def test_intrusion_without_an_encoder_takes_tensors():
    """Ready features may come from a network; scores, alarms and labels are then tensors."""
    rows, y = tensors()
    forest = IsolationForest(n_estimators=10, random_state=0)
    model = IntrusionRejecter(forest, encoder=None, confidence=None, normal=0, random_state=0).fit(rows, y)
    assert isinstance(model.score_samples(rows), torch.Tensor)
    np.testing.assert_array_equal(model.predict(rows) == -1, model.alarms(rows))


def test_attacks_and_what_they_are_compared_with_answer_tensors():
    """Pictures of a loader go in and come out as tensors, with the values of arrays."""
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 3))
    pictures, y = torch.rand(20, 3, 2, 2, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 3
    moved = fgsm(net, pictures, y)
    clean, noisy = noise_like(pictures, moved, random_state=0)
    plain = fgsm(net, pictures.numpy(), y.numpy())
    assert all(isinstance(part, torch.Tensor) for part in (moved, clean, noisy))
    np.testing.assert_array_equal(moved.numpy(), plain)
    np.testing.assert_array_equal(noisy.numpy(), noise_like(pictures.numpy(), plain, random_state=0)[1])
    rows = tensors()[0]
    assert isinstance(local_dimension(rows, rows, k=5), torch.Tensor)
    base = MahalanobisDetector(net, layers=["1"]).fit(pictures, y)
    model = FeatureEnsembleDetector(base, calibrate_on="fgsm", eps_grid=(0.0,), random_state=0)
    assert isinstance(model.fit_layers(base, known=pictures).score_samples(pictures), torch.Tensor)


def test_thresholds_are_set_on_tensors():
    """Scores and truth of a network on any device, with gradients, set the threshold that their values do."""
    scores, known = torch.linspace(0, 1, 20, requires_grad=True), torch.arange(20) >= 10
    found = find_threshold(scores, known, target_tpr=0.9)
    assert found == find_threshold(scores.detach().numpy(), known.numpy(), target_tpr=0.9)


@pytest.mark.parametrize("head", [GaussianNaiveBayes(), PrototypeClassifier(), DiscreteNaiveBayes()], ids=str)
def test_heads_answer_tensors_by_tensors(head):
    """Classifiers keep the same convention: figures follow the rows, labels the labels."""
    rows, y = tensors()
    if isinstance(head, DiscreteNaiveBayes):
        rows = rows.round()
    plain = rows.detach().numpy()
    head.fit(rows, y)
    for name in ("predict", "predict_proba", "decision_function"):
        if hasattr(head, name):
            found = getattr(head, name)(rows)
            assert isinstance(found, torch.Tensor)
            np.testing.assert_array_equal(found.numpy(), np.asarray(getattr(head, name)(plain)))
    said = head.fit(rows, np.array(["a", "b", "c"])[Y]).predict(rows)
    assert set(said) == {"a", "b", "c"}
    assert isinstance(head.predict_proba(plain), np.ndarray)
