"""The coupled loss for networks: held to loops and to the linear form, in any float type, masked, compiled, trained."""

import itertools

import numpy as np
import pytest
from scipy.special import expit

from trueneg.clean import ListSampler
from trueneg.clean._pooling_bias import lists as flat
from trueneg.core.errors import InputError

torch = pytest.importorskip("torch")
from trueneg.clean import CoupledLoss, coupled_loss  # noqa: E402 - needs torch

FORMS = ["listwise", "pairwise", "em"]


def batch(seed=0, b=5, k=7, dtype=torch.float64):
    """Scores, labels and masks of some lists; the last has no positive."""
    rng = np.random.default_rng(seed)
    f, g = (torch.tensor(3 * rng.normal(size=(b, k)), dtype=dtype, requires_grad=True) for _ in range(2))
    mask = torch.tensor(rng.random((b, k)) < 0.8)
    mask[:, :3] = True
    labels = torch.tensor(np.where(rng.random((b, k)) < 0.4, 1, rng.integers(-1, 1, (b, k))))
    labels[:, 0], labels[:, 1] = 1, -1
    labels[-1] = -1
    return f, g, labels, mask


def by_hand(form, f, g, labels, mask, clip, temperature):
    """The same sum, one list and one pair at a time, in NumPy."""
    total, n = 0.0, 0
    for fs, gs, ls, ms in zip(f, g, labels, mask, strict=True):
        fs, gs, plus = fs[ms], gs[ms], ls[ms] == 1
        if form == "em":
            r, s = expit(fs), expit(gs)
            total, n = total - np.where(plus, np.log(r * s), np.log(1 - r * s)).mean(), n + 1
            continue
        if not plus.any() or plus.all():
            continue
        n += 1
        for own, other in ((fs, gs), (gs, fs)):
            if form == "listwise":
                w = np.minimum(np.exp(other[plus].max() - other[plus]), clip)
                total -= w @ (own[plus] - np.log(np.exp(own).sum()))
            else:
                w = np.minimum(1 / (1 - expit(other / temperature)), clip)
                pairs = itertools.product(np.flatnonzero(plus), np.flatnonzero(~plus))
                total += np.mean([w[m] * np.log1p(np.exp(own[m] - own[p])) for p, m in pairs])
    return total / n


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("clip", "temperature"), [(10.0, 10.0), (1.5, 0.7)])
def test_the_loss_is_the_formula(form, clip, temperature):
    """Several positives a list, masked ends and a list without a positive: what a plain loop gives."""
    f, g, labels, mask = batch()
    loss = coupled_loss(f, g, labels, mask=mask, form=form, clip=clip, temperature=temperature)
    plain = by_hand(form, f.detach().numpy(), g.detach().numpy(), labels.numpy(), mask.numpy(), clip, temperature)
    assert np.isclose(loss.item(), plain)


@pytest.mark.parametrize("form", ["listwise", "pairwise"])
def test_gradients_are_those_of_the_linear_form(form):
    """The gradient of each model is that of its own weighted loss: what the flat lists of the corrector give."""
    f, g, labels, mask = batch(1)
    mask[:] = True
    coupled_loss(f, g, labels, form=form).backward()
    b, k = f.shape
    lists = flat.Lists.of(np.repeat(np.arange(b), k), (labels == 1).numpy().ravel())
    for own, other in ((f, g), (g, f)):
        mine, theirs = (a.detach().numpy().ravel()[lists.pair] for a in (own, other))
        if form == "listwise":
            _, want = flat.softmax_loss(lists, mine, flat.positive_weights(lists, theirs, 10.0))
        else:
            _, want = flat.pair_loss(lists, mine, flat.negative_weights(lists, theirs, 10.0, 10.0))
        assert np.allclose(own.grad.numpy().ravel()[lists.pair], want)
        assert not own.grad[-1].any()


def test_the_marginal_form_has_the_right_gradient():
    """Finite differences of the likelihood, far out in both tails too."""
    f, g, labels, mask = batch(2, b=3)
    with torch.no_grad():
        f[0] *= 6
    assert torch.autograd.gradcheck(lambda a, c: coupled_loss(a, c, labels, mask=mask, form="em"), (f, g))


@pytest.mark.parametrize("form", FORMS)
def test_masked_scores_reach_nothing(form):
    """NaN and infinity where a list has ended change neither loss nor gradients."""
    f, g, labels, mask = batch(4)
    plain = coupled_loss(f, g, labels, mask=mask, form=form)
    want = torch.autograd.grad(plain, (f, g))
    f2, g2 = (torch.where(mask, a.detach(), torch.nan).requires_grad_() for a in (f, g))
    got = coupled_loss(f2, g2, labels, mask=mask, form=form)
    assert torch.isclose(got, plain)
    for a, c in zip(torch.autograd.grad(got, (f2, g2)), want, strict=True):
        assert torch.allclose(torch.where(mask, a, 0.0), torch.where(mask, c, 0.0))
        assert torch.isfinite(a).all()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_low_precision_is_computed_in_float32(form, dtype):
    """Half scores, inside autocast too, give the float32 loss of the rounded scores, however large they are."""
    f, g, labels, mask = batch(5)
    low = [(50 * a.detach()).to(dtype).requires_grad_() for a in (f, g)]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = coupled_loss(*low, labels, mask=mask, form=form)
    assert loss.dtype == torch.float32
    loss.backward()
    assert all(a.grad.dtype == dtype and torch.isfinite(a.grad).all() for a in low)
    assert torch.isclose(loss, coupled_loss(*(a.float() for a in low), labels, mask=mask, form=form))


