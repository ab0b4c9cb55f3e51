"""Write files whole or not at all."""

import os
from pathlib import Path


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
