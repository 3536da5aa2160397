"""The loss of soft labels against its formula, a peer's, and what it promises of masks and gradients."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueneg.core.errors import InputError

torch = pytest.importorskip("torch")

from trueneg.losses import SoftLabelKLLoss, soft_label_kl  # noqa: E402 - only where torch is


def _plain(scores, targets, keep, temperature, other, symmetric):
    """The same list by list, document by document, in float64."""
    out = []
    for s, t, m in zip(scores, targets, keep, strict=True):
        s, t = np.float64(s[m]) / temperature, np.float64(t[m]) / other
        if len(s) < 2 or not np.isfinite(t).any():
            out.append(0.0)
            continue
        log_p = s - s.max() - np.log(np.exp(s - s.max()).sum())
        log_t = t - t.max() - np.log(np.exp(t - t.max()).sum())
        p, q = np.exp(log_p), np.exp(log_t)
        forward = sum(a * (b - c) for a, b, c in zip(q, log_t, log_p, strict=True) if a > 0)
        back = sum(a * (b - np.logaddexp(c, np.log(1e-8))) for a, b, c in zip(p, log_p, log_t, strict=True) if a > 0)
        out.append((forward + back) / 2 if symmetric else forward)
    return np.array(out)


@given(st.integers(0, 10_000), st.booleans(), st.sampled_from([0.02, 0.3, 1.0]))
@settings(max_examples=40, deadline=None)
def test_the_formula_list_by_list(seed, symmetric, temperature):
    """Padding, lists of one document, teachers that rule documents out, and weights must be what the text says."""
    rng = np.random.default_rng(seed)
    n, k = 5, 6
    scores, targets = rng.uniform(-1, 1, (n, k)), rng.uniform(-1, 1, (n, k))
    keep = rng.random((n, k)) < 0.7
    targets[rng.random((n, k)) < 0.2] = -np.inf
    weights = rng.random(n)
    wanted = _plain(scores, targets, keep, temperature, 0.5, symmetric)
    how = {"temperature": temperature, "target_temperature": 0.5, "symmetric": symmetric}
    given_scores = np.where(keep, scores, np.nan)
    args = [torch.tensor(a) for a in (given_scores, targets)]
    got = soft_label_kl(*args, mask=torch.tensor(keep), reduction="none", **how)
    np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-9, atol=1e-9)
    mean = soft_label_kl(*args, mask=torch.tensor(keep), weights=torch.tensor(weights), **how)
    live = np.array([m.sum() > 1 and np.isfinite(t[m]).any() for t, m in zip(targets, keep, strict=True)])
    whole = (weights * live).sum()
    assert float(mean) == pytest.approx((weights * wanted).sum() / whole if whole else 0.0, rel=1e-9, abs=1e-12)


def test_log_one_hot_labels_are_infonce():
    """Hard labels must be a case of soft ones, so that both can be compared on the same lists."""
    scores = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))
    label = torch.tensor([0, 1, 2, 3, 4, 0, 1])
    hot = torch.nn.functional.one_hot(label, 5).float().log()
    got = soft_label_kl(scores, hot, temperature=0.05, target_temperature=1.0)
    assert float(got) == pytest.approx(float(torch.nn.functional.cross_entropy(scores / 0.05, label)), rel=1e-6)


def test_the_symmetric_form_is_the_published_one():
    """UniME-V2 adds 1e-8 within its logarithms and halves both directions: ours must be that to rounding."""
    draw = torch.Generator().manual_seed(1)
    cosine, judge = torch.rand(16, 9, generator=draw, dtype=torch.float64), torch.rand(16, 9, generator=draw)
    p, t = torch.softmax(cosine / 0.02, 1), torch.softmax(judge.double() / 0.02, 1)
    kl = lambda a, b: (a * ((a + 1e-8).log() - (b + 1e-8).log())).sum(1).mean()  # noqa: E731
    wanted = 0.5 * (kl(p, t) + kl(t, p))
    got = SoftLabelKLLoss(0.02, symmetric=True)(cosine, judge.double())
    # Published, 1e-8 is added to the student too: there a student that rules out a document pays less, and learns less.
    floored = 0.5 * (t * (torch.log(p + 1e-8) - torch.log_softmax(cosine / 0.02, 1))).sum(1).mean()
    assert float(got - floored) == pytest.approx(float(wanted), rel=1e-4)


@pytest.mark.parametrize("symmetric", [False, True])
def test_gradients_are_those_of_the_value(symmetric):
    """What is masked, NaN included, must get a gradient of exactly 0, and the rest the right one."""
    draw = torch.Generator().manual_seed(2)
    scores = torch.randn(4, 5, generator=draw, dtype=torch.float64)
    targets = torch.randn(4, 5, generator=draw, dtype=torch.float64)
    mask = torch.ones(4, 5, dtype=torch.bool)
    mask[0, 3:], mask[1], mask[2, 1:] = False, False, False
    loss = lambda s: soft_label_kl(s, targets, mask=mask, temperature=0.7, symmetric=symmetric)  # noqa: E731
    assert torch.autograd.gradcheck(loss, scores.clone().requires_grad_())
    spoilt = scores.clone()
    spoilt[~mask] = torch.nan
    spoilt.requires_grad_()
    loss(spoilt).backward()
    assert bool((spoilt.grad[~mask] == 0).all())
    assert bool(torch.isfinite(spoilt.grad).all())
    assert bool((spoilt.grad[3] != 0).all())


def test_types_devices_and_autocast():
    """Half precision must not overflow at small temperatures, double stays double, and no target gets a gradient."""
    draw = torch.Generator().manual_seed(3)
    scores, targets = (torch.rand(3, 8, generator=draw, requires_grad=True) for _ in range(2))
    single = soft_label_kl(scores, targets)
    value = single.item()
    half = soft_label_kl(scores.bfloat16(), targets.bfloat16())
    assert half.dtype == torch.float32
    assert half.item() == pytest.approx(value, rel=0.1)
    assert soft_label_kl(scores.double(), targets).dtype == torch.float64
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert soft_label_kl(scores, targets).item() == value
    single.backward()
    assert targets.grad is None
    same = soft_label_kl(scores, scores, symmetric=True)
    assert same.item() == pytest.approx(0.0, abs=1e-5)


def test_a_batch_without_a_word_costs_nothing():
    """Empty batches and lists that say nothing must give 0, not NaN."""
    assert float(soft_label_kl(torch.empty(0, 3), torch.empty(0, 3))) == 0
    ruled = torch.full((2, 3), -torch.inf)
    scores = torch.randn(2, 3, requires_grad=True)
    value = soft_label_kl(scores, ruled, symmetric=True)
    value.backward()
    assert value.item() == 0
    assert bool((scores.grad == 0).all())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"targets": torch.zeros(2, 4)}, "targets"),
        ({"scores": torch.zeros(3)}, "(n, k)"),
        ({"temperature": 0.0}, "temperature=0.0"),
        ({"target_temperature": -1.0}, "target_temperature"),
        ({"reduction": "average"}, "average"),
        ({"weights": torch.ones(3)}, "weights"),
        ({"mask": torch.ones(2, 3)}, "mask"),
    ],
)
def test_bad_input_is_one_clear_line(change, said):
    """A loss that broadcasts what does not fit trains on nonsense in silence."""
    args = {"scores": torch.zeros(2, 3), "targets": torch.zeros(2, 3)} | change
    with pytest.raises(InputError) as error:
        soft_label_kl(args.pop("scores"), args.pop("targets"), **args)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
