"""The parts of :mod:`trueneg.data.streams`; import them from there."""
