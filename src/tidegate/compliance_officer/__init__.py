"""The scripts of compliance officers: old names on new parts."""
