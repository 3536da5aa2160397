"""Decoders as encoders: the last token stands for the text, whatever the batch, the padding and the type."""

import json

import numpy as np
import pytest

from trueneg.core.errors import InputError
from trueneg.encoders import GgufEncoder, Recipe, text_encoder
from trueneg.encoders.tokens import Tokens, last_token
from trueneg.testing import check_encoder

WORDS = ["[PAD]", "[UNK]", "</s>", "a", "query", "document", "of", "many", "more", "words", "than", "the", "has"]
TEXTS = ["a query", "a document of many more words than the query has", "", "words words", "a query of words"]
EOS = 2


def _tokenizer(folder):
    tokenizers = pytest.importorskip("tokenizers", reason="needs the extra onnx")
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    folder.mkdir(parents=True, exist_ok=True)
    made.save(str(folder / "tokenizer.json"))
    return folder / "tokenizer.json"


def _small(dtype=None):
    """One causal layer of attention: a text is read from left to right, and only its last token has seen it whole."""
    torch = pytest.importorskip("torch")

    class Small(torch.nn.Module):
        def __init__(self):
            super().__init__()
            draw = torch.Generator().manual_seed(0)
            self.table = torch.nn.Parameter(torch.randn(len(WORDS), 8, generator=draw, dtype=dtype))
            self.mix = torch.nn.Parameter(torch.randn(8, 8, generator=draw, dtype=dtype))

        def forward(self, input_ids, attention_mask):
            x = self.table[input_ids]
            seen = torch.tril(torch.ones(x.shape[1], x.shape[1], dtype=torch.bool)) & (attention_mask[:, None] > 0)
            weight = (x @ self.mix @ x.transpose(1, 2)).masked_fill(~seen, -1e4).softmax(2)
            return x + weight @ x

    return Small()


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_last_token_is_found_on_either_side(side):
    """Padding on the left must not be read as the last token, nor padding on the right; types go through unchanged."""
    torch = pytest.importorskip("torch")
    hidden = np.random.default_rng(0).normal(size=(4, 5, 3)).astype(np.float32)
    lengths = np.array([1, 5, 3, 2])
    place = np.arange(5)
    mask = place < lengths[:, None] if side == "right" else place >= 5 - lengths[:, None]
    last = lengths - 1 if side == "right" else np.full(4, 4)
    wanted = hidden[np.arange(4), last]
    np.testing.assert_array_equal(last_token(hidden, mask.astype(np.int64)), wanted)
    given = torch.tensor(hidden, requires_grad=True)
    found = last_token(given, torch.tensor(mask.astype(np.int64)))
    np.testing.assert_array_equal(found.detach().numpy(), wanted)
    found.sum().backward()
    assert np.flatnonzero(given.grad.numpy().any(axis=2)).tolist() == (np.arange(4) * 5 + last).tolist()


def test_every_text_ends_with_the_token_that_ends_it(tmp_path):
    """A cut text without [EOS] would be read by a token that nobody trained for it; two of them are one too many."""
    path = _tokenizer(tmp_path)
    tokens = Tokens(path, 4, EOS)
    ids, mask = tokens.batch(["a query", TEXTS[1], "", "a query </s>"])
    rows = [row[m > 0].tolist() for row, m in zip(ids, mask, strict=True)]
    assert rows == [[3, 4, EOS], [3, 5, 6, EOS], [EOS], [3, 4, 1, EOS]]
    assert max(len(row) for row in rows) == 4
    assert tokens.count(TEXTS) == [2, 10, 0, 2, 4]  # before anything is cut
    assert tokens.batch([TEXTS[1]])[0].shape == (1, 4)  # counting leaves the limit as it was
    with pytest.raises(InputError, match="no token 99"):
        Tokens(path, 4, 99)


def test_a_decoder_is_the_same_in_every_batch(tmp_path):
    """The vector of a text must not depend on its neighbours, and must be that of its last token."""
    torch = pytest.importorskip("torch")
    from trueneg.encoders import TorchEncoder

    path, module = _tokenizer(tmp_path), _small()
    encoder = TorchEncoder(module, path, recipe=Recipe(32, "last", eos=EOS))
    check_encoder(encoder)
    found = encoder.encode(TEXTS)
    for text, row in zip(TEXTS, found, strict=True):
        ids = torch.tensor([[WORDS.index(w) for w in text.split()] + [EOS]])
        whole = module(ids, torch.ones_like(ids))[0, -1].detach().numpy()
        np.testing.assert_allclose(row, whole / np.linalg.norm(whole), rtol=1e-5, atol=1e-6)
    half = TorchEncoder(_small().to(torch.bfloat16), path, recipe=Recipe(32, "last", eos=EOS)).encode(TEXTS)
    assert half.dtype == np.float32
    assert ((half * found).sum(axis=1) > 0.995).all()
    assert encoder.fingerprint != TorchEncoder(module, path, recipe=Recipe(32, "last")).fingerprint


