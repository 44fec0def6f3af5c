"""What runs the whole gateway on one machine."""
