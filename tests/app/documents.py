"""Reading what `--json` printed."""

from __future__ import annotations

import json
from typing import Any

from click.testing import Result


def document(result: Result) -> dict[str, Any]:
    """The one JSON document on stdout; anything else there is an error."""
    return json.loads(result.stdout)
