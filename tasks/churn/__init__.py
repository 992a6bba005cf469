"""Churn: who is about to leave, and why."""
