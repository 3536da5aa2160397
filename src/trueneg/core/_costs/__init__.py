"""The parts of :mod:`trueneg.core.costs`; import them from there."""
