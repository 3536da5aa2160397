"""The one-class classifier on the Poincare ball, folders of frames, and scores of videos."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from PIL import Image  # noqa: E402
from torch.optim.optimizer import register_optimizer_step_pre_hook  # noqa: E402

from trueneg.core.detection import attack_rates, auroc_of, eer_threshold  # noqa: E402
from trueneg.core.errors import InputError  # noqa: E402
from trueneg.reject.hyp_oc import HyperbolicOneClass, read_frames, recapture, video_of, video_scores  # noqa: E402

QUICK = {"hidden": (32, 8), "epochs": 40, "batch_size": 16, "random_state": 0}
SHORT = {**QUICK, "epochs": 3}  # where nothing has to be learned well


def rows(seed=0, n=200, d=12):
    """Familiar rows on a thin sheet, and rows that fill the space around it."""
    rng = np.random.default_rng(seed)
    sheet = rng.normal(size=(3, d))
    known = rng.normal(size=(n, 3)) @ sheet + 0.1 * rng.normal(size=(n, d)) + 3
    odd = known.mean(axis=0) + known.std() * rng.normal(size=(n, d))
    return known.astype(np.float32), odd.astype(np.float32)


def test_it_tells_the_sheet_from_the_space_around_it():
    """Protects the method: rows of another draw of what was learned score above rows off it."""
    learned, (known, odd) = rows(0)[0], rows(0)
    model = HyperbolicOneClass(noise_scale="auto", **QUICK).fit(learned[:100])
    scores = model.score_samples(np.concatenate([known[100:], odd]))
    assert auroc_of(np.arange(300) < 100, scores) > 0.9
    assert model.losses_[-1] < model.losses_[0]


@pytest.mark.slow
def test_without_curvature_it_is_a_plain_network():
    """Protects the baseline of every comparison: curvature 0 trains, and differs."""
    known, odd = rows()
    flat = HyperbolicOneClass(curvature=0.0, noise_scale="auto", **QUICK).fit(known)
    curved = HyperbolicOneClass(noise_scale="auto", **QUICK).fit(known)
    assert auroc_of(np.arange(400) < 200, flat.score_samples(np.concatenate([known, odd]))) > 0.9
    assert not np.allclose(flat.score_samples(odd), curved.score_samples(odd))


def test_points_stay_on_the_ball():
    """Protects the geometry of a fitted model: every point lies inside the radius 1 / sqrt c."""
    known, odd = rows()
    model = HyperbolicOneClass(curvature=0.5, **SHORT).fit(known)
    assert np.linalg.norm(model.points(1e4 * odd), axis=1).max() < 1 / np.sqrt(0.5)


def test_the_reference_departs():
    """Protects compat: the three departures of the authors' code change what is learned, and one seed is one answer."""
    known, odd = rows()
    own, again = (HyperbolicOneClass(**SHORT).fit(known).score_samples(odd) for _ in range(2))
    theirs = HyperbolicOneClass(compat="reference", **SHORT).fit(known).score_samples(odd)
    np.testing.assert_array_equal(own, again)
    assert not np.allclose(own, theirs)


def small_encoder():
    """A network of two blocks on pictures of 8 x 8."""
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3, stride=2),
        torch.nn.BatchNorm2d(4),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(4 * 9, 10),
    )


def test_the_last_block_of_an_encoder_learns_and_no_other():
    """Protects fine-tuning: the user's module is untouched, and of the copy only the named block moves."""
    images = np.random.default_rng(0).normal(size=(40, 1, 8, 8)).astype(np.float32)
    encoder = small_encoder().train()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    for trained, moving in ((None, {"4.weight", "4.bias"}), ("0", {"0.weight", "0.bias"})):
        model = HyperbolicOneClass(encoder=encoder, trained=trained, **SHORT).fit(images)
        moved = {n for n, v in model.encoder_.state_dict().items() if not torch.equal(v, before[n])}
        assert moved == moving
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    assert encoder.training
    assert all(p.requires_grad for p in encoder.parameters())


