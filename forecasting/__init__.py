"""The core of the forecasting suite: sequences, encoders, training, calibration, the gate.

It knows no SQL, no task and no command line; `forecasting.app` alone wires those to it.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("shop-forecasting")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0.0.0"
