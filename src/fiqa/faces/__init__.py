"""Photographs to aligned crops: detect, choose, align; and seeded degradations of the crops."""
