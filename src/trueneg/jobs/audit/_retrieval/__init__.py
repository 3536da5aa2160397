"""Parts of :mod:`trueneg.jobs.audit.retrieval`."""
