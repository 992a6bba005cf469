"""Fitting, storing and asking the recommender: a network of the next step, and what it is blended with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from forecasting.artifacts import expect_format
from forecasting.task import Cases, Fit, Forecaster, Instant, Recipe
from tasks.recommendation.blend import WEIGHED_CASES, Blend, fit_blend
from tasks.recommendation.candidates import Candidates
from tasks.recommendation.fitted import FittedNetwork, restore_network
from tasks.recommendation.folds import first_steps, latest, thinned, truth
from tasks.recommendation.forecast import Ranking
from tasks.recommendation.journal import Journal
from tasks.recommendation.nearest import rank_nearest
from tasks.recommendation.options import RecommendationOptions
from tasks.recommendation.ranking import BLOCK_BYTES, rank
from tasks.recommendation.signals import signals
from tasks.recommendation.training import fit_network

FORMAT = 2

FIRST_STEPS = 500
"""First steps that the blend is fitted on besides, at most: what a new customer is shown is learnt from them."""


@dataclass(frozen=True)
class NetworkAlone:
    """The sequence model without what it is blended with: shown beside the model, never published."""

    network: FittedNetwork
    options: RecommendationOptions

    def predict(self, dataset: Journal, cases: Cases) -> Ranking:
        """The k best items of each case by the network's own probabilities."""

        def scores(block: Cases) -> tuple[np.ndarray, None]:
            return self.network.logits(dataset, block), None

        return rank(dataset, self.options, cases, scores, probabilities=True)


@dataclass(frozen=True)
class RecommendationModel:
    """The network, and the weights by which its logits and the evidence of the day add up to log-odds."""

    network: FittedNetwork
    blend: Blend
    options: RecommendationOptions
    trained_until: Instant
    recipe: Recipe

    def predict(self, dataset: Journal, cases: Cases) -> Ranking:
        """The k best items of each case that may be shown, and the probability of each to be the next one."""

        def scores(block: Cases) -> tuple[np.ndarray, Candidates]:
            return self.blend.scores(signals(dataset, block, self.network.logits(dataset, block), self.trained_until))

        if self.options.nearest is not None and self.options.nearest < len(dataset.catalogue):
            return rank_nearest(dataset, self.options, cases, self.network, self.blend, self.trained_until, scores)
        return rank(dataset, self.options, cases, scores, probabilities=True)

    def renew(self, dataset: Journal, fit: Fit) -> RecommendationModel:
        """The model brought up to `fit.until` for a small part of a fit (`tasks.recommendation.renewal`)."""
        from tasks.recommendation.renewal import renew_recommendation

        return renew_recommendation(self, dataset, fit)

    def tensors(self) -> Mapping[str, np.ndarray]:
        """The network's weights by name."""
        return self.network.tensors()

    def document(self) -> Mapping[str, Any]:
        """All that is no array, as JSON values; the blend's weights stand in the recipe."""
        return {
            "format": FORMAT,
            "trained_until": str(self.trained_until),
            "network": dict(self.network.document()),
            "recipe": {"epochs": self.recipe.epochs, "learnt": dict(self.recipe.learnt)},
        }

    def parts(self) -> Mapping[str, Forecaster]:
        """The network alone."""
        return {"network": NetworkAlone(self.network, self.options)}


def fit_recommendation(journal: Journal, fit: Fit, options: RecommendationOptions) -> RecommendationModel:
    """A model that saw nothing past `fit.until`.

    Without a recipe a network is trained on what came before the latest tenth of the steps, stopped and blended by how
    well it foretells these; then, as with a recipe, one is trained for as many epochs on everything. Raises
    NotEnoughData.
    """
    recipe = fit.recipe or _search(journal, fit, options)
    network = fit_network(
        journal,
        fit.until,
        options,
        seed=fit.seed,
        epochs=recipe.epochs,
        checkpoint=_within(fit, "all"),
        progress=fit.progress,
    )
    return RecommendationModel(network, Blend.restore(recipe.learnt["blend"]), options, fit.until, recipe)


def restore_recommendation(
    tensors: Mapping[str, np.ndarray], document: Mapping[str, Any], options: RecommendationOptions
) -> RecommendationModel:
    """The model of a stored artifact. Raises ArtifactError for one of another format."""
    expect_format(document, FORMAT, "model")
    recipe = Recipe(document["recipe"]["epochs"], document["recipe"]["learnt"])
    until = np.datetime64(document["trained_until"], "us")
    network = restore_network(tensors, document["network"])
    return RecommendationModel(network, Blend.restore(recipe.learnt["blend"]), options, until, recipe)


def _search(journal: Journal, fit: Fit, options: RecommendationOptions) -> Recipe:
    """Epochs and blend, found on the latest steps with a network that has not seen them."""
    begin, cases = latest(journal, fit.until)
    network = fit_network(
        journal,
        begin,
        options,
        seed=fit.seed,
        validate=cases,
        checkpoint=_within(fit, "earlier"),
        progress=fit.progress,
    )
    later, first = thinned(journal, cases, WEIGHED_CASES), first_steps(journal, begin, fit.until)
    first = thinned(journal, first, FIRST_STEPS)
    cases = Cases(np.append(later.entity, first.entity), np.append(later.cutoff, first.cutoff))
    at_once = int(np.clip(BLOCK_BYTES // (4 * max(len(journal.catalogue), 1)), 1, len(cases)))
    blocks = (cases.take(np.arange(k, min(k + at_once, len(cases)))) for k in range(0, len(cases), at_once))
    opinions = (
        (signals(journal, block, network.logits(journal, block), begin), truth(journal, block)) for block in blocks
    )
    blend = fit_blend(opinions, seed=fit.seed)
    return Recipe(network.epochs, {"blend": blend.document()})


def _within(fit: Fit, name: str) -> Path | None:
    return fit.checkpoint / name if fit.checkpoint else None
