"""The service: a deployed model over HTTP, and the page that shows what it says."""
