"""Recommendation: what each customer, or anonymous session, wants next."""
