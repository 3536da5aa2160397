from trueneg.jobs.audit import Audit as Audit
from trueneg.jobs.audit import audit as audit
from trueneg.jobs.compare import Comparison as Comparison
from trueneg.jobs.compare import compare as compare
from trueneg.jobs.repair import repair as repair
from trueneg.jobs.review.run import review as review

__version__: str
