"""The parts of :mod:`trueneg.clean.confident_learning`; import them from there."""
