"""Language models through HTTP, in this process, and as functions: retries, cache, counts, resuming, judging."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueneg.core.errors import InputError
from trueneg.core.shapes import Generator, Verifier
from trueneg.llm import (
    Cache,
    FunctionModel,
    LanguageModel,
    LocalModel,
    ModelError,
    ModelVerifier,
    OpenAICompatible,
    Reply,
    Request,
    embedded_model,
)
from trueneg.llm._client.cache import key_of
from trueneg.llm._client.http import parsed


def _client(server, token, **options):
    options = {"wait": 0.01, "timeout": 1.0, "total": 20.0, **options}
    return OpenAICompatible("tiny", base_url=server.url, api_key=token, **options)


def test_samples_differ_and_are_kept_apart(serve, token, tmp_path):
    """N samples of one prompt must be N answers: a cache without the sample's index would make them one."""
    server = serve()
    model = LanguageModel(_client(server, token), cache=tmp_path / "c.sqlite", prices=(1.0, 2.0))
    assert isinstance(model, Generator)
    first = model.generate(["a", "b"], n=3, seed=5)
    assert first == [[f"echo {p} {5 + i}" for i in range(3)] for p in "ab"]
    assert (model.usage.asked, model.usage.prompt_tokens, model.usage.completion_tokens) == (6, 42, 18)
    assert model.usage.cost == pytest.approx((42 + 2 * 18) / 1e6)
    assert model.generate(["b", "a"], n=3, seed=5) == first[::-1]
    assert (model.usage.asked, model.usage.cached) == (6, 6)
    assert sum(server.asked.values()) == 6
    assert model.generate(["a", "a"], n=1, seed=5) == [["echo a 5"], ["echo a 5"]]


@given(st.sampled_from(["model", "messages", "sample", "seed", "temperature", "max_tokens", "schema"]))
def test_every_part_of_a_question_is_in_its_key(part):
    """Two questions that differ in anything must never share an answer."""
    base = {"messages": ({"role": "user", "content": "a"},), "sample": 0, "seed": 0, "temperature": 1.0}
    other = {
        "messages": {"messages": ({"role": "user", "content": "b"},)},
        "sample": {"sample": 1},
        "seed": {"seed": 1},
        "temperature": {"temperature": 0.5},
        "max_tokens": {"max_tokens": 9},
        "schema": {"schema": {"type": "object"}},
    }.get(part, {})
    assert key_of("m", Request(**base)) == key_of("m", Request(**base))
    assert key_of("m", Request(**base)) != key_of("n" if part == "model" else "m", Request(**{**base, **other}))


@pytest.mark.parametrize(
    "faults",
    [
        [(429, {}), (500, {})],
        [(408, {}), (409, {}), (503, {})],
        ["half"],
        ["cut", "half", (502, {})],
        ["hang"],
    ],
    ids=str,
)
def test_what_may_pass_is_tried_again(serve, token, faults):
    """A busy server, a broken connection, half a JSON and silence must cost time, not the answer."""
    server = serve()
    server.faults = list(faults)
    client = _client(server, token)
    assert client.complete(Request(({"role": "user", "content": "x"},))).text == "echo x 0"
    assert len(server.bodies) == len(faults) + 1
    assert client.retried == len(faults)


def test_retry_after_is_kept_to(serve, token):
    """A server that says when to come back must not be asked earlier; one that says "in an hour" ends the question."""
    server = serve()
    server.faults = [(429, {"Retry-After": "0.6"})]
    client = _client(server, token)
    assert client.complete(Request(({"role": "user", "content": "x"},))).text == "echo x 0"
    assert server.times[1] - server.times[0] >= 0.6
    server.faults = [(429, {"Retry-After": "3600"})]
    started = time.monotonic()
    with pytest.raises(ModelError, match="says 429 after 1 attempts"):
        client.complete(Request(({"role": "user", "content": "y"},)))
    assert time.monotonic() - started < 5


