"""The parts of :mod:`trueneg.core.detection`; import them from there."""
