"""A browser without a window, for what people see in one."""
