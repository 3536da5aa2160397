"""The parts of :mod:`trueneg.jobs.audit.multilabel`; import them from there."""