def test_the_gradient_of_the_head_is_clipped_and_that_of_the_encoder_is_not():
    """Protects the paper's training: clipped as one, head and block would both be bounded by 3."""
    images = np.random.default_rng(0).normal(size=(40, 1, 8, 8)).astype(np.float32)
    norms = []

    def seen(optimizer, *_):
        held = [p.grad.double().norm() for g in optimizer.param_groups for p in g["params"] if p.grad is not None]
        norms.append((torch.stack(held[:-2]).norm().item(), torch.stack(held[-2:]).norm().item()))

    hook = register_optimizer_step_pre_hook(seen)
    try:
        HyperbolicOneClass(encoder=small_encoder(), clip_gradient=1e-6, **SHORT).fit(images)
    finally:
        hook.remove()
    head, block = np.array(norms).T
    assert len(norms) == 9
    assert head.max() < 1.01e-6
    assert block.min() > 1e-5


def test_pixels_of_any_type_are_the_same_pictures():
    """Protects what is handed in: pixels 0 to 255, [0, 1] in half and double precision, NumPy and torch agree."""
    images = np.random.default_rng(0).integers(0, 256, (40, 1, 8, 8)).astype(np.uint8)
    given = [images, torch.tensor(images), images / 255, (images / 255).astype(np.float16), torch.tensor(images) / 255]
    scores = [HyperbolicOneClass(encoder=small_encoder(), **SHORT).fit(X).score_samples(X) for X in given]
    for k in (1, 2, 4):
        np.testing.assert_allclose(scores[k], scores[0], atol=1e-3)
    np.testing.assert_allclose(scores[3], scores[0], atol=0.2)


def test_what_an_encoder_gives_is_standardised_as_it_was_before_learning():
    """Protects one default for all encoders: features times 1000 and shifted are learned from as those of variance 1.

    With an encoder that cannot learn the answers are those on ready features.
    """
    known, odd = rows()
    wide = torch.nn.Sequential(torch.nn.Identity(), torch.nn.Linear(12, 12))
    with torch.no_grad():
        wide[1].weight.copy_(1000 * torch.eye(12))
        wide[1].bias.fill_(5000.0)
    slow = {**SHORT, "learning_rate": 1e-9}
    model, still = HyperbolicOneClass(encoder=wide, **slow).fit(known), HyperbolicOneClass(**slow).fit(known)
    np.testing.assert_allclose(model.score_samples(odd), still.score_samples(odd), atol=1e-3)


def test_a_state_without_pickle_gives_the_same_scores():
    """Protects saved models: JSON and arrays are enough, with and without an encoder, the threshold set anew."""
    known, odd = rows()
    images = np.random.default_rng(0).normal(size=(40, 1, 8, 8)).astype(np.float32)
    for data, encoder in ((known, None), (images, small_encoder())):
        model = HyperbolicOneClass(encoder=encoder, **SHORT).fit(data)
        about, arrays = model.to_state()
        back = HyperbolicOneClass.from_state(json.loads(json.dumps(about)), arrays, encoder=encoder)
        np.testing.assert_array_equal(back.score_samples(data), model.score_samples(data))
        back.calibrate(data, target_tpr=0.9)
        assert set(back.predict(data)) == {-1, 1}
    with pytest.raises(InputError, match="has an encoder"):
        HyperbolicOneClass.from_state(about, arrays)


def frames(folder, names):
    """Write small pictures."""
    for i, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4, 3), i, np.uint8)).save(path)


def test_folders_of_frames_are_read_with_attacks_and_videos(tmp_path):
    """Protects protocols: what is real, which attack, and which frames are of one video, in both layouts."""
    frames(tmp_path, ["real/s1/001.png", "real/s1/002.png", "real/s2_001.png", "real/s2_frame002.png"])
    frames(tmp_path, ["attack/print/s1/1.png", "attack/print/s1/2.png", "attack/replay/s1_1.jpg", "attack/x_3.png"])
    (tmp_path / "real" / "notes.txt").write_text("no frame")
    found = read_frames(tmp_path)
    assert [p.name for p in found.paths] == sorted(p.name for p in found.paths) or len(found.paths) == 8
    assert found.known.tolist().count(1) == 4
    by = {str(p.relative_to(tmp_path)): (a, v) for p, a, v in zip(found.paths, found.attack, found.video, strict=True)}
    assert by["real/s1/001.png"] == by["real/s1/002.png"] == ("", "real/s1")
    assert by["real/s2_001.png"] == by["real/s2_frame002.png"] == ("", "real/s2")
    assert by["attack/print/s1/1.png"] == by["attack/print/s1/2.png"] == ("print", "attack/print/s1")
    assert by["attack/replay/s1_1.jpg"] == ("replay", "attack/replay/s1")
    assert by["attack/x_3.png"] == ("attack", "attack/attack/x")


