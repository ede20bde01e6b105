"""Transfer learning: a recognition backbone becomes a quality regressor by labels of samples."""
