"""What kind of line a number is, by the plans of `phonenumbers`, offline."""


def number_type_of(e164: str) -> str:
    """Return an E.164 number's type, such as `premium_rate`; `unknown` for one of no plan.

    One that may be a mobile's or a fixed line's is `fixed_line_or_mobile`.
    """
    import phonenumbers

    kind = phonenumbers.number_type(phonenumbers.parse(e164))
    return phonenumbers.PhoneNumberType.to_string(kind).lower()
