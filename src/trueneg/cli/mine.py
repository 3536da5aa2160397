"""``trueneg mine FOLDER``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from trueneg.cli.options import Seed


def mine(
    folder: Path,
    /,
    *,
    out: Path,
    source: Annotated[str, Parameter(name="--from")] = "dense",
    encoder: str = "minilm",
    embeddings: Annotated[tuple[Path, Path] | None, Parameter(negative="")] = None,
    rule: str = "auto",
    n: int = 5,
    ranks: Annotated[tuple[int, int], Parameter(negative="")] = (0, 100),
    sampling: Literal["top", "random", "cyclic"] = "top",
    near: float = 0.9,
    format: Annotated[list[str] | None, Parameter(negative="")] = None,  # noqa: A002 - the option is called so
    split: str | None = None,
    positive_from: float = 1.0,
    seed: Seed = 0,
    teacher: Annotated[list[str] | None, Parameter(negative="")] = None,
    instruction: str = "",
    worked_examples: int = 0,
    index: Literal["exact", "hnsw", "ivf"] = "exact",
    engine: Literal["in-process", "ray"] = "in-process",
    engine_address: str | None = None,
    shared_files: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Mine hard negatives for a retriever, and know what each rule against false ones costs.

    Writes negatives.parquet (query, document, score, rank, reason, verdict), report.html and mine.json into --out, and
    the formats asked for. A run that was killed goes on where it stopped.

    Parameters
    ----------
    folder
        corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv; or the same as TREC, Parquet or Arrow on disk.
    out
        The folder to write to.
    source
        Where candidates come from: dense, bm25, fusion, or the path of a run.
    encoder
        minilm or minilm-int8 (inside packages); onnx:FOLDER, model2vec:FOLDER, torch:FOLDER or gguf:FILE; numpy:FOLDER
        for vectors by id (queries.npy and .ids, corpus.npy and .ids); or a folder or name for sentence-transformers.
    embeddings
        Two .npy files in place of an encoder: of the queries and of the documents, in the order of their files.
    rule
        auto, none, second-opinion, percent, absolute, relative, spread or pooling-bias (on request only).
    n
        Negatives a query.
    ranks
        Window of the list without its known positives: --ranks 10 100 skips the first ten.
    sampling
        What is drawn from the window.
    near
        Share of common words from which two texts are copies.
    format
        triples, n-tuples, labelled-pairs, scored-lists, tevatron; with .parquet behind it as Parquet. May be repeated.
    split
        Which judgments: train by default.
    positive_from
        Grades from here on are positive.
    seed
        Seed of the random draw.
    teacher
        dense, bm25, fusion or the path of a run, to score scored-lists by, positives too. May be repeated: z-scores
        within each list are averaged.
    instruction
        Put before each query for the encoder, as "Instruct: ... Query: ...", and before no document.
    worked_examples
        Pairs of other queries shown before that; for torch:FOLDER and gguf:FILE.
    index
        An approximate index of faiss in place of the exact search; the recall that it has is measured and printed.
    engine
        ray encodes and searches on Ray's workers, to the same result: those of this machine without an address.
    engine_address
        Of a Ray cluster: HOST:PORT, ray://HOST:PORT or auto. Nothing is contacted without it.
    shared_files
        The cluster's workers see --out under the same path: vectors are then read there instead of being sent.
    """
    from rich.console import Console

    from trueneg.cli.run_code import _Bar
    from trueneg.jobs.mine import Options
    from trueneg.jobs.mine import mine as run

    how = Options(
        source=source,
        encoder=encoder,
        embeddings=embeddings,
        rule=rule,
        n=n,
        ranks=ranks,
        sampling=sampling,
        near=near,
        split=split,
        positive_from=positive_from,
        formats=tuple(format or ()),
        seed=seed,
        teachers=tuple(teacher or ()),
        instruction=instruction,
        worked_examples=worked_examples,
        index=index,
        engine=engine,
        engine_address=engine_address,
        shared_files=shared_files,
    )
    with _Bar(Console(stderr=True)) as bar:
        done = run(folder, out, how, progress=bar.update)
    console = Console()
    for row in done.rules:
        told = row.row()
        mark = "written" if row is done.chosen else "       "
        shift = told["as easy as skipping the first"]
        line = (
            f"{mark} {row.name:<15} {told['negatives']:>9} negatives, queries with all {told['queries with all']}, "
            f"hardness {told['hardness']}"
        )
        line += f", as easy as skipping the first {shift}" if shift != "-" else ""
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    for line in done.lines():
        console.print(line, markup=False, highlight=False, soft_wrap=True)
