"""The parts of :mod:`trueneg.core.survey`; import them from there."""
