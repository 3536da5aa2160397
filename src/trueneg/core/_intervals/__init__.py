"""The parts of :mod:`trueneg.core.intervals`; import them from there."""
