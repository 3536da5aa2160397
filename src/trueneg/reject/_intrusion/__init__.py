"""The parts of :mod:`trueneg.reject.intrusion`; import them from there."""
