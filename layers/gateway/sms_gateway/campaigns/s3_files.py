"""The one module that talks to S3: reads a file in blocks, writes one in parts."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from sms_gateway.aws import clients
from sms_gateway.core.problems import Conflict, NotFound, Unavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BLOCK = 1024 * 1024  # bytes of a file that are read at once
SMALLEST_PART = 5 * 1024 * 1024  # bytes; S3's own limit, but for the last part


def _client() -> "S3Client":
    made: S3Client = clients.client("s3")
    return made


def bucket() -> str:
    """The bucket's name."""
    return os.environ["CAMPAIGNS_BUCKET"]


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "error")
        # Who may not list a bucket is told 403 for what is not there.
        # A part that another worker wrote over is gone as well.
        if code in ("NoSuchKey", "NoSuchUpload", "InvalidPart", "404", "AccessDenied", "403"):
            raise NotFound("The file is not there any more.", slug="campaign-file-gone") from error
        if code in ("PreconditionFailed", "412"):
            raise Conflict(
                "The file was replaced by another one of the same name.",
                slug="campaign-file-replaced",
            ) from error
        raise Unavailable(f"The bucket refused a request ({code}); try again.") from error
    except BotoCoreError as error:
        raise Unavailable("The bucket does not answer; try again.") from error


def blocks(key: str, etag: str, start: int, size: int) -> Iterator[bytes]:
    """A file's bytes from `start` on, as long as it is the one of that ETag. Raises NotFound,
    Conflict when another stands there, or Unavailable."""
    while start < size:
        with _answering():
            answer = _client().get_object(
                Bucket=bucket(),
                Key=key,
                Range=f"bytes={start}-{min(start + BLOCK, size) - 1}",
                IfMatch=f'"{etag}"',
            )
            block = answer["Body"].read()
        if not block:
            raise Unavailable("The bucket sent nothing; try again.")
        start += len(block)
        yield block


def owner(key: str) -> str | None:
    """Which campaign wrote a results file; None when there is none."""
    try:
        with _answering():
            return _client().head_object(Bucket=bucket(), Key=key)["Metadata"].get("campaign")
    except NotFound:
        return None


def begin(key: str, campaign: str) -> str:
    """Begins a file that is written in parts; the upload's id."""
    with _answering():
        answer = _client().create_multipart_upload(
            Bucket=bucket(),
            Key=key,
            ContentType="text/csv; charset=utf-8",
            Metadata={"campaign": campaign},
        )
    return answer["UploadId"]


def put(key: str, body: bytes) -> str:
    """Writes a small file at once; its ETag."""
    with _answering():
        answer = _client().put_object(Bucket=bucket(), Key=key, Body=body)
    return answer["ETag"].strip('"')


def put_part(key: str, upload: str, number: int, body: bytes) -> str:
    """Writes a part, from 1 on, over what it was before; its ETag. Raises NotFound when the upload
    is over."""
    with _answering():
        answer = _client().upload_part(
            Bucket=bucket(), Key=key, UploadId=upload, PartNumber=number, Body=body
        )
    return answer["ETag"]


def finish(key: str, upload: str, parts: Sequence[str]) -> None:
    """Puts a file together from the parts of these ETags. Raises NotFound when the upload is
    over."""
    every: list[Any] = [
        {"PartNumber": number, "ETag": etag} for number, etag in enumerate(parts, 1)
    ]
    with _answering():
        _client().complete_multipart_upload(
            Bucket=bucket(), Key=key, UploadId=upload, MultipartUpload={"Parts": every}
        )
