"""Quality labels improved by mated comparisons: ranks move towards those of the similarities they cause."""
