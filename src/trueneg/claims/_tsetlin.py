"""What the claims about the Tsetlin machine are held to: two sets of documents, and the baselines on them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.sparse as sp

from trueneg.core.errors import ClaimNotRun

__all__ = ["Make", "baselines", "clinical", "newsgroups", "rivals"]

Make = Callable[[dict[str, Any]], Any]


@lru_cache(maxsize=1)
def clinical() -> tuple[Any, np.ndarray]:
    """Return the clinical set: 431 documents, 38,876 binary terms (CSR), and whether there is an allergy."""
    from trueneg.data.registry import file

    with tarfile.open(file("clinical_allergy/cl_ds.tar.gz")) as outer:
        packed = outer.extractfile(outer.getmembers()[0])
        if packed is None:
            raise ClaimNotRun("cl_ds.tar.gz holds no archive: get it again")
        with tarfile.open(fileobj=io.BytesIO(packed.read())) as inner:
            text = inner.extractfile(inner.getmembers()[0])
            if text is None:
                raise ClaimNotRun("cl_ds.tar.gz holds no table: get it again")
            raw = text.read()
    cells = np.frombuffer(raw.translate(None, b" \n\r"), dtype=np.uint8) - ord("0")
    table = cells.reshape(raw.count(b"\n"), -1)
    return sp.csr_matrix(table[:, :-1]), table[:, -1].astype(np.int64)


@lru_cache(maxsize=1)
def newsgroups() -> tuple[Any, np.ndarray, Any, np.ndarray]:
    import pyarrow.parquet as pq
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.feature_selection import SelectKBest, chi2

    from trueneg.data.registry import file

    table = pq.read_table(file("20newsgroups.parquet"))
    text, label, split = (np.array(table[name].to_pylist(), dtype=object) for name in ("text", "label", "split"))
    train, test = split == "train", split == "test"
    words = CountVectorizer(binary=True, min_df=3, max_df=0.5)
    X, Z = words.fit_transform(text[train]), words.transform(text[test])
    names, codes = np.unique(label.astype(str), return_inverse=True)
    best = SelectKBest(chi2, k=5000).fit(X, codes[train])
    return best.transform(X).tocsr(), codes[train], best.transform(Z).tocsr(), codes[test]


def baselines(seed: int, full: bool) -> dict[str, tuple[Make, list[dict[str, Any]]]]:
    """Return maker and grid of each baseline; those that are never the best one, or slow, if full."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import BernoulliNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.svm import LinearSVC
    from sklearn.tree import DecisionTreeClassifier

    both = (None, "balanced")
    costs = (0.001, 0.01, 0.1)
    linear = [{"C": c, "class_weight": w} for c in costs for w in both]
    support = [{"C": c / 3, "class_weight": w} for c in costs for w in both]
    forest = {"n_estimators": 100, "random_state": seed}
    found: dict[str, tuple[Make, list[dict[str, Any]]]] = {
        "logistic regression": (lambda p: LogisticRegression(max_iter=500, **p), linear),
        "linear SVM": (lambda p: LinearSVC(random_state=seed, **p), support),
        "naive Bayes": (lambda p: BernoulliNB(**p), [{"alpha": a} for a in (0.01, 0.1, 1.0)]),
        "random forest": (lambda p: RandomForestClassifier(**forest, **p), [{"class_weight": w} for w in both]),
    }
    if full:
        depths, neighbours = [{"max_depth": d} for d in (3, 10, None)], [{"n_neighbors": k} for k in (1, 5, 15)]
        found["tree"] = (lambda p: DecisionTreeClassifier(random_state=seed, **p), depths)
        found["k-NN"] = (lambda p: KNeighborsClassifier(metric="cosine", **p), neighbours)
        found["LSTM"] = (lambda p: _Recurrent(seed, **p), [{"passes": 8}, {"passes": 16}])
    return found


class _Recurrent:
    """A small LSTM over the numbers of the terms that a document has, in their order."""

    LONGEST, WIDTH, BATCH = 300, 32, 32

    def __init__(self, seed: int, *, passes: int) -> None:
        self.seed, self.passes = seed, passes

    def fit(self, X: Any, y: np.ndarray) -> _Recurrent:
        try:
            import torch
        except ImportError as error:
            raise ClaimNotRun("the LSTM needs torch: pip install torch") from error

        torch.manual_seed(self.seed)
        self.words = torch.nn.Embedding(X.shape[1] + 1, self.WIDTH, padding_idx=0)
        self.cells = torch.nn.LSTM(self.WIDTH, self.WIDTH, batch_first=True, bidirectional=True)
        self.last = torch.nn.Linear(2 * self.WIDTH, 1)
        parts = [*self.words.parameters(), *self.cells.parameters(), *self.last.parameters()]
        step = torch.optim.Adam(parts, lr=3e-3)
        texts, target = self._texts(X), torch.tensor(y, dtype=torch.float32)
        rng = np.random.default_rng(self.seed)
        for _ in range(self.passes):
            for rows in np.array_split(rng.permutation(len(y)), -(-len(y) // self.BATCH)):
                step.zero_grad()
                logits = self._logits(texts[rows])
                torch.nn.functional.binary_cross_entropy_with_logits(logits, target[rows]).backward()
                step.step()
        return self

    def predict(self, X: Any) -> np.ndarray:
        import torch

        with torch.no_grad():
            return (self._logits(self._texts(X)) > 0).numpy().astype(np.int64)

    def _logits(self, texts: Any) -> Any:
        return self.last(self.cells(self.words(texts))[0].amax(dim=1)).squeeze(1)

    def _texts(self, X: Any) -> Any:
        import torch

        texts = np.zeros((X.shape[0], self.LONGEST), dtype=np.int64)
        for i, (start, stop) in enumerate(zip(X.indptr[:-1], X.indptr[1:], strict=True)):
            own = X.indices[start : min(stop, start + self.LONGEST)]
            texts[i, : len(own)] = own + 1
        return torch.from_numpy(texts)


@lru_cache(maxsize=1)
def rivals() -> dict[str, float]:
    """Return the accuracy of each tuned baseline on 20 Newsgroups: nothing in them hangs on a seed."""
    from sklearn.model_selection import GridSearchCV
    from sklearn.naive_bayes import BernoulliNB, MultinomialNB
    from sklearn.svm import LinearSVC

    X, y, Z, t = newsgroups()
    models = {
        "linear SVM": GridSearchCV(LinearSVC(random_state=0), {"C": [0.003, 0.01, 0.03]}, cv=3),
        "Bernoulli naive Bayes": GridSearchCV(BernoulliNB(), {"alpha": [0.003, 0.01, 0.1, 1.0]}, cv=3),
        "multinomial naive Bayes": GridSearchCV(MultinomialNB(), {"alpha": [0.01, 0.1, 1.0]}, cv=3),
    }
    return {name: float((model.fit(X, y).predict(Z) == t).mean()) for name, model in models.items()}
