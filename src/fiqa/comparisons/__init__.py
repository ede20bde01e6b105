"""Who is compared with whom, and how similar they are: clusters, pairs, comparison scores."""
