"""The parts of :mod:`trueneg.core.cells`; import them from there."""
