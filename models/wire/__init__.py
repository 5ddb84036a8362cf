"""Wire shapes: the bodies of HTTP, field by field. The api answers with them, the client reads them."""
