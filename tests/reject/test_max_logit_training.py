"""The training recipe, the augmentation, reciprocal points, and the watch over checkpoints."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sklearn.datasets import load_digits  # noqa: E402

from trueneg.core.errors import InputError  # noqa: E402
from trueneg.core.nets import CNN4  # noqa: E402
from trueneg.core.training import seeded  # noqa: E402
from trueneg.reject.max_logit import (  # noqa: E402
    ARPLLoss,
    OpenSetClassifier,
    closed_open_correlation,
    open_set_recipe,
    rand_augment,
    train_closed_set,
)


def digits():
    """Digits of 8 x 8 as pictures: 0 to 6 to learn and test, 7 to 9 unknown."""
    X, y = load_digits(return_X_y=True)
    X = (X.reshape(-1, 1, 8, 8) / 16).astype(np.float32)
    known, even = y < 7, np.arange(len(y)) % 2 == 0
    return X[known & even], y[known & even], (X[known & ~even], y[known & ~even]), X[~known]


@pytest.mark.parametrize("loss", ["cross_entropy", "arpl"])
def test_training_is_watched_and_its_logits_serve_the_wrapper(loss):
    """Protects the study: checkpoints rise, one seed gives one answer, and logits are those of the last checkpoint."""
    X, y, known, unknown = digits()

    def run():
        with seeded(0):
            net = CNN4(7, width=8)
        options = {"epochs": 12, "lr": 0.05, "strength": "weak", "every": 6, "random_state": 0}
        return (*train_closed_set(net, X, y, known=known, unknown=unknown, loss=loss, **options), net)

    points, logits, net = run()
    assert [p.epoch for p in points] == [6, 12]
    assert points[-1].accuracy > max(points[0].accuracy, 0.5)  # chance is 1 / 7
    assert points == run()[0]
    assert (logits(known[0]).argmax(1) == known[1]).mean() == pytest.approx(points[-1].accuracy)
    if loss == "cross_entropy":
        model = OpenSetClassifier(net).fit(*known)
        np.testing.assert_allclose(model.logits(unknown), logits(unknown), atol=1e-5)
        assert (model.predict(unknown) == -1).mean() > (model.predict(known[0]) == -1).mean()


def test_reciprocal_points_are_the_papers_formula():
    """Protects ARPL: distance |f - P|^2 / d - f . P as logit, and the radius by hand; gradients agree in float64."""
    torch.manual_seed(0)
    loss = ARPLLoss(5, 3, weight=0.3, margin=0.5).double()
    f, target = torch.randn(4, 5, dtype=torch.float64), torch.tensor([0, 2, 1, 1])
    by_hand = torch.stack([((f - p) ** 2).mean(1) - f @ p for p in loss.points], 1)
    torch.testing.assert_close(loss.logits(f), by_hand)
    beyond = ((f - loss.points[target]) ** 2).mean(1) - loss.radius + 0.5
    want = torch.nn.functional.cross_entropy(by_hand, target) + 0.3 * beyond.clamp_min(0).mean()
    torch.testing.assert_close(loss(f, target), want)
    assert torch.autograd.gradcheck(lambda x: loss(x, target), (f.requires_grad_(),))


def test_the_strong_recipe_warms_up_and_restarts_twice():
    """Protects the schedule: 10 of 600 epochs to warm up, three cycles, and a weak recipe that only falls."""
    strong, augment = open_set_recipe("strong", epochs=600, lr=0.1)
    assert augment is not None
    rates = np.array([strong.rate(e) for e in np.arange(0, 600, 0.5)])
    assert strong.warmup == 10
    assert rates[20] == pytest.approx(0.1)
    assert ((rates[1:] - rates[:-1]) > 0.05).sum() == 2
    assert rates.min() >= 0.1e-3 * (1 - 1e-9)
    weak, none = open_set_recipe("weak", epochs=10, lr=0.1)
    assert none is None
    assert np.all(np.diff([weak.rate(e) for e in np.linspace(0, 9.99, 50)]) < 0)


def test_augmentation_moves_pictures_by_its_magnitude_and_keeps_their_range():
    """Protects the augmentation: nothing at 0, something at 6, values in [0, 1], one generator one answer."""
    batch = torch.rand(64, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    change = rand_augment(1, 6)
    first, again = (change(batch, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, again)
    assert first.min() >= 0
    assert first.max() <= 1
    moved = (first != batch).flatten(1).any(1).float().mean()
    assert 0.6 < moved < 0.98
    assert torch.equal(rand_augment(2, 0)(batch, torch.Generator()), batch)
    gap = [(rand_augment(1, m)(batch, torch.Generator().manual_seed(1)) - batch).abs().mean() for m in (3, 9, 27)]
    assert gap[0] < gap[1] < gap[2]


def test_the_correlation_is_pearsons_with_fishers_interval():
    """Protects the figure: scipy's r and interval on the same numbers."""
    from scipy.stats import pearsonr

    rng = np.random.default_rng(0)
    a = rng.normal(size=12)
    b = a + 0.3 * rng.normal(size=12)
    found, want = closed_open_correlation(a, b), pearsonr(a, b)
    assert found.value == pytest.approx(want.statistic)
    ends = want.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: open_set_recipe("medium"), "'weak' or 'strong'"),
        (lambda: rand_augment(1, 40), "magnitude 0 to 30"),
        (lambda: ARPLLoss(4, 1), "n_classes=1"),
        (lambda: ARPLLoss(0, 3), "dimension=0"),
        (lambda: ARPLLoss(4, 3, weight=float("nan")), "weight=nan"),
        (lambda: closed_open_correlation([0.1, 0.2], [0.3, 0.4]), "4 or more"),
        (
            lambda: train_closed_set(
                CNN4(7, width=4), *digits()[:2], known=digits()[2], unknown=digits()[3], loss="gcpl"
            ),
            "'cross_entropy' or 'arpl'",
        ),
    ],
)
def test_bad_settings_get_one_line(call, words):
    """Protects the user: each mistake is refused by one line that names it."""
    with pytest.raises(InputError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)
