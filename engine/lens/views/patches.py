"""What excites a map most, cut out of the images by tracing back (report 003)."""

from __future__ import annotations

from convtui.engine.lens import top
from convtui.engine.lens.choosing import has_conv
from convtui.engine.lens.registry import register
from convtui.engine.lens.results import Result
from convtui.engine.lens.subject import Subject


@register("patches", "what excites each map most, cut out of the images", top.OfTop, has_conv)
def patches(subject: Subject, options: top.OfTop) -> Result:
    """The image patches that the strongest units of each map look at, one unit an image, over all images or one class."""
    found = top.find(subject, options)
    title = f"patches that excite {found.layer} most, {top.words(subject, options)} · {subject.title}"
    return top.patches(subject, found, title, beside=False)
