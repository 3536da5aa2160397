"""The parts of :mod:`trueneg.jobs.audit.attempts`; import them from there."""
