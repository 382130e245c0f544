"""Lets a new model in by degrees, and decides by sequential statistics. The decisions are ``ab_testing.stats``."""
