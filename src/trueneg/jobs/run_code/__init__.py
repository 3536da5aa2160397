"""Generated programs against hidden tests: what ``trueneg run-code`` does."""

from trueneg.jobs.run_code.run import run_code

__all__ = ["run_code"]
