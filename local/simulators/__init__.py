"""The SMS vendors, played on loopback: faithful wire quirks, a ledger, faults on command.

Independent of the gateway's own code on purpose: what the ledger says is the oracle of the tests.
Only the names of the vendors come from there.
"""
