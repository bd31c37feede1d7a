"""Model serving: endpoints, their served entities, and the road of one request."""