def test_attempts_and_time_have_an_end(serve, token):
    """A server that never recovers must end the question after the attempts and the time that were given."""
    server = serve()
    server.faults = [(500, {})] * 50
    with pytest.raises(ModelError, match="says 500 after 3 attempts"):
        _client(server, token, attempts=3).complete(Request(({"role": "user", "content": "x"},)))
    assert len(server.bodies) == 3
    with pytest.raises(ModelError, match="says 500"):
        _client(server, token, attempts=1000, total=0.3, wait=0.1).complete(
            Request(({"role": "user", "content": "y"},))
        )
    assert len(server.bodies) < 20


def test_a_wrong_key_ends_at_once(serve, tmp_path):
    """Where no question will be answered, the first refusal must end the run with the server's words."""
    server = serve()
    model = LanguageModel(OpenAICompatible("m", base_url=server.url, api_key="no"), concurrency=2)
    with pytest.raises(ModelError, match=r"refuses with 401 .*wrong key.*check the key") as caught:
        model.generate([str(i) for i in range(50)])
    assert len(server.bodies) <= 4
    assert "no" not in str(caught.value).split("@")[0]


def test_one_question_that_fails_costs_no_other(serve, token, tmp_path):
    """Ninety-nine answers must survive the hundredth's failure, and a second run must ask for that one alone."""
    broken = {"on": True}

    def answer(body):
        if broken["on"] and body["messages"][-1]["content"] == "7":
            raise BrokenPipeError
        return "fine"

    server = serve(answer)
    model = LanguageModel(_client(server, token, attempts=2), cache=tmp_path / "c.sqlite")
    with pytest.raises(ModelError, match="1 of 12 questions got no answer .*kept, run it again"):
        model.generate([str(i) for i in range(12)])
    broken["on"], asked = False, sum(server.asked.values())
    assert model.generate([str(i) for i in range(12)]) == [["fine"]] * 12
    assert sum(server.asked.values()) == asked + 1


def test_no_more_at_once_than_said(serve, token):
    """A limit on what is under way must hold, and be used."""
    server = serve()
    server.delay = 0.05
    done = []
    model = LanguageModel(_client(server, token), concurrency=3, progress=lambda text, i, n: done.append((i, n)))
    model.generate([str(i) for i in range(12)])
    assert server.most == 3
    assert done == [(i, 12) for i in range(1, 13)]


