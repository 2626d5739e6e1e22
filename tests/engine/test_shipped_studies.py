"""The shipped studies against the five reports, typed a second time here, table by table as they print them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import pytest

from convtui.engine.figures.figure import Table
from convtui.engine.lens.registry import view
from convtui.engine.models import build, check
from convtui.engine.study import Study, studies, study
from tests.engine.lens.subjects import noise_images, subject_of

SHIPPED = ("000", "001", "002", "003", "004-two-filters", "004-sixteen")

# Test accuracies, in per cent where the report has per cent.
IN_PER_CENT = {
    "000": {
        "plain": 47, "bn": 57.3, "plain-full": 47, "bn-full": 57.3,
        "rnn-128-300k": 95.21, "rnn-256-300k": 95.18, "gru-128-100k": 98.06,
        "gru-128-1e-3-100k": 98, "gru-128-1e-4-100k": 92, "lstm-128-100k": 98, "lstm-128-1e-3-100k": 98, "lstm-128-1e-4-100k": 92,
        "cnn": 99,
    },
    "001": {
        "sgd-1e-3": 21.2, "adam-1e-3": 49.1, "adam-1e-4": 36.2, "adam-1e-6": 11.8,
        "adam-1e-3-6000": 48.2, "adam-1e-3-10000": 49.9,
    },
    "002": {
        "adam": 61.3, "sgd": 11.33,
        "rnn-5-1e-1": 10.09, "rnn-5": 47.73, "rnn-5-1e-5": 16.10, "rnn-5-sgd": 15.13,
        "rnn-10": 74.55, "rnn-20": 90.75, "rnn-30": 94.17,
        "gru-20": 97.60, "gru-30": 98.32, "lstm-20": 97.86, "lstm-30": 97.84,
        "cnn": 98.5,
    },
    "003": {"bn": 88.2, "plain": 87},
}  # fmt: skip
ABOUT = {"000": {"gru-128-1e-3-100k", "gru-128-1e-4-100k", "lstm-128-100k", "lstm-128-1e-3-100k", "lstm-128-1e-4-100k", "cnn"}}

# Report 004: train MSE, test MSE, train and test accuracy in per cent. A setting that it trained more than once has a line each.
TABLES = {
    "004-two-filters": """
        Activation functions
        relu-0.01 1.13e-06 0.086 100 89
        tanh 6.98e-03 0.157 100 79
        sigmoid 7.68e-03 0.148 100 78
        Shuffling enabled
        relu-0.1 1.84e-03 0.169 100 76
        relu-0.01 3.46e-06 0.195 100 74
        relu-0.001 2.86e-02 0.084 97 92
        Shuffling disabled
        relu-0.1-fixed 2.22e-03 0.414 100 75
        relu-0.01-fixed 4.96e-07 0.090 100 89
        relu-0.001-fixed 3.30e-03 0.0928 100 86
        Leaks, rate .01
        relu-0.01 1.11e-02 0.164 100 74
        relu-0.01-leak-0.05 9.45e-06 0.152 100 77
        relu-0.01-leak-0.1 1.43e-04 0.098 100 89
        Leaks, rate .001
        relu-0.001 2.46e-02 0.158 100 79
        relu-0.001-leak-0.05 2.08e-02 0.2029 97 74
        relu-0.001-leak-0.1 3.59e-04 0.166 100 74
    """,
    "004-sixteen": """
        Activation functions
        a-tanh 0.075 0.178 99.5 91
        b-tanh 0.0615 0.129 98.5 91.4
        a-relu 3.29e-03 8.15e-02 99.5 92.9
        b-relu 4.67e-03 8.51e-03 99.1 91.5
        a-sigmoid 0.169 0.178 86.3 85
        b-sigmoid 0.449 0.449 24.6 25.1
        Learning rates, B
        b-relu-0.0005 4.87e-03 7.71e-02 99.1 93.7
        b-relu 3.73e-03 8.54e-02 99.3 92.2
        b-relu-0.005 1.16e-04 6.80e-02 100 93.9
        Data presentation
        a-relu 6.28e-03 8.57e-02 98.8 93.2
        a-relu-fixed 4.76e-03 8.29e-02 99.2 92.7
        b-relu 4.26e-03 7.87e-02 99.4 93.5
        b-relu-fixed 1.78e-03 7.54e-02 99.7 92.7
        Entire dataset
        full-a-sigmoid 8.24e-02 9.73e-02 92.4 90.3
        full-a-tanh 6.57e-02 .141 99.6 94.7
        full-b-sigmoid .495 .499 40.5 40.5
        full-b-tanh 2.26e-02 6.80e-02 99.6 94.8
    """,
}

# Rows are what was predicted, columns what it was.
CONFUSION = """
    489   0   0   4   0   6   4   2   8   1
      0 484   3   0   2   0   0   0   1   0
      1   8 473   4   1   0   2   4   5   1
      1   1   5 463   0   4   0   2   4   9
      2   2   1   1 475   3   1   4   5   8
      0   0   0  10   0 474   8   0   0   0
      0   0   0   0   2   2 483   0   8   0
      0   0   5   7   0   1   0 455   1   1
      5   3   8   4   0   9   1   2 468   1
      2   2   5   7  20   1   1  31   0 479
