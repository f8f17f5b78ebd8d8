"""What trading knows: bars and moving prices."""
