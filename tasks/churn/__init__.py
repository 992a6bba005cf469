"""Churn: who is about to leave, and why."""

from tasks.churn.task import ChurnTask

__all__ = ["ChurnTask"]
