"""Examples of every command: at the end of its --help, and in docs/commands.md. tests/docs parses and runs them there."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

EXAMPLES = {
    "": """
        # a minute in the application: train, watch, look inside
        convtui tour
        # a small net on images that convtui draws itself
        convtui run --preset demo
        # what its first layer looks for
        convtui look filters last
        # the application, with the runs of another store
        convtui --store runs.db
    """,
    "tour": """
        # train, watch, look inside
        convtui tour
        # keep its run with yours
        convtui tour --store store.db
    """,
    "run": """
        # a small net on images that convtui draws itself
        convtui run --preset demo
        # LeNet-5 with other settings
        convtui run --preset lenet5 --lr 3e-4 --set model.activation=tanh
        # your own images: an archive or folder with a folder per class
        convtui run --preset lenet5 --data folder:pictures.zip
        # how long will it take?
        convtui run --preset lenet5 --try speed
    """,
    "resume": """
        # the newest run, from its last checkpoint
        convtui resume last
        # up to 40 epochs in all
        convtui resume last --epochs 40
    """,
    "stop": """
        # the newest run, here or in another process
        convtui stop last
        # the newest run of this name
        convtui stop lenet5
    """,
    "pause": """
        # the newest run: its process waits
        convtui pause last
        # and let it go on
        convtui resume last
    """,
    "checkpoint": """
        # save the weights of the newest run as they are
        convtui checkpoint last
        # which checkpoints there are
        convtui runs show last
    """,
    "lr": """
        # halve the learning rate of the newest run
        convtui lr last 0.5
        # double it
        convtui lr last 2
    """,
    "exec": """
        # what the program prints is kept; with 'import convtui' its numbers too
        convtui exec -- python train.py --epochs 10
        # what it prints, in another terminal
        convtui runs output last --follow
    """,
    "runs": """
        # all runs, the newest first
        convtui runs list
        # results, settings and checkpoints of the newest run
        convtui runs show last
        # the newest run beside the best one
        convtui runs compare last best
    """,
    "runs list": """
        # the ten newest, with their learning rates
        convtui runs list --limit 10 --column lr
        # the best first
        convtui runs list --filter 'lr>=1e-3 NOT status:failed' --sort accuracy
    """,
    "runs watch": """
        # the newest run, until it ends
        convtui runs watch last
        # for another program to read
        convtui runs watch last --json
    """,
    "runs compare": """
        # the newest run and the best one
        convtui runs compare last best
        # as a Markdown table
        convtui runs compare last best --md
    """,
    "runs export": """
        # every metric, a row per step
        convtui runs export last --out metrics.csv
        # of several runs, each row with the run's id and name
        convtui runs export best last --out both.csv
        # the net, for other programs
        convtui runs export last --out net.onnx
    """,
    "runs import": """
        # TensorBoard's event files, and Lightning's metrics.csv
        convtui runs import runs/ lightning_logs/
        # go on reading as they grow
        convtui runs import --follow runs/
    """,
    "runs merge": """
        # from another store
        convtui runs merge other.db
        # from a file that 'convtui bundle' wrote
        convtui runs merge mynet.convtui
    """,
    "runs output": """
        # of the newest run
        convtui runs output last
        # go on until the run ends
        convtui runs output last --follow
    """,
    "runs images": """
        # the newest images of each name
        convtui runs images last
        # as a picture
        convtui runs images last --out images.png
    """,
    "runs show": """
        # the newest run
        convtui runs show last
        # the best run, for another program to read
        convtui runs show best --json
    """,
    "runs rename": """
        # the newest run
        convtui runs rename last baseline
        # the run with this id
        convtui runs rename 2 wide
    """,
    "runs note": """
        # words that begin with # are tags, for --filter
        convtui runs note last 'filters are clear #report'
        # no note any more
        convtui runs note last ''
    """,
    "runs delete": """
        # asks before each
        convtui runs delete 2
        # does not ask
        convtui runs delete 3 4 --yes
    """,
    "store": """
        # is it sound, and is something left over?
        convtui store check
        # delete what killed processes left
        convtui store check --clean
    """,
    "store check": """
        # damage, missing weights, leftovers
        convtui store check
        # delete what killed processes left
        convtui store check --clean
    """,
    "store copy": """
        # every run under its number, with its files
        convtui store copy store.db copy.db
        # to a server
        convtui store copy store.db 'postgresql://me@server/runs?files=/shared/runs'
    """,
    "study": """
        # studies, and how many of their runs are done
        convtui study list
        # takes minutes, downloads nothing
        convtui study run demo
        # published, measured, difference
        convtui study show demo
    """,
    "study list": """
        # how many of their runs are done
        convtui study list
        # for another program to read
        convtui study list --json
    """,
    "study run": """
        # takes minutes, downloads nothing
        convtui study run demo
        # one setting, one seed
        convtui study run demo --only sgd --seeds 1
        # a tenth of each budget, in four processes
        convtui study run 002 --scale 0.1 --workers 4
    """,
    "study show": """
        # published, measured, difference, claims
        convtui study show 002
        # as a Markdown page
        convtui study show 002 --md
    """,
    "look": """
        # what the first layer of the newest run looks for
        convtui look filters last
        # what excites one map most, projected back to pixels
        convtui look deconvnet last --layer conv2 --map 7
        # a picture of your own
        convtui look activations last --image photo.jpg
        # into a file
        convtui look confusion last --out confusion.png
    """,
    "plot": """
        # all curves of the newest run
        convtui plot last
        # two runs in one chart
        convtui plot last best --metric accuracy
        # for paper
        convtui plot last --out curves.svg --ground light
    """,
    "report": """
        # a page that needs no network
        convtui report last --out report.html
        # which sections there are
        convtui report last --list-sections
        # some of them
        convtui report last --out report.md --sections curves,confusion
    """,
    "bundle": """
        # the newest run with its weights, in one file
        convtui bundle last --out mynet.convtui
        # and look at it, anywhere
        convtui open mynet.convtui
    """,
    "open": """
        # the application, on the runs in the file
        convtui open mynet.convtui
        # or take its runs into your store
        convtui runs merge mynet.convtui
    """,
    "predict": """
        # the most probable classes
        convtui predict last photo.jpg
        # the best run, for another program to read
        convtui predict best photo.jpg --json
    """,
    "views": """
        # what can be looked at
        convtui views
        # the options of one view
        convtui views deconvnet
    """,
    "presets": """
        # what can be trained
        convtui presets
        # its settings and layers
        convtui presets lenet5
        # every hyperparameter with its bounds
        convtui presets --fields
    """,
    "data": """
        # what there is, and what of it is on disk
        convtui data list
        # classes, sizes, mean and deviation
        convtui data show digits
    """,
    "data list": """
        # what there is, and what of it is on disk
        convtui data list
        # for another program to read
        convtui data list --json
    """,
    "data get": """
        # into your cache folder
        convtui data get mnist
        # into a folder of your own
        convtui data get cifar10 --data-dir data
    """,
    "data show": """
        # classes, sizes, mean and deviation
        convtui data show digits
        # your own images, as they will be read
        convtui data show folder:pictures
    """,
    "serve": """
        # prints the address to open
        convtui serve
        # on another port, with another store
        convtui serve --port 8080 --store runs.db
    """,
    "doctor": """
        # what works here, and what to do about what does not
        convtui doctor
        # mend what can be mended; asks before it deletes anything
        convtui doctor --fix
    """,
}
"""Path of the command, without `convtui` -> a command per line, above it a comment."""


def examples(path: str) -> str:
    """Those of the command, a line each, not indented."""
    return "\n".join(line.strip() for line in EXAMPLES[path].strip().splitlines())


def names_of(context: Any) -> list[str]:
    """Of the command that a context is of, without the program's."""
    names: list[str] = []
    while context is not None and context.parent is not None:
        names.insert(0, context.info_name)
        context = context.parent
    return names


class ClickCommand(TyperCommand):
    """With its examples below its help."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        super().format_help(ctx, formatter)
        _write(ctx, formatter)


class ClickGroup(TyperGroup):
    """With its examples below its help."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        super().format_help(ctx, formatter)
        _write(ctx, formatter)


def _write(context: Any, formatter: Any) -> None:
    """As they stand: wrapped or joined, they could not be copied."""
    lines = examples(" ".join(names_of(context))).splitlines()
    formatter.write(" Examples:\n\n" + "".join(f"   {line}\n" for line in lines))