def test_a_killed_run_asks_nothing_twice_and_loses_nothing(serve, token, tmp_path):
    """After SIGKILL half-way, what was kept must not be asked again, and everything must be there in the end."""
    server = serve()
    server.delay = 0.03
    code = f"""
        from trueneg.llm import LanguageModel, OpenAICompatible
        backend = OpenAICompatible("tiny", base_url={server.url!r}, api_key={token!r})
        model = LanguageModel(backend, cache={str(tmp_path / "c.sqlite")!r}, concurrency=2)
        model.generate([str(i) for i in range(200)])
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)])
    while sum(server.answered.values()) < 20:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(0.1)
    server.delay = 0.0
    cache = Cache(tmp_path / "c.sqlite")
    kept = len(cache)
    asked = sum(server.asked.values())
    assert 18 <= kept < 200
    model = LanguageModel(_client(server, token), cache=cache, concurrency=2)
    assert model.generate([str(i) for i in range(200)]) == [[f"echo {i} 0"] for i in range(200)]
    assert model.usage.cached == kept
    assert sum(server.asked.values()) == asked + 200 - kept
    assert sum(n > 1 for n in server.asked.values()) <= 2  # those that were under way when it was killed


def test_processes_share_a_cache(tmp_path):
    """Two processes that write at once must lose no answer and spoil no row."""
    path = tmp_path / "c.sqlite"
    code = (
        "import sys; from trueneg.llm import Cache, Reply\n"
        f"cache = Cache({str(path)!r})\n"
        "for i in range(200):\n"
        "    cache.put(f'{sys.argv[1]}-{i}', Reply(str(i)))\n"
        "    cache.put(f'both-{i}', Reply(sys.argv[1]))"
    )
    runs = [subprocess.Popen([sys.executable, "-c", code, name]) for name in "ab"]
    assert [run.wait() for run in runs] == [0, 0]
    cache = Cache(path)
    assert len(cache) == 600
    assert {cache.get(f"a-{i}").text for i in range(200)} == {str(i) for i in range(200)}
    first = cache.get("both-5")
    assert cache.put("both-5", Reply("late")) == first  # the first answer stays


def test_a_cache_holds_text_only_and_a_strange_file_is_refused(tmp_path):
    """Nothing in the file may run; a row of another shape is asked again, a file that is no cache is one line."""
    path = tmp_path / "c.sqlite"
    cache = Cache(path)
    cache.put("k", Reply("answer", "stop", None, 3, 4))
    with sqlite3.connect(path) as raw:
        rows = raw.execute("SELECT * FROM replies").fetchall()
        raw.execute("INSERT INTO replies VALUES ('odd', 'no json')")
    assert json.loads(rows[0][1])["text"] == "answer"
    assert cache.get("odd") is None
    assert cache.get("k") == Reply("answer", "stop", None, 3, 4)
    (tmp_path / "x").write_text("hello " * 100)
    with pytest.raises(InputError, match="no cache of answers"):
        Cache(tmp_path / "x")
    with pytest.raises(InputError, match="folder does not exist"):
        Cache(tmp_path / "none" / "c")


def test_threads_share_a_cache(tmp_path):
    """Every thread of a run writes: no answer may be lost between them."""
    cache = Cache(tmp_path / "c.sqlite")
    threads = [
        threading.Thread(target=lambda t=t: [cache.put(f"{t}-{i}", Reply("x")) for i in range(50)]) for t in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(cache) == 200


def test_a_judge_says_yes_only_by_saying_so(serve, token):
    """Refusals, rubbish, silence and failures must each have their own outcome, and none may be an accept."""
    answers = {
        "good": '{"reason": "ok", "correct": true, "probability": 0.9}',
        "bad": 'Sure! ```json\n{"reason": "no", "correct": false, "probability": 0.2}\n```',
        "odd": '{"correct": "true"}',
        "prose": "It is correct.",
        "wild": '{"reason": "", "correct": true, "probability": 7}',
    }

    def answer(body):
        text = body["messages"][-1]["content"]
        if "refuse" in text:
            message = {"content": None, "refusal": "I will not"}
            return {"choices": [{"message": message, "finish_reason": "stop"}], "usage": {}}
        if "broken" in text:
            raise BrokenPipeError
        if "slow" in text:
            time.sleep(2)
        return next(v for k, v in answers.items() if k in text)

    server = serve(answer)
    judge = ModelVerifier(LanguageModel(_client(server, token, attempts=1, timeout=0.7), concurrency=8))
    assert isinstance(judge, Verifier)
    names = ["good", "bad", "odd", "prose", "wild", "refuse", "broken", "slow"]
    found = judge.verify(["1 + 1?"] * 8, names)
    assert found.outcome.tolist() == [
        "accept",
        "reject",
        "unparsed",
        "unparsed",
        "accept",
        "abstain",
        "error",
        "timeout",
    ]
    assert found.accept.tolist() == [1, 0, -1, -1, 1, -1, -1, -1]
    np.testing.assert_allclose(found.probability[:2], [0.9, 0.2])
    assert np.isnan(found.probability[2:]).all()
    assert found.cost[0] == 10
    assert found.reason[5] == "I will not"
    asked = server.bodies[0]
    assert asked["temperature"] == 0
    assert asked["response_format"]["json_schema"]["schema"]["required"] == ["reason", "correct", "probability"]
    assert judge.verify([], []).accept.shape == (0,)
    with pytest.raises(InputError, match="one item a candidate"):
        judge.verify(["a"], [])


def test_any_function_is_a_model():
    """A function must serve as a back-end, its errors told as such and its time-outs as time."""

    def answer(messages, seed):
        text = messages[-1]["content"]
        if text == "late":
            raise TimeoutError("gone")
        return {"x": 1} if text == "dict" else f"{messages[0]['role']} {1 // (text != 'zero')} {seed}"

    model = LanguageModel(FunctionModel(answer, name="f"), system="be brief")
    assert model.generate(["a"], n=2, seed=1) == [["system 1 1", "system 1 2"]]
    zero, late = (row[0] for row in model.ask(["zero", "late"]))
    assert "ZeroDivisionError" in zero.error
    assert (late.timed_out, zero.timed_out) == (True, False)
    with pytest.raises(ModelError, match="gave dict, not text"):
        model.ask(["dict"])


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: OpenAICompatible("m", base_url="localhost:1"), "begins with http"),
        (lambda: OpenAICompatible("m", attempts=0), "positive numbers"),
        (lambda: OpenAICompatible("m", structured="xml"), "json_schema, json_object or none"),
        (lambda: LanguageModel(FunctionModel(str, name="f"), concurrency=0), "one question must be under way"),
        (lambda: LanguageModel(FunctionModel(str, name="f")).generate(["a"], n=0), "one sample at least"),
        (lambda: LocalModel(__file__), "no GGUF file"),
        (lambda: LocalModel("nowhere.gguf"), "no such model file"),
    ],
)
def test_bad_settings_are_one_line(make, told):
    """A setting that cannot work must be refused before anything is asked."""
    with pytest.raises(InputError, match=told):
        make()


def test_a_key_is_sent_to_no_other_server(serve, monkeypatch):
    """OpenAI's key in the environment must never travel to a server that somebody else runs."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-mine")
    server = serve()
    client = OpenAICompatible("m", base_url=server.url)
    assert "authorization" not in client._client.headers
    assert OpenAICompatible("m")._client.headers["authorization"] == "Bearer sk-mine"


