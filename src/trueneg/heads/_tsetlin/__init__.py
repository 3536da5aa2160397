"""The parts of the Tsetlin machine; import them from :mod:`trueneg.heads.tsetlin`."""
