from trueneg.jobs.audit import Audit as Audit
from trueneg.jobs.audit import audit as audit

__version__: str
