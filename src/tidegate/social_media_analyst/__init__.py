"""The scripts of social-media analysts: old names on new parts."""