def test_a_folder_says_how_its_decoder_is_read(tmp_path):
    """What sentence-transformers wrote must be read as it would: pooling by the last token, [EOS] where it adds one."""
    for name, content in (
        ("1_Pooling/config.json", {"pooling_mode_lasttoken": True, "pooling_mode_mean_tokens": False}),
        ("modules.json", [{"type": "sentence_transformers.models.Pooling"}]),
        ("tokenizer_config.json", {"add_eos_token": True}),
        ("config.json", {"eos_token_id": [7, 8]}),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(content))
    assert Recipe.of(tmp_path) == Recipe(256, "last", False, 7)
    (tmp_path / "1_Pooling/config.json").write_text(json.dumps({"pooling_mode": "lasttoken"}))
    (tmp_path / "tokenizer_config.json").write_text("{}")
    assert Recipe.of(tmp_path) == Recipe(256, "last", False, None)


@pytest.mark.slow
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_llama_of_transformers(tmp_path, side):
    """The published architecture, with random weights: batches, padding on either side and folders give one answer."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    from trueneg.core.training import seeded
    from trueneg.encoders import TorchEncoder

    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    with seeded(0):
        model = transformers.LlamaModel(transformers.LlamaConfig(vocab_size=len(WORDS), eos_token_id=EOS, **shape))
    model.save_pretrained(tmp_path)
    path = _tokenizer(tmp_path)
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling/config.json").write_text(json.dumps({"pooling_mode_lasttoken": True}))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"add_eos_token": True}))
    encoder = TorchEncoder.load(tmp_path)
    check_encoder(encoder)
    found = encoder.encode(TEXTS)
    ids, mask = Tokens(path, 256, EOS).batch(TEXTS)
    if side == "left":
        shift = (1 - mask).sum(axis=1)
        turned = [(np.roll(a, s), np.roll(m, s)) for a, m, s in zip(ids, mask, shift, strict=True)]
        ids, mask = (np.stack(part) for part in zip(*turned, strict=True))
    with torch.inference_mode():
        hidden = model.eval()(input_ids=torch.tensor(ids), attention_mask=torch.tensor(mask)).last_hidden_state
    np.testing.assert_allclose(encoder.recipe.pooled(hidden.numpy(), mask), found, atol=1e-5)
    model.to(torch.bfloat16)
    half = TorchEncoder(model, path, recipe=encoder.recipe).encode(TEXTS)
    assert ((half * found).sum(axis=1) > 0.99).all()


def _packaged():
    from trueneg.llm import embedded_model

    pytest.importorskip("xllamacpp", reason="needs the extra local")
    try:
        return embedded_model()
    except InputError as error:
        pytest.skip(str(error))


@pytest.mark.slow
def test_a_real_decoder_from_a_file():
    """A model that was trained, run by llama.cpp, must be an encoder like any other, and know what is alike."""
    path = _packaged()
    encoder = GgufEncoder(path, max_length=32)
    check_encoder(encoder)
    assert encoder.count(["hello world", "", "a<|im_end|>"])[:2] == [2, 0]
    assert encoder.count(["a<|im_end|>"])[0] > 2  # a mark within a text is text
    long = "word " * 300
    np.testing.assert_allclose(encoder.encode([long]), encoder.encode([long + "and more"]), atol=1e-5)
    bare = GgufEncoder(path, max_length=32, eos=False)
    assert bare.fingerprint != encoder.fingerprint
    assert not np.allclose(bare.encode(["a query"]), encoder.encode(["a query"]), atol=0.01)
    assert (bare.encode([""]) == 0).all()
    a, b, c = encoder.encode(["The wing lifts.", "The wing lifts!", "Cooking rice takes twenty minutes."])
    assert a @ b > a @ c


def test_bad_models_are_one_clear_line(tmp_path):
    """A file that is none must be refused before anything is loaded."""
    (tmp_path / "a.gguf").write_bytes(b"nothing")
    for make, said in (
        (lambda: GgufEncoder(tmp_path / "b.gguf"), "no such model"),
        (lambda: GgufEncoder(tmp_path / "a.gguf"), "no GGUF file"),
        (lambda: GgufEncoder(tmp_path / "a.gguf", pooling="max"), "pooling='max'"),
        (lambda: text_encoder("gguf:nowhere", folder=tmp_path), "nowhere"),
        (lambda: Recipe(pooling="first"), "mean, cls or last"),
    ):
        with pytest.raises(InputError) as error:
            make()
        assert said in str(error.value)
