"""The parts of :mod:`trueneg.judge.resampling`; import them from there."""
