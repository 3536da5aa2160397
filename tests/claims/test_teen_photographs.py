"""The claim about TEEN on a network trained here: its pieces on made data, and that it is not run unasked."""

import io

import numpy as np
import pytest

pytest.importorskip("torch")

from trueneg.claims._base_classes import BASE, SCALE, Rows, Sets, cosine_head, numbered, photographs
from trueneg.claims._trained import network
from trueneg.claims.teen import TeenPhotographs, sessions
from trueneg.core.errors import ClaimNotRun
from trueneg.core.intervals import Estimate
from trueneg.heads.teen import EpisodeComparison, PrototypeClassifier


@pytest.fixture(scope="module")
def made():
    """Return embeddings of 100 base and 100 new classes around random means, new ones near base ones."""
    rng = np.random.default_rng(0)
    means = rng.normal(size=(2 * BASE, 24))
    means[BASE:] = means[:BASE] + 0.6 * rng.normal(size=(BASE, 24))

    def of(classes, each):
        y = np.repeat(classes, each)
        return Rows((means[y] + 0.8 * rng.normal(size=(len(y), 24))).astype(np.float32), y)

    base, new = np.arange(BASE), np.arange(BASE, 2 * BASE)
    return Sets(of(base, 10), of(base, 4), of(new, 9))


def test_it_is_not_run_without_being_asked_to():
    """A claim that takes minutes says so."""
    with pytest.raises(ClaimNotRun, match="--full"):
        TeenPhotographs().run(0)


def test_it_runs_on_any_embeddings(made, monkeypatch):
    """The whole claim on made rows: every figure of both settings is told, and whether each was shown."""
    monkeypatch.setattr("trueneg.claims.teen.embedded", lambda: made)
    monkeypatch.setattr(TeenPhotographs, "SETTINGS", ((10, 2), (20, 2)))
    found = TeenPhotographs().run(0, full=True)
    assert not found.control_holds
    for name in ("TEEN", "no temperature"):
        for ways in (10, 20):
            assert {f"{name}, {ways} ways, {f}" for f in ("base", "new", "harmonic_mean", "new_to_base")} <= set(
                found.measured
            )
    assert {"plain, first session", "TEEN, performance drop"} <= set(found.measured)


@pytest.mark.parametrize(
    ("figure", "spoiled"), [("new_to_base", -0.001), ("new", -0.01), ("base", -0.2), ("harmonic_mean", -0.1)]
)
def test_each_part_of_the_statement_can_fail(figure, spoiled):
    """What is measured decides: one figure made worse, and it is not shown."""

    def shown(**other):
        gaps = {"base": -0.01, "new": 0.05, "harmonic_mean": 0.02, "new_to_base": -0.08} | other
        return TeenPhotographs()._shown(
            EpisodeComparison(**{f: Estimate(v, v, v, 0.95, "given", 1) for f, v in gaps.items()})
        )

    assert shown()
    assert not shown(**{figure: spoiled})


def test_sessions_add_classes_and_forget_no_rows(made):
    """Session by session ten classes more are tested; the first is the base classes alone, the last holds all rows."""
    found = sessions(PrototypeClassifier(calibration=None), made, 0)
    assert [share.n for share in found.accuracy] == [400 + 40 * s for s in range(11)]
    assert found.sessions[0] is None
    last = PrototypeClassifier(calibration=None).fit(*made.base)
    assert found.accuracy[0].value == pytest.approx(last.score(*made.base_test))
    assert found.sessions[-1].base.n == 400
    assert found.sessions[-1].new.n == 400


def test_sessions_give_both_heads_the_same_shots(made):
    """Without any share of base classes TEEN is plain prototypes, to the last figure."""
    plain = PrototypeClassifier(calibration=None)
    found = sessions(plain, made, 3, ways=50)
    assert sessions(PrototypeClassifier(alpha=0.0), made, 3, ways=50).accuracy == found.accuracy
    assert sessions(plain, made, 4, ways=50).accuracy != found.accuracy


def test_class_numbers_are_drawn_by_the_seed():
    """Equal names have one number, numbers go from 0 without gaps, and another seed draws others."""
    names = np.array([f"n{i:03}" for i in range(50)] * 2)
    found = numbered(names, 0)
    assert set(found) == set(range(50))
    np.testing.assert_array_equal(found[:50], found[50:])
    assert (numbered(names, 1) != found).any()


def test_photographs_are_split_by_class_and_part(tmp_path, monkeypatch):
    """Base classes are learned from the one part and tested on the other; of new classes the other alone is used."""
    pa, image = pytest.importorskip("pyarrow"), pytest.importorskip("PIL.Image")
    import pyarrow.parquet as pq

    rows = [(f"n{c:03}", part) for c in range(2 * BASE) for part in ("train", "train", "val")]
    shades = []
    for i in range(len(rows)):
        file = io.BytesIO()
        image.new("RGB", (4, 4), (i % 250, i // 250, 0)).save(file, "PNG")
        shades.append(file.getvalue())
    table = pa.table({"image": shades, "wnid": [r[0] for r in rows], "split": [r[1] for r in rows]})
    pq.write_table(table, tmp_path / "small.parquet")
    monkeypatch.setattr("trueneg.data.registry.file", lambda name: tmp_path / "small.parquet")
    found = photographs(0)
    y = numbered(np.array([r[0] for r in rows]), 0)
    for part, kept, n in ((found.base, y < BASE, 200), (found.base_test, y < BASE, 100), (found.new, y >= BASE, 100)):
        of = part.X[:, 0, 0].astype(int) @ [1, 250, 0]  # which row of the table
        assert len(part.X) == n
        assert kept[of].all()
        np.testing.assert_array_equal(part.y, y[of])
        assert {rows[i][1] for i in of} == ({"train"} if n == 200 else {"val"})


def test_the_head_gives_scaled_cosines_and_learns():
    """Logits are cosines times the scale, whatever the lengths; the weights get a gradient."""
    import torch

    linear = torch.nn.Linear(6, 4)
    head = cosine_head(linear)
    x = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    expected = SCALE * torch.nn.functional.cosine_similarity(x[:, None], linear.weight[None], dim=2)
    torch.testing.assert_close(head(x), expected)
    torch.testing.assert_close(head(7 * x), expected)
    head(x).sum().backward()
    assert head.weight.grad.abs().sum() > 0


def test_the_network_tells_the_classes_it_was_trained_on():
    """A small one tells four colours; its embeddings are what prototypes are made of."""
    from trueneg.core.training import outputs

    rng = np.random.default_rng(0)
    y = np.arange(1024) % 4
    X = (rng.integers(0, 200, (4, 1, 1, 3))[y] + rng.integers(0, 55, (1024, 8, 8, 3))).astype(np.uint8)
    net = network(X, y, epochs=6, width=4, head=cosine_head)
    assert (outputs(net, X).argmax(axis=1) == y).mean() > 0.9
    assert outputs(net.features, X).shape == (1024, 16)
