"""The nouns every stage exchanges: types, errors, registries. Imports numpy alone."""
