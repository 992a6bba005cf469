"""The loss over all items, or over some: where training spends its time, and so written out by hand.

Autograd would keep several copies of the logits; here one array is logits, then probabilities, then their gradient.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def next_items_loss(
    queries: Tensor,
    vectors: Tensor,
    bias: Tensor,
    hit_query: Tensor,
    hit_item: Tensor,
    hit_share: Tensor,
    weight: Tensor,
    correction: Tensor | None = None,
) -> Tensor:
    """Cross-entropy of the softmax of `queries` [Q, D] @ `vectors` [A, D]^T + `bias` [A], averaged under `weight` [Q].

    What query q wanted is a distribution over items, the `hit_share` [H] of `hit_item` int64 [H] where `hit_query`
    int64 [H] is q (pairs are distinct, shares of a query sum to 1): for several items it is the mean of their
    cross-entropies.

    With `correction` [A], the logarithm of each item's chance to be among the A, the sum over all items is estimated
    without bias from those (Bengio and Senecal 2008): what is wanted was there for certain, the others count by the
    inverse of their chance. Returns a scalar; its gradient cannot be differentiated again.
    """
    return _NextItems.apply(queries, vectors, bias, hit_query, hit_item, hit_share, weight, correction)


class _NextItems(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        queries: Tensor,
        vectors: Tensor,
        bias: Tensor,
        hit_query: Tensor,
        hit_item: Tensor,
        hit_share: Tensor,
        weight: Tensor,
        correction: Tensor | None,
    ) -> Tensor:
        logits = torch.addmm(bias if correction is None else bias - correction, queries, vectors.T)
        if correction is not None:
            logits[hit_query, hit_item] += correction[hit_item]
        wanted = logits[hit_query, hit_item]
        largest = logits.amax(1, keepdim=True)
        total = logits.sub_(largest).exp_().sum(1, keepdim=True)
        # The sum over a query's hits, as a difference from its logarithm of the sum over all.
        surprise = (total.log() + largest).squeeze(1)
        surprise = surprise.index_add(0, hit_query, -hit_share * wanted)
        weight = weight / weight.sum()
        ctx.save_for_backward(queries, vectors, hit_query, hit_item, hit_share, weight)
        ctx.probability = logits.mul_(weight.unsqueeze(1) / total)
        return (surprise * weight).sum()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        queries, vectors, hit_query, hit_item, hit_share, weight = ctx.saved_tensors
        logits = ctx.probability
        del ctx.probability
        logits[hit_query, hit_item] -= hit_share * weight[hit_query]
        (gradient,) = gradients
        scaled = queries * gradient
        return (logits @ vectors) * gradient, logits.T @ scaled, logits.sum(0) * gradient, *(None,) * 5
