"""How good a model is, and whether it may replace another. The face is ``evaluation.evaluator``."""
