"""Parts of :mod:`trueneg.judge.sentiment`."""
