"""The routes, a file each for what they are about."""
