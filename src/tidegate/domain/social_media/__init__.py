"""What social media knows: moving sentiment."""
