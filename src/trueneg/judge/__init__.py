"""What does an error cost, and can the figure be trusted? Import the systems by module."""
