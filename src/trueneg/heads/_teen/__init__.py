"""The parts of trueneg.heads.teen, which is where they are public."""
