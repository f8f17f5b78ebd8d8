"""What the windows of a look-back come to, a tile of rows at a time."""
