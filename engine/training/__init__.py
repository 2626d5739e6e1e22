"""RunSpec -> events."""

from convtui.engine.training.captured import LAYERS, product_epsilon
from convtui.engine.training.evaluation import BATCH, evaluate
from convtui.engine.training.forward import Forward
from convtui.engine.training.layer_metrics import EvaluationMetrics, LayerMetrics
from convtui.engine.training.limits import check_fits, refuse_lone_images
from convtui.engine.training.metric_buffer import MetricBuffer
from convtui.engine.training.processes import PeerLost, Processes, refuse_several
from convtui.engine.training.step import EagerStep
from convtui.engine.training.training import Training
from convtui.engine.training.transfer import StartingWeights, check_start, starting_weights

__all__ = [
    "BATCH",
    "LAYERS",
    "EagerStep",
    "EvaluationMetrics",
    "Forward",
    "LayerMetrics",
    "MetricBuffer",
    "PeerLost",
    "Processes",
    "StartingWeights",
    "Training",
    "check_fits",
    "check_start",
    "evaluate",
    "product_epsilon",
    "refuse_lone_images",
    "refuse_several",
    "starting_weights",
]
