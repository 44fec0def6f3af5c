"""Texts with what each kind of body must escape, all of which XML can carry."""

AWKWARD = (
    "quotes \" and ' and \\ and \\u0041",
    "<b>&amp;</b> ]]> <!-- & -->",
    "a=1&to=+8801000000009&b=2;c",
    "100% %41 %zz +plus /slash ?query #hash",
    "line\nline\r\nline\rtab\tend",
    "{to} {{text}} ${key} {",
    "আপনার কোড ✓ 😀 \u200d \u202e",
    " leading and trailing ",
)
