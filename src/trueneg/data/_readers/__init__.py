"""The parts of :mod:`trueneg.data.readers`; import them from there."""
