"""Recommendation: what each customer, or anonymous session, wants next."""

from tasks.recommendation.task import RecommendationTask

__all__ = ["RecommendationTask"]