"""

# Claims of the reports: the study, what it measures, and the order from first to last, or the setting with its bounds.
ORDERS = [
    ("000", "test_accuracy", "bn > plain"),
    ("000", "steps_to_loss", "bn < plain"),
    ("003", "steps_to_loss", "bn < plain"),
    ("001", "test_accuracy", "adam-1e-3 > sgd-1e-3"),
    ("002", "test_accuracy", "adam > sgd"),
    ("001", "test_accuracy", "adam-1e-3 > adam-1e-4 > adam-1e-6"),
    ("000", "test_accuracy", "gru-128-100k lstm-128-100k > rnn-128-300k rnn-256-300k"),
    ("002", "test_accuracy", "gru-20 gru-30 lstm-20 lstm-30 > rnn-30 rnn-20"),
    ("000", "stability", "lstm-256-100k gru-256-100k < rnn-256-100k"),
    ("000", "test_accuracy", "gru-256-100k > gru-256-200k"),
    (
        "000", "test_accuracy",
        "cnn > rnn-128-300k rnn-256-300k gru-128-100k lstm-128-100k gru-256-100k gru-256-200k lstm-256-100k",
    ),
    ("002", "test_accuracy", "cnn > rnn-30 gru-20 gru-30 lstm-20 lstm-30"),
    ("004-two-filters", "test_accuracy", "relu-0.01 > tanh > sigmoid"),
    ("004-sixteen", "test_accuracy", "a-relu > a-tanh > a-sigmoid"),
    ("004-sixteen", "test_accuracy", "b-relu > b-tanh > b-sigmoid"),
    ("003", "spikes", "bn-0.1 > bn-0.01 > bn"),
    ("003", "early_rise", "bn > plain"),
    ("004-two-filters", "late_rise", "tanh sigmoid > relu-0.01"),
]  # fmt: skip
BOUNDS = [
    ("000", "steps_to_loss", "bn", None, 2500),
    ("000", "test_accuracy", "gru-128-1e-4-100k lstm-128-1e-4-100k", 0.90, 0.94),
    ("000", "test_accuracy", "gru-128-1e-3-100k lstm-128-1e-3-100k", 0.97, 0.99),
    ("003", "early_rise", "bn", 0.5, None),
    ("003", "early_rise", "plain", None, 0.1),
    ("004-sixteen", "diverged", "a-relu-0.005", 0.5, None),
    ("004-sixteen", "diverged", "b-relu-0.005", None, 0.0),
]

FIRST_LAYER = {"max": 0.7514117, "min": 0.0, "mean": 0.0357248, "variance": 0.003353536, "std": 0.057909723}
SECOND_LAYER = {"max": 0.8053479, "min": -0.8971613, "mean": -0.089508004, "variance": 0.02076852, "std": 0.14411287}


def shipped(name: str) -> Study:
    one = study(name)
    assert one.file.parent.name == "studies"
    return one


def published(one: Study, measure: str) -> dict[str, tuple[float, float]]:
    """Setting -> lowest and highest figure, for those that have one."""
    figures = {name: setting.published.get(measure) for name, setting in one.settings.items()}
    return {name: (figure.low, figure.high) for name, figure in figures.items() if figure is not None}


def table(name: str) -> Iterator[tuple[str, tuple[float, ...]]]:
    for line in TABLES[name].splitlines():
        match line.split():
            case [setting, train, test, train_accuracy, test_accuracy] if "," not in line:
                yield setting, (float(train), float(test), float(train_accuracy) / 100, float(test_accuracy) / 100)


def test_all_of_the_shipped_studies_can_be_read() -> None:
    found = studies()
    assert {name: one for name, one in found.items() if not isinstance(one, Study)} == {}
    assert set(found) >= set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_setting_can_be_built_and_no_two_are_the_same(name: str) -> None:
    settings = shipped(name).settings
    assert all(check(setting.spec).parameters > 0 for setting in settings.values())
    twins = defaultdict(list)
    for setting in settings.values():
        twins[setting.spec.model_dump_json()].append(setting.name)
    assert [same for same in twins.values() if len(same) > 1] == []


@pytest.mark.parametrize("name", SHIPPED)
def test_every_published_figure_and_claim_says_where_it_stands(name: str) -> None:
    one = shipped(name)
    assert one.report == name[:3]
    assert [setting.name for setting in one.settings.values() if not setting.source.startswith(f"report {one.report}, ")] == []
    assert [claim.says for claim in one.claims if not claim.source.startswith(f"report {one.report}, ")] == []


@pytest.mark.parametrize("name", IN_PER_CENT)
def test_published_accuracies_are_the_reports(name: str) -> None:
    one = shipped(name)
    found = published(one, "test_accuracy")
    assert found == {setting: pytest.approx((figure / 100,) * 2, abs=1e-9) for setting, figure in IN_PER_CENT[name].items()}
    assert {setting for setting in found if one.settings[setting].published["test_accuracy"].about} == ABOUT.get(name, set())


@pytest.mark.parametrize("name", TABLES)
def test_report_004s_tables_in_all_four_columns(name: str) -> None:
    one = shipped(name)
    typed = defaultdict(list)
    for setting, figures in table(name):
        typed[setting].append(figures)
    for column, measure in enumerate(("final_train_loss", "test_loss", "final_train_accuracy", "test_accuracy")):
        columns = {setting: [figures[column] for figures in lines] for setting, lines in typed.items()}
        expected = {setting: pytest.approx((min(values), max(values)), rel=1e-9) for setting, values in columns.items()}
        assert published(one, measure) == expected


def test_what_the_reports_claim_is_claimed() -> None:
    orders, bounds = set(), set()
    for name in SHIPPED:
        for claim in shipped(name).claims:
            sign = " > " if claim.highest_first else " < "
            if claim.groups:
                orders.add((name, claim.measure, sign.join(" ".join(group) for group in claim.groups)))
            else:
                bounds.add((name, claim.measure, " ".join(claim.settings), claim.low, claim.high))
    assert [order for order in ORDERS if order not in orders] == []
    assert [bound for bound in BOUNDS if bound not in bounds] == []


def test_report_000s_times() -> None:
    three, ten_to_twelve = (180, 180), (600, 720)
    assert published(shipped("000"), "seconds") == {"gru-128-100k": three, "lstm-128-100k": three, "cnn": ten_to_twelve}


def test_report_001s_activation_statistics() -> None:
    settings = shipped("001").settings
    (setting,) = [setting for setting in settings.values() if setting.statistics]
    assert setting.name == "adam-1e-3-10000"
    assert setting.statistics == (("conv1", "after"), ("conv2", "before"))
    expected = {f"statistics.conv1.after.{figure}": value for figure, value in FIRST_LAYER.items()}
    expected |= {f"statistics.conv2.before.{figure}": value for figure, value in SECOND_LAYER.items()}
    assert {name: figure.low for name, figure in setting.published.items() if name != "test_accuracy"} == expected


def test_report_004s_confusion_matrix() -> None:
    rows = [[int(count) for count in line.split()] for line in CONFUSION.split("\n") if line.strip()]
    assert [sum(column) for column in zip(*rows, strict=True)] == [500] * 10
    best = shipped("004-sixteen").settings["full-b-tanh"]
    assert (best.spec.data.test_per_class, best.spec.training.epochs) == (500, 250)
    assert "confusion" in best.spec.training.measures
    shares = {f"class_accuracy/{digit}": rows[digit][digit] / 500 for digit in range(10)}
    assert {name: best.published[name].low for name in shares} == pytest.approx(shares)
    # What the text says of the whole, 94.8 %, follows from it.
    assert sum(rows[digit][digit] for digit in range(10)) / 5000 == pytest.approx(best.published["test_accuracy"].low, abs=1e-3)


def test_report_004s_slopes_on_the_full_data() -> None:
    settings = shipped("004-sixteen").settings
    assert settings["full-a-sigmoid"].spec.model.slope == (0.7, 0.7)
    assert settings["full-b-sigmoid"].spec.model.slope == (0.7, 0.7, 0.05)
    assert settings["full-a-tanh"].spec.model.slope == (0.5,)
    assert {setting.spec.training.epochs for name, setting in settings.items() if name.startswith("full-")} == {250}


def test_the_one_overflow_of_report_004() -> None:
    one = shipped("004-sixteen")
    assert published(one, "diverged") == {"a-relu-0.005": (1, 1)}
    assert one.settings["a-relu-0.005"].spec.optimiser.learning_rate == 0.005


def test_report_002s_eleven_recurrent_rows() -> None:
    rows = [setting for setting in shipped("002").settings.values() if setting.spec.model.cell != "none"]
    assert len(rows) == 11
    assert {(row.spec.model.layers, row.spec.training.epochs) for row in rows} == {(2, 10)}
    by_name = {row.name: (row.spec.model.hidden, row.spec.optimiser.name, row.spec.optimiser.learning_rate) for row in rows}
    assert by_name["rnn-5-1e-1"] == (5, "adam", 0.1)
    assert by_name["rnn-5-1e-5"] == (5, "adam", 1e-5)
    assert by_name["rnn-5-sgd"] == (5, "sgd", 1e-3)
    assert by_name["gru-30"] == (30, "adam", 1e-3)


def test_report_000s_steps_of_recurrent_nets_count_images() -> None:
    counts = {"100k": 100_000, "200k": 200_000, "300k": 300_000}
    rows = [setting for setting in shipped("000").settings.values() if setting.spec.model.cell != "none"]
    assert len(rows) == 13
    for row in rows:
        images = (row.spec.training.steps or 0) * row.spec.data.batch_size
        assert images == pytest.approx(counts[row.name.rpartition("-")[2]], abs=row.spec.data.batch_size)


def test_what_is_said_of_an_lstms_cost_is_what_is_counted() -> None:
    one = shipped("002")
    (note,) = (claim.note for claim in one.claims if claim.note)
    counted = {}
    for name in ("lstm-20", "gru-20"):
        net = build(one.settings[name].spec.model, channels=1, size=28, classes=10)
        look = view("summary")
        table, _ = look(subject_of(net, noise_images(1, size=28), classes=tuple("0123456789")), look.make({}))
        assert isinstance(table, Table)
        counted[name] = table.rows[-1][table.columns.index("multiply-adds")]
        assert f"{counted[name]:,} " in note
    assert counted == {"lstm-20": 28 * 20 * 4 * (28 + 3 * 20) + 200, "gru-20": 28 * 20 * 3 * (28 + 3 * 20) + 200}
