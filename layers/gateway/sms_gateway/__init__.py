"""The SMS gateway's core: what every function shares. See docs/data-model.md for what is stored."""
