"""Posts a second against vaderSentiment and TextBlob called in a loop, on real tweets, reviews and editorials.

Run: ``python benchmarks/sentiment.py`` (needs ``TRUENEG_DATA``). Ours labels with the same scores: VADER alone, and
VADER with TextBlob's subjectivity as ``trueneg label`` does, provenance columns included. Each figure is one call in a
fresh process after a warm-up; memory is the peak above the texts.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from confident_learning import peak  # noqa: E402


def texts():
    """Return 23,703 texts of the four corpora."""
    from trueneg.data.registry import file

    found = []
    with tarfile.open(file("vader/hutto_ICWSM_2014.tar.gz")) as archive:
        for name in ("tweets", "amazonReviewSnippets", "movieReviewSnippets", "nytEditorialSnippets"):
            lines = archive.extractfile(f"hutto_ICWSM_2014/{name}_GroundTruth.txt").read().decode("utf-8", "replace")
            found += [line.split("\t", 2)[2] for line in lines.splitlines() if line.count("\t") >= 2]
    return found


def vader_ours(posts):
    """Label sentiment."""
    from trueneg.judge.sentiment import VaderLabeller

    return VaderLabeller(long=None).label(posts).label


def vader_peer(posts):
    """Label sentiment as the package's documentation does."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    analyser = SentimentIntensityAnalyzer()
    scores = [analyser.polarity_scores(post)["compound"] for post in posts]
    return ["positive" if s >= 0.05 else "negative" if s <= -0.05 else "neutral" for s in scores]


def both_ours(posts):
    """Label sentiment and subjectivity, with keys and provenance."""
    from trueneg.judge.sentiment import LabelPipeline, TextBlobSubjectivity, VaderLabeller

    pipeline = LabelPipeline([VaderLabeller(long=None), TextBlobSubjectivity(long=None)])
    return pipeline.columns({"title": posts})["title_sentiment"]


def both_peer(posts):
    """Label sentiment and subjectivity with both packages."""
    from textblob import TextBlob

    for post in posts:
        TextBlob(post).sentiment.subjectivity  # noqa: B018
    return vader_peer(posts)


WAYS = {"vader": (vader_ours, vader_peer), "both": (both_ours, both_peer)}


def measure(what, side):
    """Return seconds, MiB above the texts, and the labels' counts of one call."""
    call = WAYS[what][side == "peer"]
    posts = texts()
    call(posts[:200])
    before, cpu, wall = peak(reset=True), time.process_time(), time.perf_counter()
    labels = call(posts)
    row = {"cpu_s": round(time.process_time() - cpu, 3), "wall_s": round(time.perf_counter() - wall, 3)}
    counts = {name: labels.count(name) for name in ("negative", "neutral", "positive")}
    return {**row, "mib": round(peak() - before, 1), "n": len(posts), "counts": counts}


def fresh(what, side):
    """Measure in a new process."""
    env = dict(os.environ, OMP_NUM_THREADS="1")
    done = subprocess.run([sys.executable, __file__, what, side], env=env, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def run():
    """Return one dict a way; labels that differ are no result."""
    from importlib.metadata import version

    rows = []
    for what, name, peer in (
        ("vader", "sentiment of 23,703 texts", "vaderSentiment"),
        ("both", "sentiment and subjectivity of 23,703 texts", "vaderSentiment and TextBlob"),
    ):
        ours, theirs = fresh(what, "ours"), fresh(what, "peer")
        if ours.pop("counts") != theirs.pop("counts"):
            msg = f"{name}: the labels are not those of the peer"
            raise RuntimeError(msg)
        row = {"name": name, "peer": peer, "peer_version": version("vaderSentiment")}
        row |= {"ratio": round(theirs["cpu_s"] / ours["cpu_s"], 2)}
        row |= {"ours_per_s": round(ours["n"] / ours["cpu_s"]), "theirs_per_s": round(theirs["n"] / theirs["cpu_s"])}
        row |= {f"{who}_{k}": v for who, found in (("ours", ours), ("theirs", theirs)) for k, v in found.items()}
        rows.append(row)
    return rows


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(measure(*sys.argv[1:])))
    else:
        print(json.dumps(run(), indent=1))
