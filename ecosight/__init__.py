"""EcoSight keeps a deployed model getting better.

This package is the kernel: values, errors, ports, configuration, stores, clock, ids, seeds,
progress and plug-in discovery. It imports none of the other packages.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
