"""Settings by path, as they are stored: for thousands of runs at once, where a RunSpec of each would take seconds."""

from __future__ import annotations

import json
from collections import ChainMap
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import Any

from pydantic import ValidationError

from convtui.engine.spec.base import written
from convtui.engine.spec.blocks import ConvBlock, DenseBlock
from convtui.engine.spec.fields import hyperparameters

_BLOCKS: Mapping[str, type[ConvBlock | DenseBlock]] = {"model.conv_blocks": ConvBlock, "model.dense_blocks": DenseBlock}


def flat(values: Mapping[str, Any], *, defaults: bool) -> Mapping[str, Any]:
    """Path -> value of nested settings, lists as people write them. With `defaults`, of a net that convtui trained, every
    hyperparameter has a value."""
    own = {path: _plain(path, value) for path, value in _leaves(values)}
    if not defaults:
        return own
    usual = _defaults()
    # Of ten thousand runs most values are the defaults: kept once.
    return ChainMap({path: value for path, value in own.items() if path not in usual or usual[path] != value}, usual)


@cache
def _defaults() -> dict[str, Any]:
    return {field.path: _plain(field.path, field.default) for field in hyperparameters()}


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _plain(path: str, value: Any) -> Any:
    """A number, a truth value or None as it is; anything else as text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if path in _BLOCKS and isinstance(value, list) and value:
        return _notation(path, json.dumps(value))
    return written(tuple(value)) if isinstance(value, list | tuple) else json.dumps(value, default=str)


@lru_cache(maxsize=1024)
def _notation(path: str, blocks: str) -> str:
    """Blocks in their notation; as JSON where another program wrote them."""
    try:
        return written(tuple(_BLOCKS[path].model_validate(block) for block in json.loads(blocks)))
    except ValidationError:
        return blocks
