"""What repeats for each vendor is written from the registry, and nothing written is stale."""

import pytest

from tools import generate


def test_nothing_generated_is_stale() -> None:
    assert generate.stale() == [], "run make generate"


def test_a_block_is_filled_between_its_marks_and_keeps_its_margin() -> None:
    given = "a:\n    # generated: queue arns\n    - old\n    # end of generated\nb: 1\n"
    arns = [f"    - !GetAtt {generate.logical_id(name)}Queue.Arn" for name in generate.QUEUES]
    arns.append("    - !If [DescribesVendors, !GetAtt DeclaredQueue.Arn, !Ref AWS::NoValue]")
    assert generate.rewritten(given) == given.replace("    - old", "\n".join(arns))
    assert generate.rewritten("a: 1\n") == "a: 1\n"


def test_a_block_that_nobody_writes_is_an_error() -> None:
    with pytest.raises(KeyError, match="nothing"):
        generate.rewritten("# generated: nothing\n# end of generated\n")


def test_every_block_stands_in_a_file_once() -> None:
    text = (generate.ROOT / generate.TEMPLATE).read_text()
    found = [one["name"] for one in generate.BLOCK.finditer(text)]
    assert sorted(found) == sorted(generate.BLOCKS)
