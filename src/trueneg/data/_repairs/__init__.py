"""The parts of :mod:`trueneg.data.repairs`; import them from there."""
