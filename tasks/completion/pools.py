"""Groups of orders that leave none out."""

from __future__ import annotations

import numpy as np

from tasks.completion.orders import Orders


def pooled(orders: Orders, label: str) -> np.ndarray:
    """The group that a label gives each order, int64 [N]: those without it are one group, so that a shop that never
    says where its orders come from has one origin, and no case depends on whether others ever tell."""
    code = orders.labels.get(label, np.full(len(orders), -1)).astype(np.int64)
    return np.where(code >= 0, code, code.max(initial=-1) + 1)
