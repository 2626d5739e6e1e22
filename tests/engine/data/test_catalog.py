"""From a name to a dataset, by the door that everything else uses."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import CIFAR10, CIFAR100, KMNIST, MNIST, SVHN, FashionMNIST

from convtui.engine.data import catalog
from convtui.engine.data.preview import preview
from convtui.engine.errors import DataError, DataUnavailable
from convtui.engine.spec import DataSpec, RunSpec, changed, make
from tests.engine.data.making import encoded, plain, tiny_mnist, tree
from tests.tolerance import assert_close


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Downloads go to an address where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{taken.getsockname()[1]}/"
    for source in (MNIST, FashionMNIST, KMNIST):
        monkeypatch.setattr(source, "mirrors", [nowhere, nowhere])
    for source in (CIFAR10, CIFAR100):
        monkeypatch.setattr(source, "url", nowhere)
    monkeypatch.setattr(SVHN, "split_list", {name: [nowhere, *rest] for name, (_, *rest) in SVHN.split_list.items()})


@pytest.fixture
def mnist(tmp_path: Path) -> Path:
    """A data directory with 40 + 20 images; image i is all of value i, its label i % 10."""
    tiny_mnist(tmp_path / "data" / "MNIST" / "raw", compress=True)
    return tmp_path / "data"


def test_listing_loads_neither_torch_nor_what_needs_it() -> None:
    code = (
        "import sys; from convtui.engine.data import catalog; [catalog.on_disk(one.name) for one in catalog.descriptions()]; "
        "print(sorted({'torch', 'torchvision', 'sklearn', 'safetensors', 'PIL'} & set(sys.modules)))"
    )
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert asked.stdout.strip() == "[]"


def test_the_sets_are_described_as_they_are(mnist: Path) -> None:
    assert [one.name for one in catalog.descriptions()] == [
        *("shapes", "digits", "mnist", "fashion-mnist", "kmnist", "cifar10", "cifar100", "svhn")
    ]
    for name in ("shapes", "digits"):
        described = catalog.describe(name)
        spec = DataSpec(source=name, colour="grey" if described.channels == 1 else "rgb", size=described.size or 0)
        dataset = catalog.load(spec)
        assert described.images == (len(dataset.train), len(dataset.test))
        assert described.classes == len(dataset.train.classes)
        assert dataset.source == name
        assert dataset.notes == ()
        assert catalog.on_disk(name)
    for name in ("cifar10", "cifar100", "svhn"):
        assert catalog.describe(name).stand_in == "shapes"
    for name in ("mnist", "fashion-mnist", "kmnist"):
        assert catalog.describe(name).stand_in == "digits"
    folder = catalog.describe("folder:/some/where")
    assert (folder.classes, folder.size, folder.stand_in) == (None, None, None)


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("minst", r"unknown dataset minst \(did you mean mnist\?\)"),
        ("cifar", r"did you mean cifar10\?"),
        ("/data/pets", "write folder:/data/pets"),
        ("pets.zip", r"write folder:pets\.zip"),
        ("folder:", "needs a path"),
        ("\x1b[31m", "unknown dataset \ufffd"),
    ],
)
def test_a_wrong_name_is_answered_with_the_right_one(source: str, complaint: str) -> None:
    for ask in (catalog.describe, catalog.on_disk, catalog.get, lambda name: catalog.load(DataSpec(source=name))):
        with pytest.raises(DataError, match=complaint):
            ask(source)


def test_the_data_directory_is_the_argument_else_the_environment_else_the_cache(
    mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert catalog.on_disk("mnist", mnist)
    assert not catalog.on_disk("mnist")
    monkeypatch.setenv("CONVTUI_DATA", str(mnist))
    assert catalog.on_disk("mnist")
    assert not catalog.on_disk("mnist", tmp_path)
    monkeypatch.delenv("CONVTUI_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    tiny_mnist(tmp_path / "xdg" / "convtui" / "datasets" / "MNIST" / "raw")
    assert catalog.on_disk("mnist")


def test_colour_and_size_are_those_of_the_spec(mnist: Path) -> None:
    dataset = catalog.load(DataSpec(source="mnist", colour="rgb", size=32), mnist)
    assert dataset.train.images.shape == (40, 3, 32, 32)
    assert dataset.train.images.dtype == torch.uint8
    assert dataset.train.labels.dtype == torch.int64
    assert (dataset.train.images[33] == 33).all()
    # Values 0 to 39, each as often: mean 19.5, variance (40^2 - 1) / 12.
    assert dataset.mean.tolist() == pytest.approx([19.5 / 255] * 3)
    assert dataset.std.tolist() == pytest.approx([np.sqrt(1599 / 12) / 255] * 3)


def test_shapes_keep_their_masks_in_every_size() -> None:
    dataset = catalog.load(DataSpec(source="shapes", colour="grey", size=16, test_per_class=3))
    assert dataset.train.masks is not None
    assert dataset.train.masks.shape == (10_000, 16, 16)
    assert dataset.test.masks is not None
    assert len(dataset.test.masks) == 30
    full = catalog.load(DataSpec(source="shapes", colour="grey", size=32))
    assert full.train.masks is not None
    # Half the side, a quarter of the area; a new pixel that is half covered counts.
    assert dataset.train.masks.sum().item() == pytest.approx(full.train.masks.sum().item() / 4, rel=0.05)


def test_the_first_images_of_each_class_are_taken(mnist: Path) -> None:
    dataset = catalog.load(DataSpec(source="mnist", colour="grey", size=28, train_per_class=2, test_per_class=1), mnist)
    assert dataset.train.images[:, 0, 0, 0].tolist() == list(range(20))
    assert dataset.test.images[:, 0, 0, 0].tolist() == list(range(10))
    # Of the images in use only: values 0 to 19.
    assert dataset.mean.item() == pytest.approx(9.5 / 255)


@pytest.mark.parametrize("field", ["train_per_class", "test_per_class"])
def test_more_than_there_are_is_refused(mnist: Path, field: str) -> None:
    there = 4 if field == "train_per_class" else 2
    with pytest.raises(DataError, match=rf"data.{field} = 5, but mnist has only {there} of 0: set it to that or less, or to 0"):
        catalog.load(DataSpec(source="mnist", colour="grey", size=28, **{field: 5}), mnist)


def test_only_the_classes_named_are_taken_in_their_order(mnist: Path) -> None:
    spec = DataSpec(source="mnist", colour="grey", size=28, classes=("3", "1"), train_per_class=3)
    dataset = catalog.load(spec, mnist)
    assert dataset.train.classes == dataset.test.classes == ("3", "1")
    assert dataset.train.images[:, 0, 0, 0].tolist() == [1, 3, 11, 13, 21, 23]
    assert dataset.train.labels.tolist() == [1, 0, 1, 0, 1, 0]
    assert dataset.test.images[:, 0, 0, 0].tolist() == [1, 3, 11, 13]
    assert dataset.test.labels.tolist() == [1, 0, 1, 0]
    # Of these images only.
    assert dataset.mean.item() == pytest.approx(12 / 255)


def test_masks_stay_with_the_images_of_the_classes_chosen() -> None:
    whole = catalog.load(DataSpec(source="shapes", size=32))
    part = catalog.load(DataSpec(source="shapes", size=32, classes=("ring", "disc")))
    assert whole.train.masks is not None
    assert part.train.masks is not None
    rings = whole.train.labels == whole.train.classes.index("ring")
    assert torch.equal(part.train.masks[part.train.labels == 0], whole.train.masks[rings])


def test_a_class_that_there_is_not_is_answered_with_what_there_is(mnist: Path) -> None:
    with pytest.raises(DataError, match=r"data.classes names 11, but mnist has no such class \(did you mean 1\?\): it has 0, 1, 2"):
        catalog.load(DataSpec(source="mnist", classes=("1", "11")), mnist)


def test_a_stand_in_without_these_classes_is_used_whole_and_says_so(tmp_path: Path) -> None:
    found = catalog.load(DataSpec(source="kmnist", colour="grey", size=28, classes=("ki", "tsu")), tmp_path, allow_stand_in=True)
    assert found.source == "digits"
    assert len(found.train.classes) == 10
    assert found.notes[1] == "data.classes = ki, tsu, but digits has other classes: all of them are used"
    assert found.relaxed == {"data.classes": ()}
    same = catalog.load(DataSpec(source="mnist", colour="grey", size=28, classes=("1", "3")), tmp_path, allow_stand_in=True)
    assert (same.source, same.train.classes) == ("digits", ("1", "3"))


@pytest.mark.parametrize("colour", ["rgb", pytest.param("grey", marks=pytest.mark.long)])
def test_cropped_images_are_the_middle_of_the_whole_ones(colour: str) -> None:
    whole = catalog.load(DataSpec(source="shapes", colour=colour, size=32))  # type: ignore[arg-type]
    middle = catalog.load(DataSpec(source="shapes", colour=colour, size=28, fit="crop"))  # type: ignore[arg-type]
    assert torch.equal(middle.train.images, whole.train.images[:, :, 2:30, 2:30])
    assert torch.equal(middle.test.images, whole.test.images[:, :, 2:30, 2:30])
    assert middle.test.masks is not None
    assert whole.test.masks is not None
    assert torch.equal(middle.test.masks, whole.test.masks[:, 2:30, 2:30])
    squeezed = catalog.load(DataSpec(source="shapes", colour=colour, size=28))  # type: ignore[arg-type]
    assert not torch.equal(squeezed.train.images, middle.train.images)


def test_images_need_not_be_square() -> None:
    whole = catalog.load(DataSpec(source="shapes", size=32))
    for _ in ("decoded", "from the cache"):
        middle = catalog.load(DataSpec(source="shapes", size=20, width=28, fit="crop"))
        assert torch.equal(middle.train.images, whole.train.images[:, :, 6:26, 2:30])
        values = middle.train.images.double() / 255
        assert_close(middle.mean, values.mean((0, 2, 3)), 100)
        assert_close(middle.std, values.std((0, 2, 3), correction=0), 100)
    squeezed = catalog.load(DataSpec(source="shapes", size=20, width=28))
    assert squeezed.test.masks is not None
    assert (squeezed.test.images.shape[2:], squeezed.test.masks.shape[1:]) == ((20, 28), (20, 28))
    wanted = Image.fromarray(whole.test.images[3].permute(1, 2, 0).numpy()).resize((28, 20), Image.Resampling.BILINEAR)
    assert (squeezed.test.images[3].permute(1, 2, 0).int() - torch.tensor(np.array(wanted)).int()).abs().max() <= 1
    with pytest.raises(DataError, match=r"shapes are 32 x 32: set data\.size to 32 and data\.width to 32 or less"):
        catalog.load(DataSpec(source="shapes", size=20, width=40, fit="crop"))


def test_a_fourth_channel_is_the_opacity_of_a_folder_s_pictures_and_full_in_other_sets(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 6, 4), dtype=np.uint8)
    for name in ("cat", "dog"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(3):
            (tmp_path / "set" / name / f"{number}.png").write_bytes(encoded(Image.fromarray(pixels)))
    spec = DataSpec(source=f"folder:{tmp_path}/set", size=6, colour="rgba", flip=True)
    dataset = catalog.load(spec)
    assert np.array_equal(dataset.train.images[0].permute(1, 2, 0).numpy(), pixels)
    assert dataset.mean.shape == (4,)
    assert torch.equal(preview(spec.model_copy(update={"flip": False})).examples.images[0], dataset.train.images[0])
    assert catalog.load(DataSpec(source=f"folder:{tmp_path}/set", size=6)).train.images.shape[1] == 3
    digits = catalog.load(DataSpec(source="digits", size=8, colour="rgba"))
    assert torch.equal(digits.test.images[:, :3], catalog.load(DataSpec(source="digits", size=8)).test.images)
    assert (digits.test.images[:, 3] == 255).all()


def test_pictures_of_a_folder_are_cropped_as_they_lie(tmp_path: Path) -> None:
    pixels = np.arange(10 * 9 * 3, dtype=np.uint8).reshape(10, 9, 3)
    for name in ("cat", "dog"):
        for number in range(3):
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / f"{number}.png").write_bytes(encoded(Image.fromarray(pixels)))
    (tmp_path / "dog" / "small.png").write_bytes(plain((1, 2, 3), side=5))
    dataset = catalog.load(DataSpec(source=f"folder:{tmp_path}", size=6, fit="crop"))
    assert np.array_equal(dataset.train.images[0].permute(1, 2, 0).numpy(), pixels[2:8, 1:7])
    assert "5 x 5 pixels, too small to crop to 6 x 6" in dataset.notes[0]


def test_images_smaller_than_the_crop_are_refused() -> None:
    with pytest.raises(DataError, match=r"data.fit = crop, but the images of digits are 8 x 8: set data.size to 8 or less"):
        catalog.load(DataSpec(source="digits", colour="grey", size=28, fit="crop"))


def test_held_out_images_are_a_fixed_share_of_each_class(mnist: Path) -> None:
    spec = DataSpec(source="mnist", colour="grey", size=28, validation_fraction=0.25)
    dataset, again = catalog.load(spec, mnist), catalog.load(spec.model_copy(update={"order": "fixed"}), mnist)
    assert dataset.validation is not None
    assert again.validation is not None
    assert torch.equal(dataset.validation.images, again.validation.images)
    assert torch.bincount(dataset.train.labels).tolist() == [3] * 10
    assert torch.bincount(dataset.validation.labels).tolist() == [1] * 10
    kept, held = (set(part.images[:, 0, 0, 0].tolist()) for part in (dataset.train, dataset.validation))
    assert kept | held == set(range(40))
    assert not kept & held
    # The mean knows nothing of what is held out.
    assert dataset.mean.item() == pytest.approx(np.mean(sorted(kept)) / 255)


def test_every_class_keeps_an_image_to_train_on(mnist: Path) -> None:
    two = catalog.load(DataSpec(source="mnist", colour="grey", size=28, train_per_class=2, validation_fraction=0.01), mnist)
    assert two.validation is not None
    assert torch.bincount(two.train.labels).tolist() == torch.bincount(two.validation.labels).tolist() == [1] * 10
    with pytest.raises(DataError, match=r"set data\.validation_fraction = 0"):
        catalog.load(DataSpec(source="mnist", colour="grey", size=28, train_per_class=1, validation_fraction=0.5), mnist)


def test_a_folder_is_loaded_and_recorded_by_its_full_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path / "pets", {"train/cat": 3, "train/dog": 3, "test/cat": 1, "test/dog": 1})
    monkeypatch.chdir(tmp_path)
    dataset = catalog.load(DataSpec(source="folder:pets", colour="grey", size=8))
    assert dataset.source == f"folder:{tmp_path / 'pets'}"
    assert dataset.train.classes == ("cat", "dog")
    assert catalog.on_disk("folder:pets")
    assert not catalog.on_disk("folder:nowhere")
    # A new image is seen at the next start.
    (tmp_path / "pets/train/cat/new.png").write_bytes((tmp_path / "pets/train/cat/000.png").read_bytes())
    assert len(catalog.load(DataSpec(source="folder:pets", colour="grey", size=8)).train) == 7


@pytest.mark.parametrize("allow_stand_in", [True, False])
def test_a_missing_folder_is_never_replaced(tmp_path: Path, allow_stand_in: bool) -> None:
    with pytest.raises(DataUnavailable, match=r"there is no .*nowhere"):
        catalog.load(DataSpec(source=f"folder:{tmp_path / 'nowhere'}"), allow_stand_in=allow_stand_in)


@pytest.mark.parametrize("source", ["mnist", "fashion-mnist", "kmnist", "cifar10", "cifar100", "svhn"])
def test_a_source_that_was_named_is_never_replaced(tmp_path: Path, source: str) -> None:
    for ask in (lambda: catalog.load(DataSpec(source=source), tmp_path), lambda: catalog.get(source, tmp_path)):
        with pytest.raises(DataUnavailable) as caught:
            ask()
        message = str(caught.value)
        assert "\n" not in message
        for part in (f"{source} is not on disk", str(tmp_path), "127.0.0.1", "--data-dir", "CONVTUI_DATA", "folder:PATH"):
            assert part in message
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(("source", "stand_in", "channels"), [("mnist", "digits", 1), ("cifar10", "shapes", 3)])
def test_a_source_that_nobody_named_has_a_stand_in(tmp_path: Path, source: str, stand_in: str, channels: int) -> None:
    spec = DataSpec(source=source, colour="grey" if channels == 1 else "rgb", size=32, train_per_class=3000)
    dataset = catalog.load(spec, tmp_path, allow_stand_in=True)
    assert dataset.source == stand_in
    assert dataset.train.images.shape[1:] == (channels, 32, 32)
    assert dataset.notes[0].startswith(f"{source} is not on disk and cannot be downloaded (")
    assert f"using the built-in {stand_in} instead" in dataset.notes[0]
    # It goes on with what the stand-in has, and says that this is less.
    assert dataset.notes[1].startswith("data.train_per_class = 3,000, but")
    assert all("\n" not in note for note in dataset.notes)


def test_what_a_stand_in_could_not_keep_is_told_so_that_its_images_are_found_again(tmp_path: Path) -> None:
    asked = DataSpec(
        source="mnist", colour="grey", size=28, fit="crop", train_per_class=100, test_per_class=100, classes=("1", "3")
    )
    found = catalog.load(asked, tmp_path, allow_stand_in=True)
    assert found.relaxed == {"data.test_per_class": 0, "data.fit": "resize"}
    assert len(found.notes) == 3
    recorded = changed(RunSpec(data=asked), {"data.source": found.source} | dict(found.relaxed)).data
    again = catalog.load(recorded, tmp_path)
    assert again.notes == ()
    assert torch.equal(again.train.images, found.train.images)
    assert torch.equal(again.test.labels, found.test.labels)
    assert torch.equal(again.mean, found.mean)


@pytest.mark.parametrize("by", ["option", "environment"])
@pytest.mark.parametrize(
    ("source", "there", "lacking"),
    [
        ("mnist", "MNIST/raw/train-images-idx3-ubyte", "lacks train-labels-idx1-ubyte, t10k-images"),
        ("cifar10", "cifar-10-batches-py/data_batch_2", "lacks data_batch_1, data_batch_3"),
        ("svhn", "train_32x32.mat", "lacks test_32x32.mat"),
    ],
)
def test_a_set_in_part_in_a_place_that_somebody_named_has_no_stand_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str, source: str, there: str, lacking: str
) -> None:
    (tmp_path / there).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / there).write_bytes(b"")
    if by == "environment":
        monkeypatch.setenv("CONVTUI_DATA", str(tmp_path))
    with pytest.raises(DataUnavailable, match=lacking):
        catalog.load(make({"data": {"source": source}}).data, tmp_path if by == "option" else None, allow_stand_in=True)


def test_a_path_that_is_not_utf_8_is_refused_and_names_within_it_are_not(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", {"caf\udce9": 3, "b": 3})
    found = catalog.load(make({"data": {"source": f"folder:{root}", "size": 8}}).data)
    assert found.train.classes == ("b", "caf\ufffd")
    assert found.digests
    with pytest.raises(DataError, match="is not valid UTF-8: rename the folder"):
        catalog.as_recorded("folder:caf\udce9")


def test_damaged_files_are_not_covered_up_by_a_stand_in(mnist: Path) -> None:
    path = mnist / "MNIST" / "raw" / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="train-images-idx3-ubyte"):
        catalog.load(DataSpec(source="mnist"), mnist, allow_stand_in=True)


def test_get_reads_what_is_there_and_says_where(mnist: Path) -> None:
    assert catalog.get("mnist", mnist) == str(mnist)
    assert catalog.get("digits", mnist) == ""
    (mnist / "MNIST" / "raw" / "t10k-labels-idx1-ubyte.gz").write_bytes(b"damaged")
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte"):
        catalog.get("mnist", mnist)


def test_names_from_files_are_made_printable_and_short() -> None:
    from convtui.engine.data.names import listed, printable, shown

    assert printable("a\x1b[2J\u202e\udc80\u2028b") == "a\ufffd[2J\ufffd\ufffd\ufffdb"
    assert printable("e\u0301") == "\u00e9"
    assert len(shown("x" * 500)) < 210
    assert listed(["a", "b", "c"], most=2) == "a, b and 1 more"


@pytest.mark.parametrize("colour", ["rgb", "grey"])
def test_a_folder_s_own_validation_images_are_used_at_every_start(tmp_path: Path, colour: str) -> None:
    root = tree(
        tmp_path / "set", {f"{part}/{name}": 2 + number for number, part in enumerate(("train", "val", "test")) for name in "abc"}
    )
    spec = make(
        {"data": {"source": f"folder:{root}", "colour": colour, "size": 8, "classes": "c, a", "validation_fraction": 0.5}}
    ).data
    for _ in range(2):
        found = catalog.load(spec)
        assert found.validation is not None
        assert found.train.class_counts() == [2, 2]
        assert found.validation.class_counts() == [3, 3]
        assert found.test.class_counts() == [4, 4]
        assert found.validation.images[0].unique().tolist() != found.validation.images[3].unique().tolist()
        assert any("data.validation_fraction is ignored" in note for note in found.notes)
    assert catalog.load(spec.model_copy(update={"validation_fraction": 0.0})).validation is not None


def test_the_white_of_16_bits_is_known_at_every_start(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(3):
            image = Image.fromarray(np.full((8, 8), 4000 - number, np.uint16))
            (tmp_path / "set" / name / f"{number}.png").write_bytes(encoded(image))
    spec = make({"data": {"source": f"folder:{tmp_path / 'set'}", "size": 8}}).data
    assert [catalog.load(spec).white, catalog.load(spec).white] == [4095, 4095]
