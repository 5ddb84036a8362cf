"""Wire shapes: what goes over HTTP, field by field. The api answers with them, the client reads them."""
