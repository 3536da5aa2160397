"""The parts of :mod:`trueneg.core.verdicts`; import them from there."""
