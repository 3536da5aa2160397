"""Parts of :mod:`trueneg.llm.sandbox`."""
