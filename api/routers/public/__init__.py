"""Public routers: no login."""
