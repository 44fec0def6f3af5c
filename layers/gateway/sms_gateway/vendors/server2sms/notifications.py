"""The three notification URLs of a send to server2sms."""

# The tags go literally. <RCPNT> is left out: it would write people's numbers into access logs.
NOTIFICATION_QUERIES = (
    "?DST=<DST>&RSN=<RSN>&DSCTSUTC=<DSCTSUTC>&ID=<TRN>",
    "?DST=<DST>&RSN=<RSN>&ID=<TRN>",
    "?DST=<DST>&ID=<TRN>",
)
NOTIFICATION_URL_LIMIT = 200


def notification_url(callback_url: str) -> str | None:
    """Return `callback_url` with as many tags as the vendor's limit allows.

    None where status and reference do not fit, which leaves polling.
    """
    urls = (callback_url + query for query in NOTIFICATION_QUERIES)
    return next((url for url in urls if len(url) <= NOTIFICATION_URL_LIMIT), None)
