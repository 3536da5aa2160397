"""The parts of trueneg.reject.max_logit, which is where they are public."""
