"""The operator's command; see `smsgw --help`."""
