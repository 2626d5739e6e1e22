"""Every kind of fault, in two lanes that run side by side."""

from __future__ import annotations

from tests.soak import (
    crowd,
    damage,
    disk,
    fuzz_checkpoints,
    fuzz_images,
    fuzz_stores,
    fuzz_texts,
    kills,
    kills_of_commands,
    locks,
    terminals,
    workers,
)
from tests.soak.trial import Kind

PROGRAM = (
    Kind("kills.training", kills.training, 0.37),
    Kind("kills.study", kills.study, 0.10),
    Kind("kills.exporting", kills_of_commands.exporting, 0.07),
    Kind("kills.deleting", kills_of_commands.deleting, 0.05),
    Kind("kills.migrating", kills_of_commands.migrating, 0.05),
    Kind("damage", damage.resume_from_damaged, 0.10),
    Kind("locks.at_the_end", locks.at_the_end, 0.03),
    Kind("locks.in_mid_training", locks.in_mid_training, 0.03),
    Kind("disk", disk.full_disk, 0.06),
    Kind("crowd.two_trainers", crowd.two_trainers, 0.04),
    Kind("crowd.writers_and_readers", crowd.writers_and_readers, 0.03),
    Kind("terminals", terminals.vanishing, 0.03),
    Kind("workers", workers.failing, 0.04),
)
"""Faults of the real program, one after the other."""
FUZZ = (
    Kind("fuzz.columns", fuzz_stores.columns, 0.20),
    Kind("fuzz.files", fuzz_stores.files, 0.10),
    Kind("fuzz.paths", fuzz_stores.paths, 0.08),
    Kind("fuzz.changed_bytes", fuzz_checkpoints.changed_bytes, 0.10),
    Kind("fuzz.strange_content", fuzz_checkpoints.strange_content, 0.10),
    Kind("fuzz.presets", fuzz_texts.presets, 0.10),
    Kind("fuzz.studies", fuzz_texts.studies, 0.10),
    Kind("fuzz.settings", fuzz_texts.own_settings, 0.04),
    Kind("fuzz.zips", fuzz_images.zips, 0.09),
    Kind("fuzz.folders", fuzz_images.folders, 0.09),
)
"""What strangers send, in one process of its own."""
LANES = {"program": PROGRAM, "fuzz": FUZZ}
