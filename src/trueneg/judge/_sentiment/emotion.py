"""One of seven emotions: a linear head on words and letters, a model from the hub, or a language model."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trueneg.core.errors import InputError
from trueneg.judge._sentiment.labellers import Labels

__all__ = ["EMOTIONS", "EmotionHead", "EmotionModel", "EmotionWriter"]

EMOTIONS = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")
_WORD = r"(?u)\b\w[\w']*\b|[!?]+|[:;][()DPp]"


class EmotionHead:
    """TF-IDF of words and letters under a balanced logistic regression: seconds to train, no download.

    Parameters
    ----------
    words, letters : int, default=20_000, 30_000
        Terms of one and two words, and pieces of three to five letters, that are kept.
    C : float, default=3.0
        Inverse regularisation.
    """

    name = "emotion"

    def __init__(self, *, words: int = 20_000, letters: int = 30_000, C: float = 3.0) -> None:
        self.words, self.letters, self.C = words, letters, C
        self.classes: tuple[str, ...] = ()
        self.about = "emotion head, not trained"

    def fit(self, texts: Sequence[str], labels: Sequence[str], *, trained_on: str = "texts of your own") -> EmotionHead:
        """Learn from texts and one label each; ``trained_on`` is kept as provenance."""
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits

        if len(texts) != len(labels) or not len(texts):
            msg = f"{len(texts)} texts and {len(labels)} labels: give one label a text, and some."
            raise InputError(msg)
        self.classes = tuple(sorted(set(labels)))
        if len(self.classes) < 2:
            msg = f"all {len(labels)} labels are {self.classes[0]!r}: give two classes at least."
            raise InputError(msg)
        self._vectors = [vector.set_params() for vector in self._vectorizers()]
        for vector in self._vectors:
            vector.fit(texts)
        model = LogisticRegression(class_weight="balanced", C=self.C, max_iter=300, tol=2e-3)
        with threadpool_limits(limits=1):
            model.fit(self._features(texts), np.asarray(labels, dtype=object).astype(str))
        coef, bias = model.coef_, model.intercept_
        if len(self.classes) == 2:
            coef, bias = np.vstack([-coef, coef]) / 2, np.concatenate([-bias, bias]) / 2
        self._coef, self._bias = np.ascontiguousarray(coef.T, dtype=np.float32), bias.astype(np.float32)
        self.about = f"TF-IDF and logistic regression, {len(texts):,} texts of {trained_on}"
        return self

    def label(self, texts: Sequence[str]) -> Labels:
        """Label texts; the score is the probability of the class."""
        if not self.classes:
            raise InputError("the emotion head is not trained: call fit, load, or trained_head().")
        if not len(texts):
            return Labels([], np.empty(0))
        scores = self._features(texts) @ self._coef + self._bias
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        best = scores.argmax(axis=1)
        return Labels([self.classes[b] for b in best], (scores.max(axis=1) / scores.sum(axis=1)).astype(np.float64))

    def save(self, folder: str | Path) -> None:
        """Write ``emotion.json`` and ``emotion.npz`` into a folder."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        terms = [dict(sorted(v.vocabulary_.items(), key=lambda item: item[1])) for v in self._vectors]
        about = {"about": self.about, "classes": self.classes, "C": self.C, "terms": [list(t) for t in terms]}
        (folder / "emotion.json").write_text(json.dumps(about), encoding="utf-8")
        idf = {f"idf{i}": v.idf_ for i, v in enumerate(self._vectors)}
        np.savez_compressed(folder / "emotion.npz", coef=self._coef, bias=self._bias, **idf)

    @classmethod
    def load(cls, folder: str | Path) -> EmotionHead:
        """Read what :meth:`save` wrote; it holds numbers and words, nothing that runs."""
        folder = Path(folder)
        try:
            about = json.loads((folder / "emotion.json").read_text(encoding="utf-8"))
            with np.load(folder / "emotion.npz", allow_pickle=False) as arrays:
                held = {name: arrays[name] for name in arrays.files}
            words, letters = about["terms"]
            head = cls(words=len(words), letters=len(letters), C=about["C"])
            head.classes, head.about = tuple(about["classes"]), about["about"]
            head._coef, head._bias, head._vectors = held["coef"], held["bias"], head._vectorizers()
            for i, (vector, terms) in enumerate(zip(head._vectors, about["terms"], strict=True)):
                vector.vocabulary_ = {term: j for j, term in enumerate(terms)}
                vector.idf_ = held[f"idf{i}"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            msg = f"{folder} holds no emotion head that can be read ({type(error).__name__}); train it again."
            raise InputError(msg) from error
        return head

    def _vectorizers(self) -> list[Any]:
        from sklearn.feature_extraction.text import TfidfVectorizer

        common: dict[str, Any] = {"sublinear_tf": True, "dtype": np.float32}
        return [
            TfidfVectorizer(ngram_range=(1, 2), token_pattern=_WORD, max_features=self.words, **common),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), max_features=self.letters, **common),
        ]

    def _features(self, texts: Sequence[str]) -> Any:
        from scipy.sparse import hstack

        return hstack([vector.transform(texts) for vector in self._vectors], format="csr")


