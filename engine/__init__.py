"""Everything of convtui that knows no screen: specs, data, nets, training, looking inside, the store."""

import os

__version__ = "0.1.0"

# Before torch loads OpenMP: threads that spin while they wait cost nothing on an idle machine, but make two trainings
# on one machine ten times slower and more. A setting of the user's own is left as it is.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
