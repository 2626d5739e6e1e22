"""Many runs from one file: what they are for, what was published, what was measured, and which claims hold.

`catalog` knows which studies there are, `parsing` reads one (`toml_schema`: what may be in it; `model`: what it comes to), `plan`
says which runs it wants, `estimate` how long they take, `running` makes each of them once, `results` reads them from the store,
`measures` and `claims` say what they come to, `markdown` writes it down. The store is the only state. `comparing` sets any runs
beside each other.
"""

from convtui.engine.study.catalog import own_studies, studies, study
from convtui.engine.study.estimate import Estimate, estimate
from convtui.engine.study.model import Claim, Published, Setting, Study
from convtui.engine.study.plan import Wanted, plan

__all__ = ["Claim", "Estimate", "Published", "Setting", "Study", "Wanted", "estimate", "own_studies", "plan", "studies", "study"]
