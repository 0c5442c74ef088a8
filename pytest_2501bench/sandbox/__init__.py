"""Where scenarios run: one protocol, one module or package per mode."""
