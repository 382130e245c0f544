"""Kinds of sample, one package each: the only code that knows what the bytes are."""
