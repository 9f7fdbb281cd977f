"""Storage: the index of keys and the slots that hold their secrets. The keystore is the one door."""
