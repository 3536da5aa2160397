"""The parts of :mod:`trueneg.judge.noisy_metrics`; import them from there."""
