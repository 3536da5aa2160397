"""What an audit came to: findings, suspects, report, and how they are written."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueneg.core.errors import InputError
from trueneg.data.readers import one_line
from trueneg.jobs.audit.findings import SEVERITIES, Finding
from trueneg.jobs.audit.folder import PAIRS, Ranking, save_rankings, source_of
from trueneg.jobs.audit.page import commands_into, lead_on

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


@dataclass(repr=False)
class Audit:
    """The outcome of an audit: the findings in order, the suspects, the report as one dict.

    ``suspects_arrow`` holds one row a suspect, most probable first, its ``row`` counted from 0 whatever the index of
    the frame (``frame.iloc[row]``); ``suspects`` is the same as a frame of the type that came in (an Arrow table
    where a file came in). ``rankings`` holds every cell that a direction of error can touch, suspected or not, by
    finding code; ``neighbors`` the nearest labelled rows. ``folder`` is where it belongs: beside the file that was
    audited, None for a frame. ``pairs`` is the table of the pairs of a retrieval collection that a review is drawn
    from.
    """

    findings: list[Finding]
    report: dict[str, Any]
    suspects_arrow: pa.Table
    frame_kind: str = "arrow"
    folder: Path | None = None
    rankings: dict[str, Ranking] = field(default_factory=dict)
    neighbors: np.ndarray | None = None
    pairs: Any = None

    @property
    def suspects(self) -> Any:
        """The suspects as a frame of the user's own kind."""
        if self.frame_kind == "pandas":
            return self.suspects_arrow.to_pandas()
        if self.frame_kind == "polars":
            import polars as pl

            return pl.from_arrow(self.suspects_arrow)
        return self.suspects_arrow

    @property
    def crashed(self) -> bool:
        """Whether a check failed on a fault of its own; the others went on."""
        return any(f.status == "error" for f in self.findings)

    def fails_on(self, severity: str) -> bool:
        """Whether a finding of this severity or worse stands."""
        bar = SEVERITIES.index(severity)
        return any(f.status == "finding" and SEVERITIES.index(f.severity) <= bar for f in self.findings)

    def __repr__(self) -> str:
        """One line a finding; a session that shows an audit is not flooded with its rows."""
        from trueneg.report.words import summary, visible

        found = [finding for finding in self.findings if finding.status in ("finding", "advice", "error")]
        lines = [f"{self.report['title']}: {summary([finding.to_dict() for finding in self.findings])}"]
        for finding in found:
            word = finding.severity if finding.status == "finding" else finding.status
            lines.append(f"  {word:7} {finding.code}  {finding.title}: {finding.message}")
        lines.append(
            f"Look at .findings, .suspects ({self.suspects_arrow.num_rows:,} rows), or .save('FOLDER') a report"
        )
        return "\n".join(visible(one_line(line, 400)) for line in lines)

    def _repr_html_(self) -> str:
        import html

        from trueneg.report.html import render

        page = html.escape(render(self.report), quote=True)
        return f'<iframe srcdoc="{page}" style="width:100%;height:800px;border:0" sandbox="allow-scripts"></iframe>'

    def save(self, out: str | Path | None = None) -> Path:
        """Write ``audit.json``, ``report.html``, ``suspects.parquet`` and ``suspects.csv``; return the folder.

        By default ``folder``; a frame has none and needs ``out``. The commands in the report name the folder.
        Everything is drawn before the first file is written, and all files take their place together. What
        ``review``, ``repair`` and ``compare`` need beside these lies in ``.stages``. The CSV is for people: a text that
        a spreadsheet would run has an apostrophe before it. The Parquet file is the exact copy, for programs.
        """
        from trueneg.data.spreadsheet import guarded
        from trueneg.data.writers import atomic_folder, write_table
        from trueneg.report.files import dump
        from trueneg.report.html import render

        if out is None and self.folder is None:
            raise InputError("the audit of a frame has no place of its own; say save('FOLDER')")
        folder = Path(out if out is not None else str(self.folder))
        lead_on(self.report, folder)
        commands_into(self.findings, self.report)
        page = render(self.report)
        self.report["input"]["source"] = source_of(self.report["input"]["path"], folder)
        with atomic_folder(folder) as new:
            save_rankings(new, self.rankings, self.neighbors)
            if self.pairs is not None:
                write_table(self.pairs.arrow, new / PAIRS)
            write_table(self.suspects_arrow, new / "suspects.parquet")
            write_table(guarded(self.suspects_arrow), new / "suspects.csv")
            (new / "report.html").write_text(page, encoding="utf-8", errors="replace")
            dump(self.report, new / "audit.json")
        return folder
