"""What excites a map most, cut out of the images by tracing back (report 003)."""

from __future__ import annotations

from convtui.engine.figures.figure import Result
from convtui.engine.lens import top_units
from convtui.engine.lens.registry import register
from convtui.engine.lens.selection import has_conv
from convtui.engine.lens.subject import Subject


@register("patches", "what excites each map most, cut out of the images", top_units.OfTop, has_conv)
def patches(subject: Subject, options: top_units.OfTop) -> Result:
    """The image patches that the strongest units of each map look at, one unit an image, over all images or one class."""
    found = top_units.find(subject, options)
    title = f"patches that excite {top_units.place(found, options)} most, {top_units.words(subject, options)} · {subject.title}"
    return top_units.patches(subject, found, title, beside=False)
