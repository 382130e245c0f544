"""Pictures from camera traps."""
