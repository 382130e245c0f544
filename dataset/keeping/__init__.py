"""Keeping a store whole and small: examining it, and collecting what nobody needs."""
