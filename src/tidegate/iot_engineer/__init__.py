"""The scripts of IoT engineers: old names on new parts."""
