"""Read campaign files from S3 in blocks, and write results files in parts."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sms_gateway.aws import clients
from sms_gateway.aws.errors import AWS_ERRORS, error_code
from sms_gateway.core.problems import ConflictError, NotFoundError, ServiceUnavailableError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CSV_TYPE = "text/csv"
LINK_SECONDS = 3600
BLOCK_BYTES = 1024 * 1024  # that are read at once
MIN_PART_BYTES = 5 * 1024 * 1024  # S3's own limit, but for the last part


def _client() -> "S3Client":
    made: S3Client = clients.client("s3")
    return made


def bucket_name() -> str:
    """Return the name of the bucket of campaigns."""
    return os.environ["CAMPAIGNS_BUCKET"]


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except AWS_ERRORS as error:
        code = error_code(error)
        # S3 answers 403 for a missing key to callers that may not list the bucket.
        # A part that another worker overwrote is missing as well.
        if code in ("NoSuchKey", "NoSuchUpload", "InvalidPart", "404", "AccessDenied", "403"):
            raise NotFoundError(
                "The file is not there any more.", slug="campaign-file-gone"
            ) from error
        if code in ("PreconditionFailed", "412"):
            raise ConflictError(
                "The file was replaced by another one of the same name.",
                slug="campaign-file-replaced",
            ) from error
        fault = f"refused a request ({code})" if code else "does not answer"
        raise ServiceUnavailableError(f"The bucket {fault}; try again.") from error


def read_blocks(key: str, etag: str, start: int, size: int) -> Iterator[bytes]:
    """Read a file's bytes from `start` on, while it has that ETag.

    Raise NotFoundError, ConflictError when the file was replaced, or ServiceUnavailableError.
    """
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


def upload_link(key: str, size: int) -> str:
    """Sign a link to which a CSV of exactly `size` bytes may be put once within LINK_SECONDS.

    S3 itself refuses another size or type, a second file (412) and whoever comes too late (403).
    """
    return _signed("put_object", Key=key, ContentLength=size, ContentType=CSV_TYPE, IfNoneMatch="*")


def download_link(key: str) -> str:
    """Sign a link by which a file can be downloaded within LINK_SECONDS."""
    name = key.rpartition("/")[2]
    return _signed(
        "get_object", Key=key, ResponseContentDisposition=f'attachment; filename="{name}"'
    )


def _signed(operation: str, **parameters: Any) -> str:
    """Sign a request, with the function's own rights: no link lasts longer than those."""
    parameters["Bucket"] = bucket_name()
    link: str = clients.client("s3 links").generate_presigned_url(
        operation, parameters, LINK_SECONDS
    )
    return link


def campaign_of(key: str) -> str | None:
    """Return the campaign that wrote a results file; None when there is none."""
    try:
        with _translate_errors():
            return _client().head_object(Bucket=bucket_name(), Key=key)["Metadata"].get("campaign")
    except NotFoundError:
        return None


def begin_upload(key: str, campaign: str) -> str:
    """Begin a file that is written in parts, and return the upload's id."""
    with _translate_errors():
        answer = _client().create_multipart_upload(
            Bucket=bucket_name(),
            Key=key,
            ContentType="text/csv; charset=utf-8",
            Metadata={"campaign": campaign},
        )
    return answer["UploadId"]


def put_file(key: str, body: bytes) -> str:
    """Write a small file at once, and return its ETag."""
    with _translate_errors():
        answer = _client().put_object(Bucket=bucket_name(), Key=key, Body=body)
    return answer["ETag"].strip('"')


def put_part(key: str, upload: str, number: int, body: bytes) -> str:
    """Write or overwrite a part, counted from 1, and return its ETag.

    Raise NotFoundError when the upload is over.
    """
    with _translate_errors():
        answer = _client().upload_part(
            Bucket=bucket_name(), Key=key, UploadId=upload, PartNumber=number, Body=body
        )
    return answer["ETag"]


def finish_upload(key: str, upload: str, parts: Sequence[str]) -> None:
    """Complete a file from the parts of these ETags.

    Raise NotFoundError when the upload is over.
    """
    completed: list[Any] = [
        {"PartNumber": number, "ETag": etag} for number, etag in enumerate(parts, 1)
    ]
    with _translate_errors():
        _client().complete_multipart_upload(
            Bucket=bucket_name(), Key=key, UploadId=upload, MultipartUpload={"Parts": completed}
        )
