"""Conformance checks for the shared shapes."""
