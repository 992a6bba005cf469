"""The hand-written loss against autograd, and its estimate from drawn items against the sum over all."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from tasks.recommendation.softmax import next_items_loss


def problem(seed: int = 0):
    random = torch.Generator().manual_seed(seed)
    queries, vectors = torch.randn(5, 4, generator=random).double(), torch.randn(7, 4, generator=random).double()
    bias, weight = torch.randn(7, generator=random).double(), torch.rand(5, generator=random).double()
    hit_query, hit_item = torch.tensor([0, 0, 0, 1, 2, 3, 4, 4]), torch.tensor([1, 4, 6, 2, 2, 0, 3, 5])
    share = 1 / torch.bincount(hit_query)[hit_query].double()
    return queries, vectors, bias, hit_query, hit_item, share, weight


def test_it_is_the_mean_cross_entropy_of_what_was_wanted():
    queries, vectors, bias, hit_query, hit_item, share, weight = problem()
    wanted = torch.zeros(5, 7).double().index_put((hit_query, hit_item), share)
    expected = F.cross_entropy(queries @ vectors.T + bias, wanted, reduction="none") @ (weight / weight.sum())
    torch.testing.assert_close(
        next_items_loss(queries, vectors, bias, hit_query, hit_item, share, weight), expected, rtol=1e-12, atol=0
    )


@pytest.mark.parametrize("correction", [None, [0.0, -1.0, -2.0, 60.0, -0.5, 0.0, -3.0]])
def test_gradients_are_those_of_autograd(correction):
    *parts, hit_query, hit_item, share, weight = problem()
    parts = [part.requires_grad_() for part in parts]
    queries, vectors, bias = parts
    chance = None if correction is None else torch.tensor(correction).double()
    loss = next_items_loss(*parts, hit_query, hit_item, share, weight, chance)
    found = torch.autograd.grad(3 * loss, parts)

    logits = queries @ vectors.T + bias
    if chance is not None:
        certain = torch.zeros_like(logits).index_put((hit_query, hit_item), torch.ones_like(share)) > 0
        logits = torch.where(certain, logits, logits - chance)
    wanted = torch.zeros_like(logits).index_put((hit_query, hit_item), share)
    expected = F.cross_entropy(logits, wanted, reduction="none") @ (weight / weight.sum())
    torch.testing.assert_close(loss, expected)
    for one, other in zip(found, torch.autograd.grad(3 * expected, parts), strict=True):
        torch.testing.assert_close(one, other)


def test_drawn_items_estimate_the_sum_over_all():
    """The estimate of the sum (not of its logarithm) is unbiased: over all subsets of a few negatives."""
    queries, vectors, bias, *_ = problem()
    query, logits = queries[:1], queries[0] @ vectors.T + bias
    chance = torch.tensor([0.3, 0.6, 0.5, 0.9, 0.2, 0.7, 0.4]).double()
    one = torch.ones(1).double()
    expected, sure = logits.exp().sum(), 2
    mean = 0.0
    for subset in range(2**7):
        drawn = torch.tensor([bool(subset >> item & 1) for item in range(7)])
        probability = torch.where(drawn, chance, 1 - chance).prod()
        correction = torch.where(drawn, chance.log(), 60.0)
        hits = torch.tensor([0]), torch.tensor([sure])
        loss = next_items_loss(query, vectors, bias, *hits, one, one, correction)
        mean += probability * (loss + logits[sure]).exp()
    # what is wanted counts once and for certain, the others by the inverse of their chance
    torch.testing.assert_close(mean, expected, rtol=1e-9, atol=0)
