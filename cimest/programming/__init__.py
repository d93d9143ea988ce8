"""Weight programming: writing trained weights into analog memory, and what time does to them."""
