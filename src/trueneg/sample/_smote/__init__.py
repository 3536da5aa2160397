"""The parts of SMOTE."""
