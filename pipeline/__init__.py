"""The loop, the command, the demo, and the wiring: the only place where parts are put together."""
