"""The command line: parses, prints help and refuses bad arguments before anything heavy is loaded."""

from __future__ import annotations

import sys

from cyclopts import App, CycloptsError

from trueneg import __version__
from trueneg.core.errors import ClaimNotRun, TruenegError

app = App(
    name="trueneg",
    help="Get the negatives right: find the labels and negatives that hurt a model, and repair them.",
    version=__version__,
)
claims_app = App(name="claims", help="Hold every system to its paper's result, and to a sabotage that must fail.")
data_app = App(name="data", help="The real data sets that the claims run on.")
app.command(
    "trueneg.cli.audit:audit",
    name="audit",
    help="Audit a labelled table: which labels are wrong, which figure to trust, what to do.",
)
app.command("trueneg.cli.demo:demo", name="demo", help="Run the main job on real data with planted label errors.")
app.command("trueneg.cli.explain:explain", name="explain", help="Say what a finding code means and what to do.")
app.command("trueneg.cli.report:report", name="report", help="Draw an audit's page again from its JSON.")
claims_app.command("trueneg.cli.claims:list_claims", name="list")
claims_app.command("trueneg.cli.claims:run_claims", name="run")
data_app.command("trueneg.cli.data:list_data", name="list")
data_app.command("trueneg.cli.data:get_data", name="get")
app.command(claims_app)
app.command(data_app)

BAD_INPUT = 2


def main(tokens: list[str] | None = None) -> None:
    """Run one command; bad input is one line on standard error and exit code 2."""
    try:
        code = app(tokens, result_action="return_value", exit_on_error=False)
    except CycloptsError:
        sys.exit(BAD_INPUT)  # cyclopts has printed what was wrong, and what was meant
    except (TruenegError, ClaimNotRun) as error:
        from trueneg.report.words import visible

        sys.stderr.write(f"trueneg: {visible(str(error))}\n")
        sys.exit(BAD_INPUT)
    except KeyboardInterrupt:
        sys.stderr.write("trueneg: interrupted; nothing was written\n")
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)
