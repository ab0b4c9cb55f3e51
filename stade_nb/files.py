"""Write files whole or not at all."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from torch import Tensor


def write_at_once(path: Path, content: str | bytes) -> None:
    """Write text (in UTF-8) or bytes to `path`, whose folder exists, in place of what was there.

    Whoever reads meanwhile, or after a kill or a power cut, sees the old file or the new one whole.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def canonical(value: Any) -> str:
    """JSON with sorted names and no spaces: equal values have equal texts. No NaN, no infinity."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256, in hexadecimal, of a value's canonical JSON."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def digest_of_ids(ids: Tensor) -> str:
    """SHA-256, in hexadecimal, of token windows, (windows, tokens), whatever their integer type."""
    shape = f"{tuple(ids.shape)} ".encode()
    return hashlib.sha256(shape + ids.long().cpu().contiguous().numpy().tobytes()).hexdigest()
