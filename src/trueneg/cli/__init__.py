"""The command line: parses, prints help and refuses bad arguments before anything heavy is loaded."""

from __future__ import annotations

import sys

from cyclopts import App, CycloptsError, Group

from trueneg import __version__
from trueneg.core.errors import ClaimNotRun, TruenegError

app = App(
    name="trueneg",
    help="Get the negatives right: find the labels and negatives that hurt a model, and repair them.",
    version=__version__,
    suppress_keyboard_interrupt=False,  # main tells it
)
# The help lists commands in the order of use.
_FIND, _MEND, _MAKE, _FIT, _OWN = (
    Group(title, sort_key=place)
    for place, title in enumerate(
        ("Find what is wrong", "Repair it", "Make and check tables of your own", "Fit and predict", "trueneg itself")
    )
)
claims_app = App(
    name="claims",
    group=_OWN,
    sort_key=0,
    help="Hold every system to its paper's result, and to a sabotage that must fail.",
)
data_app = App(name="data", group=_OWN, sort_key=1, help="The real data sets that the claims run on.")
app.command(
    "trueneg.cli.audit:audit",
    name="audit",
    group=_FIND,
    sort_key=1,
    help="Audit a labelled table, or judged attempts: what is wrong, which figure to trust, what to do.",
)
app.command(
    "trueneg.cli.demo:demo",
    name="demo",
    group=_FIND,
    sort_key=0,
    help="Run the main job on real data with planted label errors.",
)
app.command(
    "trueneg.cli.compare:compare",
    name="compare",
    group=_MEND,
    sort_key=1,
    help="Compare remedies on your own data: which way to train beats the model as it is, and by how much.",
)
app.command(
    "trueneg.cli.explain:explain",
    name="explain",
    group=_FIND,
    sort_key=3,
    help="Say what a finding code means and what to do.",
)
app.command(
    "trueneg.cli.review:review",
    name="review",
    group=_FIND,
    sort_key=2,
    help="Draw a random sample for a person to judge, so that the audit's figures get an interval.",
)
app.command(
    "trueneg.cli.repair:repair",
    name="repair",
    group=_MEND,
    sort_key=0,
    help="Write the audited table again with an action applied to its suspects.",
)
app.command(
    "trueneg.cli.diff:diff",
    name="diff",
    group=_MEND,
    sort_key=2,
    help="Put two audits side by side: before and after a repair.",
)
app.command(
    "trueneg.cli.fit:fit",
    name="fit",
    group=_FIT,
    sort_key=0,
    help="Fit a head or rejecter to labelled data, and keep it without pickle.",
)
app.command(
    "trueneg.cli.predict:predict",
    name="predict",
    group=_FIT,
    sort_key=1,
    help="Label data with a model that fit wrote, batch by batch.",
)
app.command(
    "trueneg.cli.label:label",
    name="label",
    group=_MAKE,
    sort_key=1,
    help="Label posts with sentiment, subjectivity and emotion, with the provenance of every label.",
)
app.command(
    "trueneg.cli.run_code:run_code",
    name="run-code",
    group=_MAKE,
    sort_key=0,
    help="Run generated programs on hidden tests in a sandbox, and write an attempts table.",
)
app.command(
    "trueneg.cli.mine:mine",
    name="mine",
    group=_MAKE,
    sort_key=2,
    help="Mine hard negatives for a retriever, and know what each rule against false ones costs.",
)
app.command(
    "trueneg.cli.evaluate:evaluate",
    name="evaluate",
    group=_MAKE,
    sort_key=3,
    help="Evaluate a ranker's run on judgments, or encoders on tasks of any kind, with intervals.",
)
app.command(
    "trueneg.cli.report:report",
    name="report",
    group=_FIND,
    sort_key=4,
    help="Draw an audit's page again from its JSON.",
)
claims_app.command(
    "trueneg.cli.claims:list_claims",
    name="list",
    help="List the claims: what each paper says, and the sabotage under which it must not hold.",
)
claims_app.command("trueneg.cli.claims:run_claims", name="run", help="Run claims with their negative controls.")
data_app.command(
    "trueneg.cli.data:list_data", name="list", help="List the data sets: at hand or not, size and licence."
)
data_app.command("trueneg.cli.data:get_data", name="get", help="Fetch a data set, verified by size and SHA-256.")
app.command(claims_app)
app.command(data_app)
for flag in ("--help", "--version"):
    app[flag].group = (_OWN,)

BAD_INPUT, INTERRUPTED = 2, 130


def main(tokens: list[str] | None = None) -> None:
    """Run one command; bad input is one line on standard error and exit code 2."""
    try:
        code = app(tokens, result_action="return_value", exit_on_error=False)
    except CycloptsError as error:  # cyclopts has printed what was wrong, and what was meant
        sys.stderr.write(f"See: {' '.join(('trueneg', *(error.command_chain or ())))} --help\n")
        sys.exit(BAD_INPUT)
    except (TruenegError, ClaimNotRun) as error:
        from trueneg.report.words import visible

        sys.stderr.write(f"trueneg: {visible(str(error))}\n")
        sys.exit(BAD_INPUT)
    except BaseException as error:
        if not _interrupted(error):
            raise
        sys.stderr.write("trueneg: interrupted; nothing half-written is left\n")
        sys.exit(INTERRUPTED)
    sys.exit(code if isinstance(code, int) else 0)


def _interrupted(error: BaseException | None) -> bool:
    """Say whether Ctrl-C is behind an error: compiled modules that are being loaded wrap it in one of their own."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False
