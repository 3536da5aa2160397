"""Shared mechanisms, few and small, each with one job: import them by module."""
