"""The checks of the Generator and Verifier shapes pass sound ones and catch each defect."""

import itertools
import json

import numpy as np
import pytest

from trueneg.core.verdicts import make_verdicts
from trueneg.llm import FunctionModel, LanguageModel, ModelVerifier
from trueneg.testing import check_generator, check_verifier


def _model(function):
    return LanguageModel(FunctionModel(function, name="t"))


def test_a_language_model_and_its_judge_conform():
    """What trueneg brings itself must keep to the shapes that it asks of others."""
    check_generator(_model(lambda messages, seed: f"{messages[-1]['content']} {seed}"))
    sums = {"1 + 1?": "2", "2 + 2?": "4"}

    def judge(messages, seed):
        text = messages[-1]["content"]
        right = any(f"{item}\n\nAnswer:\n{answer}\n" in text for item, answer in sums.items())
        return json.dumps({"correct": right, "probability": 0.9, "reason": ""})

    check_verifier(ModelVerifier(_model(judge)))
    check_verifier(ModelVerifier(_model(lambda messages, seed: "no JSON")))


class Plain:
    """A sound generator that the broken ones differ from in one way."""

    def generate(self, prompts, n, seed):
        """Return the prompt and the number of the sample."""
        return [[f"{p} {seed + i}" for i in range(n)] for p in prompts]


class OneText(Plain):
    """Gives one text whatever n is."""

    def generate(self, prompts, n, seed):
        return super().generate(prompts, 1, seed)


class Random(Plain):
    """Draws without the seed."""

    count = itertools.count()

    def generate(self, prompts, n, seed):
        return [[f"{next(self.count)}" for _ in range(n)] for _ in prompts]


class Consumes(Plain):
    """Empties the list it was given."""

    def generate(self, prompts, n, seed):
        found = super().generate(prompts, n, seed)
        prompts.sort()
        return found


@pytest.mark.parametrize(
    ("broken", "told"), [(OneText, "n=3 gave"), (Random, "same seed gave other"), (Consumes, "prompts were changed")]
)
def test_each_defect_of_a_generator_is_caught(broken, told):
    """A check that passes everything would let a broken plug-in into a study."""
    check_generator(Plain())
    with pytest.raises(AssertionError, match=told):
        check_generator(broken())


class Sound:
    """A sound verifier that the broken ones differ from in one way."""

    def verify(self, items, candidates):
        """Accept the right sums."""
        right = {("1 + 1?", "2"), ("2 + 2?", "4")}
        return make_verdicts(["accept" if pair in right else "reject" for pair in zip(items, candidates, strict=True)])


class First(Sound):
    """Accepts the first of a batch."""

    def verify(self, items, candidates):
        return make_verdicts(["accept" if i == 0 else "reject" for i in range(len(items))])


class YesOnError(Sound):
    """Counts an error as a yes."""

    def verify(self, items, candidates):
        found = super().verify(items, candidates)
        outcome = np.where(found.accept == 1, "error", found.outcome)
        return found._replace(outcome=outcome)


class Shorter(Sound):
    """Leaves out the last."""

    def verify(self, items, candidates):
        return super().verify(items[:-1], candidates[:-1])


@pytest.mark.parametrize("broken", [First, YesOnError, Shorter])
def test_each_defect_of_a_verifier_is_caught(broken):
    """A verdict that depends on the batch, a yes that nobody said, and a missing verdict must be found."""
    check_verifier(Sound())
    with pytest.raises((AssertionError, ValueError)):
        check_verifier(broken())
