"""What the commands do, composing rooms."""