class EmotionModel:
    """A text classifier of the Hugging Face hub, or of a folder, by its name.

    Parameters
    ----------
    model : str
        Such as ``j-hartmann/emotion-english-distilroberta-base``, which has the seven classes.
    batch_size : int, default=32
        Texts at once; each is cut at the model's length.
    """

    name = "emotion"

    def __init__(self, model: str, *, batch_size: int = 32) -> None:
        try:
            from transformers import pipeline
        except ImportError:
            msg = f"{model}: a model of the hub needs transformers and torch: pip install transformers torch"
            raise InputError(msg) from None
        try:
            self._pipeline: Any = pipeline("text-classification", model=model, batch_size=batch_size)
        except (OSError, ValueError) as error:
            msg = f"{model}: the model cannot be loaded ({str(error).splitlines()[0][:120]}); check its name or folder."
            raise InputError(msg) from error
        self.classes = tuple(sorted(str(v) for v in (self._pipeline.model.config.id2label or {}).values()))
        longest = getattr(self._pipeline.model.config, "max_position_embeddings", 512)
        self._longest = min(int(longest), int(getattr(self._pipeline.tokenizer, "model_max_length", 512)))
        self.about = f"{model} by transformers"

    def label(self, texts: Sequence[str]) -> Labels:
        """Label texts; the score is the model's probability of the class."""
        found = self._pipeline(list(texts), truncation=True, max_length=self._longest)
        return Labels([row["label"] for row in found], np.array([row["score"] for row in found], dtype=np.float64))


class EmotionWriter:
    """A language model that is asked for one word.

    Parameters
    ----------
    generate : callable or Generator
        ``generate(prompts, n, seed)``, lists of ``n`` texts (:class:`trueneg.core.shapes.Generator`), or an object
        that has such a method.
    name : str
        What to call the model in the provenance.
    classes : tuple of str
        What it may say; an answer that names none of them, or two, is no label.
    """

    def __init__(self, generate: Any, *, name: str, classes: tuple[str, ...] = EMOTIONS, seed: int = 0) -> None:
        self._generate: Callable[..., Any] = getattr(generate, "generate", generate)
        self.classes, self.seed, self.name = classes, seed, "emotion"
        self.about = f"language model {name}, seed {seed}"
        self._known = re.compile(r"\b(" + "|".join(map(re.escape, classes)) + r")\b", re.IGNORECASE)

    def label(self, texts: Sequence[str]) -> Labels:
        """Label texts; there is no score, and None where the answer names no one class."""
        ask = f"Which one of these emotions does the text express: {', '.join(self.classes)}? Answer with one word."
        answers = self._generate([f"{ask}\n\nText: {text}\n\nEmotion:" for text in texts], 1, self.seed)
        labels: list[str | None] = []
        for answer in answers:
            named = {word.lower() for word in self._known.findall(answer[0])}
            labels.append(named.pop() if len(named) == 1 else None)
        return Labels(labels, np.full(len(labels), np.nan))
