"""`convtui serve`: the application in a browser."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from convtui.engine.errors import UsageError
from convtui.engine.extras import how_to_install
from convtui.engine.files import DEFAULT_STORE
from convtui.engine.store_address import for_child
from convtui.tui.cli.options import DataDir, StorePath
from convtui.tui.session.program import PROGRAM

PORT = 8017


def serve(
    host: Annotated[str, typer.Option(help="address to listen on; others than this machine's own are reached from the network")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(help="port to listen on; 0: any that is free", min=0, max=65535)] = PORT,
    no_token: Annotated[bool, typer.Option("--no-token", help="no secret in the address; on this machine only")] = False,
    device: Annotated[str, typer.Option("--device", help="device for runs started there")] = "auto",
    store_path: StorePath = DEFAULT_STORE,
    data_dir: DataDir = None,
) -> None:
    """Show the application in a browser. Prints the address to open; Ctrl+C ends it.

    Each page that is opened is an application of its own on the same store. Who has the address can do all that you can. A
    training that was begun in a page goes on when the page is closed.
    """
    try:
        from convtui.tui.hosts import is_local
        from convtui.tui.web.server import Guard, application, listening, new_token
        from convtui.tui.web.server import serve as serve_until_ended
    except ImportError as error:
        raise UsageError(f"convtui serve needs {error.name}: {how_to_install('serve')}") from None
    if no_token and not is_local(host):
        raise UsageError(f"--no-token would let everyone who reaches {host} train and read here: leave it out, or use 127.0.0.1")
    token = None if no_token else new_token()
    of_store, environment = for_child(store_path)
    os.environ.update(environment)  # which pages get too
    command = [*PROGRAM, "--served", *of_store, "--device", device]
    command += ["--data-dir", str(data_dir)] if data_dir is not None else []
    with listening(host, port) as there:
        name = f"[{host}]" if ":" in host else host
        url = f"http://{name}:{there.getsockname()[1]}/" + (f"{token}/" if token else "")

        def ready() -> None:
            print(f"open {url}  (Ctrl+C ends it)", flush=True)
            if not is_local(host):
                print(
                    "what is shown and typed travels unencrypted: through a network that you do not trust, use ssh -L", flush=True
                )

        serve_until_ended(application(command, Guard(host, token), token), there, ready)