@pytest.mark.parametrize("form", FORMS)
def test_nothing_to_learn_from_is_zero(form):
    """Lists without a positive, or wholly masked, give 0 and gradients of 0, never NaN."""
    f, g, labels, mask = batch(6)
    labels[:] = -1
    mask[:] = False
    loss = coupled_loss(f, g, labels, mask=mask, form=form)
    loss.backward()
    assert loss.item() == 0
    assert not f.grad.any()
    each = coupled_loss(f, g, labels, mask=mask, form=form, reduction="none")
    assert each.shape == (5,)


@pytest.mark.parametrize("form", FORMS)
def test_reductions_and_weights_of_lists(form):
    """The sum, the mean and one number a list belong together; a list of weight 0 counts for nothing."""
    f, g, labels, mask = batch(7)
    each = coupled_loss(f, g, labels, mask=mask, form=form, reduction="none")
    assert torch.isclose(coupled_loss(f, g, labels, mask=mask, form=form, reduction="sum"), each.sum())
    weights = torch.tensor([2.0, 0.0, 1.0, 1.0, 0.0])
    assert torch.isclose(coupled_loss(f, g, labels, mask=mask, weights=weights, form=form), (weights * each).sum() / 4)


def test_one_positive_a_list_makes_listwise_the_plain_softmax():
    """The silent no-op, stated: every weight is 1, so that the selection model changes nothing."""
    f, g, labels, mask = batch(8)
    labels[:, 1:] = -1
    labels[:, 0] = 1
    plain = sum(-torch.log_softmax(a.masked_fill(~mask, -torch.inf), 1)[:, 0].mean() for a in (f, g))
    assert torch.isclose(coupled_loss(f, g, labels, mask=mask, form="listwise"), plain)


def test_bad_input_is_told():
    """Shapes and options that do not fit are refused in words."""
    f, g, labels, _ = batch()
    with pytest.raises(InputError, match="have shapes"):
        coupled_loss(f, g[:, :3], labels)
    with pytest.raises(InputError, match="form="):
        coupled_loss(f, g, labels, form="softmax")
    with pytest.raises(InputError, match="clip"):
        CoupledLoss(clip=0.1)(f, g, labels)


def test_a_network_learns_with_the_sampler():
    """A pair network and its selection model, trained on drawn lists, rank hidden positives first."""
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2000, 6)).astype(np.float32), rng.normal(size=(2000, 2)).astype(np.float32)
    relevant = rng.random(2000) < expit(2 * x[:, 0] * x[:, 1] + x[:, 2] - 1)
    y = np.where(relevant & (rng.random(2000) < expit(2 * z[:, 0])), 1, -1)
    query = np.arange(2000) // 20
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(6, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))
    pool = torch.nn.Linear(2, 1)
    step = torch.optim.Adam([*net.parameters(), *pool.parameters()], lr=0.03)
    sampler, loss = ListSampler(query, y, batch_size=25), CoupledLoss()
    losses = []
    for _ in range(30):
        for drawn in sampler:
            rows = drawn.pair
            value = loss(
                net(torch.tensor(x[rows])).squeeze(-1),
                pool(torch.tensor(z[rows])).squeeze(-1),
                torch.tensor(drawn.labels),
                torch.tensor(drawn.mask),
            )
            step.zero_grad()
            value.backward()
            step.step()
            losses.append(value.item())
    assert np.mean(losses[-20:]) < 0.8 * np.mean(losses[:20])
    from sklearn.metrics import roc_auc_score

    score = net(torch.tensor(x)).detach().numpy().ravel()
    assert roc_auc_score(relevant[y < 0], score[y < 0]) > 0.75


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_it_compiles_into_one_graph(form):
    """``torch.compile`` takes the module whole: no break, the same number and gradients."""
    f, g, labels, mask = batch(9, dtype=torch.float32)
    module = CoupledLoss(form)
    plain = module(f, g, labels, mask)
    want = torch.autograd.grad(plain, (f, g))
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    got = compiled(f, g, labels, mask)
    assert torch.allclose(got, plain)
    assert all(torch.allclose(a, c) for a, c in zip(torch.autograd.grad(got, (f, g)), want, strict=True))


@pytest.mark.slow
def test_a_cross_encoder_trains_with_it():
    """A tiny BERT that reads query and document together takes the loss under autocast; both models' losses fall."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=50, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, num_labels=1
    )
    rng = np.random.default_rng(0)
    query = np.repeat(np.arange(12), 10)
    asked = rng.integers(4, 25, 12)
    tokens = rng.integers(25, 50, (120, 6))
    y = np.where(np.arange(120) % 10 < 2, 1, -1)
    tokens[:, 0] = asked[query]
    tokens[y == 1, 3] = asked[query[y == 1]]  # a document that answers holds the query's word
    rank = np.log1p(np.arange(120) % 10)[:, None].astype(np.float32)
    scorer, pool = transformers.BertForSequenceClassification(config), torch.nn.Linear(1, 1)
    step = torch.optim.AdamW([*scorer.parameters(), *pool.parameters()], lr=5e-3)
    loss, losses = CoupledLoss(), []
    for _ in range(25):
        for drawn in ListSampler(query, y, n_negatives=4, batch_size=6):
            rows = torch.tensor(drawn.pair)
            ids = torch.tensor(tokens)[rows]
            with torch.autocast("cpu", dtype=torch.bfloat16):
                score = scorer(input_ids=ids.flatten(0, 1)).logits.view(rows.shape)
                value = loss(
                    score,
                    pool(torch.tensor(rank)[rows]).squeeze(-1),
                    torch.tensor(drawn.labels),
                    torch.tensor(drawn.mask),
                )
            step.zero_grad()
            value.backward()
            step.step()
            losses.append(value.item())
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
