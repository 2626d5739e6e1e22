"""What convtui promises, how that was last tested, and which tests check it: docs/promises.md."""

from __future__ import annotations

import os
import platform
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.soak.trial import Outcome


@dataclass(frozen=True)
class Promise:
    """Something that people can rely on."""

    says: str
    kinds: tuple[str, ...]
    """The kinds of fault that test it: names, or prefixes of names."""
    tests: tuple[str, ...]
    """`file::test`, below tests/: what checks it in `make test`."""


PROMISES = (
    Promise(
        "A training that is killed loses nothing that was committed or printed, and nothing is counted twice.",
        ("kills.training", "kills.study"),
        (
            "engine/test_killing.py::test_killed_again_and_again_it_ends_with_the_numbers_of_a_run_that_was_never_killed",
            "engine/store/test_store_recorder.py::test_a_recorder_that_is_killed_loses_nothing_committed_and_nothing_is_read_twice",
            "engine/store/test_store_control.py::test_events_pass_in_order_and_are_in_the_store_before_they_are_handed_on",
        ),
    ),
    Promise(
        "A killed run that is resumed ends with the numbers and weights of one that was never killed, to the last bit.",
        ("kills.training", "kills.study", "damage", "disk", "locks.at_the_end", "crowd.two_trainers", "terminals"),
        ("engine/test_killing.py::test_killed_again_and_again_it_ends_with_the_numbers_of_a_run_that_was_never_killed",),
    ),
    Promise(
        "A run whose process is gone reads crashed, whatever it was doing.",
        ("kills.", "disk"),
        (
            "engine/store/test_store_runs.py::test_a_live_run_reads_live_and_once_its_process_is_killed_crashed",
            "engine/store/test_store_folder.py::"
            "test_a_run_that_waits_for_a_process_that_is_gone_reads_crashed_and_can_be_taken_over",
        ),
    ),
    Promise(
        "A file is whole or not there: a killed export leaves the older file, a killed training no scrap after its next start.",
        ("kills.training", "kills.exporting"),
        (
            "engine/test_files.py::test_a_block_that_fails_leaves_the_older_file_and_nothing_else",
            "engine/training/test_recording.py::test_scraps_of_a_killed_process_are_cleared_away",
        ),
    ),
    Promise(
        "A deletion that is killed leaves the run to be deleted again, or nothing of it; no other run is touched.",
        ("kills.deleting",),
        (
            "engine/store/test_store_runs.py::test_deleting_takes_rows_and_folder_and_the_id_is_never_given_again",
            "engine/store/test_store_folder.py::test_a_run_is_deleted_from_a_store_on_a_full_disk",
        ),
    ),
    Promise(
        "What killed processes leave in a store's folder is found and cleaned by `convtui store check --clean`, and nothing else.",
        ("kills.", "damage", "disk", "terminals"),
        ("engine/store/test_store_set_back.py::test_leftovers_are_told_and_cleared_and_nothing_else_is",),
    ),
    Promise(
        "A store of an older version is migrated whole or left as it was.",
        ("kills.migrating",),
        (
            "engine/store/test_store_opening.py::test_an_older_store_is_migrated_with_all_its_rows",
            "engine/store/test_store_opening.py::test_a_migration_that_fails_leaves_the_store_as_it_was",
        ),
    ),
    Promise(
        "A damaged checkpoint is never used: it is passed over, and said, or refused.",
        ("damage", "fuzz.changed_bytes"),
        (
            "engine/test_checkpoint.py::test_any_flipped_bit_is_noticed",
            "engine/test_checkpoint.py::test_a_cut_file_is_refused",
            "engine/training/test_recording.py::test_where_the_newest_checkpoint_is_damaged_it_goes_on_from_the_one_before",
        ),
    ),
    Promise(
        "A full disk ends a training with one line at worst; what was committed is kept, and with free space it can be resumed.",
        ("disk",),
        ("engine/store/test_store_recorder.py::test_a_full_disk_delays_but_loses_nothing_and_only_so_much_is_held_back",),
    ),
    Promise(
        "A store that another program keeps locked delays a training, and nothing is lost.",
        ("locks.",),
        ("engine/store/test_store_recorder.py::test_a_store_that_another_process_writes_to_delays_but_loses_nothing",),
    ),
    Promise(
        "Of several processes that want a run exactly one gets it.",
        ("crowd.two_trainers",),
        ("engine/store/test_store_runs.py::test_of_processes_that_claim_a_run_at_once_exactly_one_gets_it",),
    ),
    Promise(
        "Many processes write to one store at once: no row is lost, and no reader sees half of what was written.",
        ("crowd.writers_and_readers",),
        ("engine/store/test_store_series.py::test_readers_who_follow_see_what_a_new_reader_sees",),
    ),
    Promise(
        "A terminal that vanishes does not end a training: another process continues it, or it is saved.",
        ("terminals",),
        (
            "tui/test_pty.py::test_where_the_terminal_vanishes_the_training_goes_on_in_another_process",
            "tui/session/test_session.py::test_handing_on_leaves_the_training_to_a_process_of_its_own",
        ),
    ),
    Promise(
        "An error in a part of the application that displays something does not end a training.",
        ("workers",),
        (
            "tui/test_errors.py::test_every_worker_of_a_page_may_fail_and_it_stays_usable",
            "tui/test_errors.py::test_a_reader_that_fails_is_told_once_with_its_traceback_in_the_log_and_the_training_goes_on",
        ),
    ),
    Promise(
        "A stranger's store is shown or refused in one line; it prints no escape, and nothing outside of its folder is touched.",
        ("fuzz.columns", "fuzz.files", "fuzz.paths"),
        (
            "cli/test_runs.py::test_no_escape_of_a_name_reaches_the_terminal",
            "engine/store/test_store_opening.py::test_a_damaged_store_says_so_in_one_line",
            "engine/store/test_store_recorder.py::test_files_that_are_gone_or_lead_elsewhere_or_are_needed_still_do_not_hurt",
            "engine/store/test_store_set_back.py::test_a_row_that_names_a_file_elsewhere_is_passed_over",
        ),
    ),
    Promise(
        "A stranger's checkpoint is read or refused in one line.",
        ("fuzz.strange_content",),
        (
            "engine/test_checkpoint.py::test_a_file_of_another_kind_is_refused",
            "engine/test_checkpoint.py::test_the_weights_of_another_net_are_refused",
        ),
    ),
    Promise(
        "A stranger's preset, study or settings are read or refused in one line.",
        ("fuzz.presets", "fuzz.studies", "fuzz.settings"),
        (
            "engine/test_presets.py::test_a_bad_preset_names_its_file",
            "engine/study/test_parsing.py::test_what_is_wrong_is_said_with_its_line_and_what_is_right",
            "engine/study/test_parsing.py::test_toml_that_is_none_is_said_with_its_line",
        ),
    ),
    Promise(
        "A stranger's folder or zip of images is read or refused in one line; a zip writes nothing anywhere.",
        ("fuzz.zips", "fuzz.folders"),
        (
            "engine/data/test_container_fuzz.py::test_any_zip_is_read_or_refused_in_our_own_words",
            "engine/data/test_container_fuzz.py::test_any_directory_is_read_whole_or_refused_in_our_own_words",
            "engine/data/test_container.py::test_an_entry_that_climbs_out_is_refused",
            "engine/data/test_container.py::test_an_entry_that_is_a_link_or_device_is_refused",
            "engine/data/test_folder.py::test_unusable_images_are_named_counted_and_skipped",
        ),
    ),
)


