"""The claim on a network trained here: its pieces on a small one, and that it is not run without being asked to."""

import numpy as np
import pytest

pytest.importorskip("torch")

from trueneg.claims._trained import FAR, KNOWN, LAYERS, NEAR, flipped, read
from trueneg.claims.mahalanobis_trained import MahalanobisTrained, area, curve_rows, old_and_new, unknown_told
from trueneg.core.errors import ClaimNotRun
from trueneg.core.intervals import Estimate
from trueneg.core.nets import ResNet
from trueneg.core.training import seeded

_ADDED = "two classes added, 1000 rows each"


@pytest.fixture(scope="module")
def small():
    """Return a network of random weights, and coloured pictures that it can tell from noise."""
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 200, (KNOWN + 2, 1, 1, 3))

    def of(classes):
        return (colours[classes] + rng.integers(0, 55, (len(classes), 12, 12, 3))).astype(np.uint8)

    y = {"learn": np.arange(160) % KNOWN, "known": np.arange(80) % KNOWN}
    y |= {name: KNOWN + np.arange(40) % 2 for name in ("new", NEAR[0])}
    X = {name: of(classes) for name, classes in y.items()}
    X |= {name: rng.integers(0, 256, (40, 12, 12, 3)).astype(np.uint8) for name in (NEAR[1], *FAR)}
    with seeded(0):
        return read(ResNet(KNOWN, depth=8, width=4), X, y)


def test_it_is_not_run_without_being_asked_to():
    """A claim that takes minutes a seed says so."""
    with pytest.raises(ClaimNotRun, match="--full"):
        MahalanobisTrained().run(0)


@pytest.mark.parametrize(
    ("part", "spoiled"),
    [
        ("above the logits, far", {"softmax": 0.78}),
        ("as good as the best layer", {"body.stage1": 0.95}),
        ("bears flipped labels", {"layers": 0.95}),
        ("classes added", {"add_class, paper, gap": 0.01}),
    ],
)
def test_each_part_of_the_statement_can_fail(part, spoiled):
    """What is measured decides: one figure made worse, or a baseline made better, and that part is not shown."""
    good = {"softmax": 0.6, "largest logit": 0.6, "ODIN": 0.6, "layers": 0.8} | dict.fromkeys(LAYERS, 0.7)
    gaps = {f"add_class, {rule}, gap": 0.1 for rule in ("paper", "counts")}

    def shown(spoiled):
        ways = {way: Estimate(v, v, v, 0.95, "given", 1) for way, v in (good | gaps | spoiled).items()}
        flat = {way: Estimate(v, v, v, 0.95, "given", 1) for way, v in good.items()}
        clean, dirty = dict.fromkeys(FAR, ways), dict.fromkeys(FAR, flat)
        return MahalanobisTrained()._parts(clean, dirty, {_ADDED: ways}, "layers")

    assert all(shown({}).values())
    assert not shown(spoiled)[part]


def test_a_share_of_the_labels_is_flipped_and_never_to_itself():
    """Flipped labels are other known classes, the share is kept, and a share of 0 changes nothing."""
    y = np.arange(8000) % KNOWN
    found = flipped(y, 0.2, np.random.default_rng(0))
    assert abs((found != y).mean() - 0.2) < 0.02
    assert set(np.unique(found)) == set(range(KNOWN))
    np.testing.assert_array_equal(flipped(y, 0.0, np.random.default_rng(0)), y)


def test_the_area_is_that_of_a_bias_moved_by_hand():
    """The cumulative sums give what a bias in steps between all rows gives; a perfect classifier has an area of 1."""
    rng = np.random.default_rng(1)
    truth = rng.integers(0, KNOWN + 2, 60)
    scores = rng.normal(size=(60, KNOWN + 2)) + 2 * np.eye(KNOWN + 2)[truth]
    lead = scores[:, :KNOWN].max(axis=1) - scores[:, KNOWN:].max(axis=1)
    steps = np.concatenate([[-np.inf], np.sort(lead)])
    points = []
    for bias in steps:
        moved = scores.copy()
        moved[:, KNOWN:] += np.nan_to_num(bias, neginf=-1e6) + 1e-9
        right, old = moved.argmax(axis=1) == truth, truth < KNOWN
        points.append((right[old].mean(), right[~old].mean()))
    a, b = np.transpose(points)
    assert area(curve_rows(scores, truth)) == pytest.approx(np.trapezoid(a, b))
    assert area(curve_rows(np.eye(KNOWN + 2)[truth], truth)) == pytest.approx(1.0)


def test_every_way_is_told_on_a_set(small):
    """Layers, logits and ODIN each get an area with its interval; noise is told from flat colours by the layers."""
    ((name, ways),) = unknown_told(small, 0, sets=["noise"]).items()
    assert name == "noise"
    assert {"layers", "layers, not weighed", "softmax", "largest logit", "ODIN", "body.stage3"} <= set(ways)
    assert all(0 <= e.low <= e.value <= e.high <= 1 for e in ways.values())
    assert ways["layers"].value > 0.9


def test_the_new_classes_are_compared_on_the_same_rows(small):
    """The gap to nearest means is paired: its value is the difference of the two areas."""
    (told,) = old_and_new(small, 0, shots=(10,)).values()
    for way in ("add_class, paper", "add_class, counts", "covariance of other columns"):
        gap = told[f"{way}, gap"].value
        assert gap == pytest.approx(told[way].value - told["nearest mean"].value)
