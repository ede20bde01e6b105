"""Why a face scores what it scores: where quality is lost, and what is wrong in plain words."""
