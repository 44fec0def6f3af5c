"""The SMS vendors simulated on loopback: wire quirks, a ledger, faults on command.

Independent of the gateway's own code on purpose: the ledger is the oracle of the tests. Only the
names of the vendors come from there.
"""
