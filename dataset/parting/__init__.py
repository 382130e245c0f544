"""Which part a group belongs to, and the rules that no version may break in silence."""
