"""The parts of trueneg.reject.hyp_oc, which is where they are public."""
