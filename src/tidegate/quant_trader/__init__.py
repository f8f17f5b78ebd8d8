"""The scripts of quants: old names on new parts."""
