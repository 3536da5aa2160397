"""Parts of :mod:`trueneg.llm`: requests and replies, the cache, the back-ends, the runner, the judge."""
