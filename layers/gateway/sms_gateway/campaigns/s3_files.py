"""The one module that talks to S3: reads a file in blocks, writes one in parts."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from sms_gateway.aws import clients
from sms_gateway.core.problems import ConflictError, NotFoundError, ServiceUnavailableError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BLOCK_BYTES = 1024 * 1024  # bytes of a file that are read at once
MIN_PART_BYTES = 5 * 1024 * 1024  # bytes; S3's own limit, but for the last part


def _client() -> "S3Client":
    made: S3Client = clients.client("s3")
    return made


def bucket_name() -> str:
    """The bucket's name."""
    return os.environ["CAMPAIGNS_BUCKET"]


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "error")
        # Who may not list a bucket is told 403 for what is not there.
        # A part that another worker wrote over is gone as well.
        if code in ("NoSuchKey", "NoSuchUpload", "InvalidPart", "404", "AccessDenied", "403"):
            raise NotFoundError(
                "The file is not there any more.", slug="campaign-file-gone"
            ) from error
        if code in ("PreconditionFailed", "412"):
            raise ConflictError(
                "The file was replaced by another one of the same name.",
                slug="campaign-file-replaced",
            ) from error
        raise ServiceUnavailableError(
            f"The bucket refused a request ({code}); try again."
        ) from error
    except BotoCoreError as error:
        raise ServiceUnavailableError("The bucket does not answer; try again.") from error


def read_blocks(key: str, etag: str, start: int, size: int) -> Iterator[bytes]:
    """A file's bytes from `start` on, as long as it is the one of that ETag. Raises NotFound,
    Conflict when another stands there, or Unavailable."""
    while start < size:
        with _translate_errors():
            answer = _client().get_object(
                Bucket=bucket_name(),
                Key=key,
                Range=f"bytes={start}-{min(start + BLOCK_BYTES, size) - 1}",
                IfMatch=f'"{etag}"',
            )
            block = answer["Body"].read()
        if not block:
            raise ServiceUnavailableError("The bucket sent nothing; try again.")
        start += len(block)
        yield block


def campaign_of(key: str) -> str | None:
    """Which campaign wrote a results file; None when there is none."""
    try:
        with _translate_errors():
            return _client().head_object(Bucket=bucket_name(), Key=key)["Metadata"].get("campaign")
    except NotFoundError:
        return None


def begin_upload(key: str, campaign: str) -> str:
    """Begins a file that is written in parts; the upload's id."""
    with _translate_errors():
        answer = _client().create_multipart_upload(
            Bucket=bucket_name(),
            Key=key,
            ContentType="text/csv; charset=utf-8",
            Metadata={"campaign": campaign},
        )
    return answer["UploadId"]


def put_file(key: str, body: bytes) -> str:
    """Writes a small file at once; its ETag."""
    with _translate_errors():
        answer = _client().put_object(Bucket=bucket_name(), Key=key, Body=body)
    return answer["ETag"].strip('"')


def put_part(key: str, upload: str, number: int, body: bytes) -> str:
    """Writes a part, from 1 on, over what it was before; its ETag. Raises NotFound when the upload
    is over."""
    with _translate_errors():
        answer = _client().upload_part(
            Bucket=bucket_name(), Key=key, UploadId=upload, PartNumber=number, Body=body
        )
    return answer["ETag"]


def finish_upload(key: str, upload: str, parts: Sequence[str]) -> None:
    """Puts a file together from the parts of these ETags. Raises NotFound when the upload is
    over."""
    every: list[Any] = [
        {"PartNumber": number, "ETag": etag} for number, etag in enumerate(parts, 1)
    ]
    with _translate_errors():
        _client().complete_multipart_upload(
            Bucket=bucket_name(), Key=key, UploadId=upload, MultipartUpload={"Parts": every}
        )
