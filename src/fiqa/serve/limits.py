"""What the service takes at most, and who may ask."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..core.errors import SettingsError
from ..io.images import MAX_PIXELS


@dataclass(frozen=True)
class Limits:
    """What one request, and all of them together, may take; what is beyond is answered with a reason.

    Attributes:
        images: Images a request.
        request_bytes: Bytes a request.
        pixels: Width times height of an image, checked before a pixel is decoded.
        queue: Images waiting and in work at a time; what would be more is refused at once.
        bytes_in_flight: Bytes of all requests at a time, as far as they have arrived.
        seconds: Time in which a request must have arrived.
        token: Bearer token to ask for; None lets everybody in who can reach the port.
    """

    images: int = 32
    request_bytes: int = 32 * 2**20
    pixels: int = MAX_PIXELS
    queue: int = 64
    bytes_in_flight: int = 256 * 2**20
    seconds: float = 30.0
    token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        least = min(self.images, self.request_bytes, self.pixels)
        if least < 1 or self.seconds <= 0 or self.token == "":
            raise SettingsError(f"limits of a service must be above 0 and its token not empty, got {self}")
        if self.images > self.queue or self.request_bytes > self.bytes_in_flight:
            raise SettingsError(
                f"one whole request must fit into the queue: {self.images} images in {self.queue}, "
                f"{self.request_bytes} bytes in {self.bytes_in_flight}"
            )
