"""The parts of :mod:`trueneg.judge.reasoning`; import them from there."""
