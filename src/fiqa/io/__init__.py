"""Files in and out: images, samples, pair lists and the tables between stages. All else is arrays."""
