"""A net as an ONNX file: pixels from 0 to 1 in, what the net says out; it standardises them itself, as it was trained."""

from __future__ import annotations

import io
import json
import logging
import warnings
from contextlib import redirect_stderr, redirect_stdout
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from convtui.engine.errors import NotApplicable, UsageError
from convtui.engine.extras import how_to_install
from convtui.engine.files import ONNX_PRODUCER
from convtui.engine.lens.subject import Subject
from convtui.engine.models import logits

_NEEDED = ("onnx", "onnxscript")


def check_can_export() -> None:
    """Raise UsageError where the packages are missing that it takes."""
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        raise UsageError(f"exporting to ONNX needs {' and '.join(missing)}: {how_to_install('onnx')}")


def onnx_of(subject: Subject) -> bytes:
    """The net as an ONNX file.

    Its input is `images`, float32 [N, C, H, W] of pixels from 0 to 1, for any N; its output `output`. Metadata tell `classes`,
    `mean` and `std` (JSON), and what net it is. Raises UsageError where packages are missing, NotApplicable where the net has a
    part that ONNX cannot say.
    """
    check_can_export()
    import onnx

    example = torch.rand(2, *subject.shape)
    net = _FromPixels(subject).cpu().eval()
    try:
        with torch.no_grad(), warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")  # it tells how it goes in all of these ways
            logging.getLogger("torch.onnx").setLevel(logging.ERROR)
            # Not by torch.onnx.export alone: what it cannot export it traces, and traces may be wrong for other images.
            batch = ({0: torch.export.Dim("N", min=1)},)
            exported = torch.export.export(net, (example,), dynamic_shapes=batch, strict=False)
            program: Any = torch.onnx.export(
                exported, input_names=["images"], output_names=["output"], dynamic_shapes=batch, verbose=False
            )
    except Exception as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        if "specialized it to be a constant" in str(error):
            reason = "its code makes a constant of the number of images, as len(x) does: write x.shape[0]"
        raise NotApplicable(f"{subject.title} cannot be said in ONNX: {reason}") from error
    model = program.model_proto
    model.producer_name = ONNX_PRODUCER
    model.doc_string = subject.title
    mean, std = subject.standardise.mean.tolist(), subject.standardise.std.tolist()
    told = {"classes": json.dumps(list(subject.classes)), "mean": json.dumps(mean), "std": json.dumps(std)}
    onnx.helper.set_model_props(model, told)
    content: bytes = model.SerializeToString()
    return content


class _FromPixels(nn.Module):
    """The net behind what makes of pixels what it sees."""

    def __init__(self, subject: Subject) -> None:
        super().__init__()
        self.net = subject.net
        standardise = subject.standardise.to(torch.device("cpu"))
        self.register_buffer("scale", 1 / standardise.std[:, None, None])
        self.register_buffer("shift", (-standardise.mean / standardise.std)[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        return logits(self.net(images * self.get_buffer("scale") + self.get_buffer("shift")))