def test_json_is_found_within_words():
    """Models wrap their JSON: one object within words must be read, and what is none must be None."""
    assert parsed('Here: ```{"a": {"b": 1}}``` done') == {"a": {"b": 1}}
    assert parsed("no") is None
    assert parsed('{"a": ') is None


@pytest.mark.slow
def test_a_real_model_behind_a_real_server(serve, token, tmp_path):
    """Generating, judging, failing and resuming must work with a true language model behind true HTTP."""
    try:
        embedded_model()
    except InputError as error:
        if os.environ.get("CI") == "true":  # make installs it
            raise
        pytest.skip(str(error))
    local = LocalModel()

    def answer(body):
        reply = local._server.handle_chat_completions({k: v for k, v in body.items() if k != "model"})
        return json.loads(json.dumps(reply))

    server = serve(answer)
    client = _client(server, token, timeout=60.0, total=120.0)
    model = LanguageModel(client, cache=tmp_path / "c.sqlite", concurrency=2, max_tokens=24)
    server.faults = [(429, {"Retry-After": "0.2"}), (500, {}), "half"]
    prompts = ["Name a colour.", "What is 2 + 2?"]
    texts = model.generate(prompts, n=2, seed=3)
    assert all(text.strip() for row in texts for text in row)
    assert model.usage.completion_tokens > 4
    assert client.retried == 3
    again = LanguageModel(client, cache=tmp_path / "c.sqlite", max_tokens=24)
    assert again.generate(prompts, n=2, seed=3) == texts
    assert again.usage.asked == 0
    server.faults, server.hang = ["hang"], 12.0
    patient = _client(server, token, timeout=10.0, total=120.0)
    assert LanguageModel(patient, max_tokens=4).generate(["Say no."], seed=2)[0][0].strip()
    assert patient.retried >= 1
    judge = ModelVerifier(LanguageModel(client, max_tokens=120))
    found = judge.verify(["What is 2 + 2?"] * 2, ["4", "5"])
    assert set(found.outcome.tolist()) <= {"accept", "reject", "unparsed"}
    assert (found.accept >= 0).any()  # the schema holds the model to JSON
    here = LanguageModel(local, concurrency=1, max_tokens=8, temperature=0.0)
    assert here.generate(["Say yes."], seed=1) == here.generate(["Say yes."], seed=1)
