"""Conformance checks for the shared shapes, public so that plug-ins can run them too.

``check_cleaner(estimator)``, ``check_head(estimator)``, ``check_rejecter(estimator)`` and
``check_sampler(estimator)`` run every check and raise ``AssertionError`` at the first that fails;
``cleaner_checks()``, ``head_checks()``, ``rejecter_checks()`` and ``sampler_checks()`` yield the
checks one by one, e.g. for ``pytest.mark.parametrize``.
``check_generator`` and ``check_verifier`` do the same for language models and judges, ``check_encoder`` for what turns
texts into vectors, ``check_engine`` for what spreads work.
``check_degenerate(call, name)`` tries any function on the inputs of ``DEGENERATE``, which break
reference code.
"""

from __future__ import annotations

from trueneg.core.lazy import loader

_PUBLIC = {
    "DEGENERATE": "degenerate",
    "check_cleaner": "cleaner",
    "check_degenerate": "degenerate",
    "check_encoder": "encoder",
    "check_engine": "engine",
    "check_generator": "language",
    "check_head": "head",
    "check_rejecter": "rejecter",
    "check_sampler": "sampler",
    "check_verifier": "language",
    "cleaner_checks": "cleaner",
    "degenerate_case": "degenerate",
    "encoder_checks": "encoder",
    "engine_checks": "engine",
    "generator_checks": "language",
    "head_checks": "head",
    "rejecter_checks": "rejecter",
    "sampler_checks": "sampler",
    "verifier_checks": "language",
}
__all__ = sorted(_PUBLIC)

# Load the checks when they are first asked for, so that importing the package is free.
__getattr__, __dir__ = loader(__name__, _PUBLIC)
