"""What a net gets wrong: the images that it is surest of and mistaken about."""

from __future__ import annotations

from convtui.engine.errors import NotApplicable
from convtui.engine.figures.figure import Result
from convtui.engine.lens.misclassification import judged, sheet_of
from convtui.engine.lens.registry import register
from convtui.engine.lens.selection import OfImages, gives_classes, surest
from convtui.engine.lens.subject import Subject
from convtui.engine.spec import hyper


class MisclassifiedOptions(OfImages):
    """Which mistakes to show."""

    label: str | None = hyper(None, "only images of this true class")
    count: int = hyper(36, "how many images at most", "images", ge=1, le=1000)


@register("misclassified", "misclassified images, most confident first", MisclassifiedOptions, gives_classes)
def misclassified(subject: Subject, options: MisclassifiedOptions) -> Result:
    """The images with their true class and the three likeliest ones. Raises NotApplicable where none is wrong."""
    split = subject.split(options.split)
    label = None if options.label is None else subject.label(options.label)
    predictions, places, notes = judged(subject, split, options.split)
    of_class = "" if label is None else f" of {subject.classes[label]}"
    considered = [place for place in places if label is None or predictions[place].label == label]
    wrong = [place for place in considered if predictions[place].is_wrong]
    if not considered:
        raise NotApplicable(f"the {options.split} split has no image{of_class} to judge: look at another split (split=train)")
    if not wrong:
        raise NotApplicable(
            f"all {len(considered):,} {options.split} images{of_class} are classified correctly: "
            f"look at another {'split' if label is None else 'class or split'}; 'confusion' counts every class"
        )
    share = 100 * len(wrong) / len(considered)
    counted = f"{len(wrong):,} of {len(considered):,} {options.split} images{of_class} are misclassified ({share:.1f} %)"
    title = f"misclassified {options.split} images{of_class}, most confident first · {subject.title}"
    return sheet_of(subject, title, split, surest(predictions, wrong), options.count, [counted, *notes])
