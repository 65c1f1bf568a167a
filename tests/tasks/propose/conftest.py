"""The object storage that tests of this room run against."""

from tests.object_storage import bucket, proxy, s3_server

__all__ = ["bucket", "proxy", "s3_server"]
