"""Features of a case: declared as data, each with its clock, and computed by pure functions over arrays.

`declaration` says what a feature is and what of it a cutoff sees; `time`, `space` and `entity` compute them. Nothing
here is fitted except what says so, and that on the training part alone.
"""

from forecasting.features.declaration import Clock, Feature, FeatureKind, FeatureSet

__all__ = ["Clock", "Feature", "FeatureKind", "FeatureSet"]
