"""What ships as plugins: one method, task, set of metrics or reporter a file."""
