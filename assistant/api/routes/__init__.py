"""The routes of the REST interface, one module per resource. They translate; what they translate is done elsewhere."""
