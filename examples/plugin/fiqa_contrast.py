"""A quality method of one's own: how far the grey levels of a face lie apart."""

from fiqa.core.protocols import InputSpec
from fiqa.methods import MethodRow


class Contrast:
    """Standard deviation of the grey levels, over the largest there can be."""

    name = "contrast"
    spec = InputSpec(size=112, crop="arcface")

    def score(self, crops):
        """Quality (n,) in [0, 1], higher = more useful; crops.images is (n, 112, 112, 3) uint8 RGB."""
        grey = crops.images.mean(axis=3)
        return grey.std(axis=(1, 2)) / 127.5


ROW = MethodRow(
    "contrast", "fiqa_contrast:Contrast", "spread of grey levels", needs="nothing", range="[0, 1]"
)
