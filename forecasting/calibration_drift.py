"""Whether what happened of late is still what a model expected of it: the alarm that models raise about themselves."""

from __future__ import annotations

import numpy as np

LEAST_CHANGE = float(np.log(1.3))
"""An alarm is raised where things happen at least so much more, or less, than expected (as a logarithm) ..."""

LEAST_Z = 4.0
"""... that is so many standard deviations of what chance would do ..."""

TIMES_USUAL = 2.0
"""... and so many times what is usual of this shop, whose customers share the weather and the holidays."""


def drift_figures(observed: float, expected: float, error: float, usual: float = 0.0) -> dict[str, float]:
    """Figures for `forecasting.task.Watching`: `drift_log_ratio` of what was observed to what was expected, `drift_z`,
    their difference in standard deviations, and `drift_alarm`, 1 where both are large, else 0. `error`: the standard
    deviation of the difference by chance, with clusters as clusters. `usual`: by how much the logarithm of the ratio is
    usually off, for reasons that are no drift."""
    ratio = float(np.log((observed + 1.0) / (expected + 1.0)))
    z = (observed - expected) / max(error, 1e-9) if error > 0 else 0.0
    alarm = abs(ratio) >= max(LEAST_CHANGE, TIMES_USUAL * usual) and abs(z) >= LEAST_Z
    return {"drift_alarm": float(alarm), "drift_z": float(z), "drift_log_ratio": ratio}