def test_the_name_of_a_frame_tells_its_video():
    """Protects videos in every layout: a folder of frames is one, a name without its number another."""
    names = {
        "real/s1/001.png": "real/s1",
        "real/s1_001.png": "real/s1",
        "real/001.png": "real/001",
        "attack/s1/001.png": "attack/s1/s1",
        "attack/print/s1_001.png": "attack/print/s1",
        "clips/s3/7.png": "clips/s3",
        "s4_7.png": "s4",
        "7.png": "7",
    }
    assert {name: video_of(name) for name in names} == names
    assert video_of("live/s1_1.png", real="live") == "live/s1"


def test_scores_of_videos_are_those_of_their_frames():
    """Protects the step from frames to videos: mean, median and minimum, against a loop."""
    rng = np.random.default_rng(0)
    video, scores = rng.choice(["c", "a", "b", "d"], 61), rng.normal(size=61).round(1)
    for how, one in (("mean", np.mean), ("median", np.median), ("min", np.min)):
        names, found = video_scores(scores, video, how=how)
        assert names.tolist() == ["a", "b", "c", "d"]
        np.testing.assert_allclose(found, [one(scores[video == name]) for name in names])


def test_the_threshold_of_a_validation_set_is_held_to_a_test_set():
    """Protects HTER and ACER: the threshold comes from other videos than the rates, unlike in the authors' code."""
    rng = np.random.default_rng(1)
    known = np.repeat([1, 0], 60)
    validation, test = (rng.normal(size=120) + 2 * known for _ in range(2))
    threshold = eer_threshold(known, validation)
    rates = attack_rates(known, test, threshold=threshold)
    far, frr = (test[known == 0] >= threshold).mean(), (test[known == 1] < threshold).mean()
    assert rates.hter.value == pytest.approx((far + frr) / 2)


def test_a_recapture_keeps_the_shape_and_loses_detail():
    """Protects the simulated attack: same size, uint8, one seed one answer, and never the picture itself."""
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 255, (24, 20, 3)).astype(np.uint8)
    first, again = recapture([photo, photo], random_state=3), recapture([photo, photo], random_state=3)
    np.testing.assert_array_equal(first, again)
    assert first[0].shape == photo.shape
    assert first[0].dtype == np.uint8
    assert not np.array_equal(first[0], first[1])
    assert np.abs(np.diff(first[0].astype(float), axis=0)).mean() < np.abs(np.diff(photo.astype(float), axis=0)).mean()


KNOWN = rows()[0]
BAD = {
    "few": (lambda: HyperbolicOneClass(**SHORT).fit(KNOWN[:3]), "too few"),
    "epochs": (lambda: HyperbolicOneClass(epochs=0).fit(KNOWN), "epochs=0"),
    "clip": (lambda: HyperbolicOneClass(clip_norm=0.0).fit(KNOWN), "a norm above 0 or None"),
    "noise": (lambda: HyperbolicOneClass(noise_scale="some").fit(KNOWN), "'auto'"),
    "no threshold": (lambda: HyperbolicOneClass(**SHORT).fit(KNOWN).predict(KNOWN), "has no threshold"),
    "nan": (lambda: HyperbolicOneClass(**SHORT).fit(np.where(KNOWN > 3, np.nan, KNOWN)), "NaN"),
    "block": (
        lambda: HyperbolicOneClass(encoder=small_encoder(), trained="layer9").fit(np.zeros((9, 1, 8, 8))),
        "begins the name of no parameter",
    ),
    "maps": (
        lambda: HyperbolicOneClass(encoder=small_encoder()[:2], trained="0").fit(np.zeros((9, 1, 8, 8))),
        "ends in features",
    ),
    "no frames": (lambda: read_frames("/nowhere"), "holds no image"),
    "how": (lambda: video_scores([1.0], ["a"], how="max"), "choose 'mean'"),
    "lengths": (lambda: video_scores([1.0, 2.0], ["a"]), "one video a frame"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_one_line(name):
    """Protects the user: each mistake is refused by one line that names it."""
    call, words = BAD[name]
    with pytest.raises(InputError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)