def page(outcomes: Iterable[Outcome], *, seed: int, seconds: float) -> str:
    """docs/promises.md."""
    found = {outcome.kind: outcome for outcome in outcomes}
    return "\n".join([*_head(found, seed, seconds), *_promises(found), "", *_kinds(found), ""])


def of_promise(promise: Promise, outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The outcomes that put it to the test."""
    return [outcome for outcome in outcomes if outcome.kind.startswith(promise.kinds)]


def _head(found: dict[str, Outcome], seed: int, seconds: float) -> list[str]:
    total = sum((outcome.figures for outcome in found.values()), Counter[str]())
    faults = sum(len(outcome.faults) for outcome in found.values())
    return [
        "# Promises",
        "",
        "Written by `make soak`, not by hand. Each promise was tested by causing faults at random moments in the real program,",
        "and by fuzzing; the tests named beside it check it in `make test`.",
        "",
        f"{seconds / 60:.0f} minutes with seed {seed}, {time.strftime('%Y-%m-%d')}: {total['kills']:,} kills -9, "
        f"{total['metric rows compared']:,} metric rows compared with those of an undisturbed run, {total['rows lost']:,} lost, "
        f"{total['rows doubled']:,} doubled, {total['runs that ended bit-identical']:,} runs that ended bit-identical, "
        f"{total['fuzzed cases']:,} fuzzed cases; {faults:,} faults.",
        "",
        f"{machine()}.",
        "",
    ]


def _promises(found: dict[str, Outcome]) -> list[str]:
    lines = ["| promise | tested by | faults | checked in `make test` by |", "| --- | --- | --- | --- |"]
    for promise in PROMISES:
        outcomes = of_promise(promise, list(found.values()))
        tried = ", ".join(f"`{outcome.kind}`" for outcome in outcomes if not outcome.skipped)
        faults = sum(len(outcome.faults) for outcome in outcomes)
        tests = "<br>".join(f"`tests/{test}`" for test in promise.tests)
        lines.append(f"| {promise.says} | {tried or '—'} | {faults if tried else 'not tested'} | {tests} |")
    return lines


def _kinds(found: dict[str, Outcome]) -> list[str]:
    lines = ["| kind of fault | figures | faults | minutes |", "| --- | --- | --- | --- |"]
    for outcome in found.values():
        figures = ", ".join(f"{name} {number:,}" for name, number in outcome.figures.items())
        told = f"not tested: {outcome.skipped}" if outcome.skipped else figures
        lines.append(f"| `{outcome.kind}` | {told} | {len(outcome.faults)} | {outcome.seconds / 60:.1f} |")
    return lines


def machine() -> str:
    """Processor, cores, versions."""
    import torch

    return f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, torch {torch.__version__}"


def _processor() -> str:
    """Its name where the system tells it, else its architecture."""
    told = Path("/proc/cpuinfo")
    names = (
        [line.partition(":")[2].strip() for line in told.read_text().splitlines() if line.startswith("model name")]
        if told.exists()
        else []
    )
    return names[0] if names else platform.processor() or platform.machine()
