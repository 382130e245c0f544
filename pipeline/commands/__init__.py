"""The verbs of `ecosight`, a module for each theme; each has ``mount(app)``."""
