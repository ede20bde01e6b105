from __future__ import annotations

import numpy as np

from fiqa.explain.strip import strip


def test_images_stand_in_order_with_words_below():
    images = [np.full((9, 9, 3), colour, np.uint8) for colour in ((200, 0, 0), (0, 200, 0))]
    picture = strip("Face 1", images, [("97", "0:00.1"), ("5", "0:02.0")])
    assert picture.shape == (284, 372, 3)
    assert picture[130, 100].tolist() == [200, 0, 0]
    assert picture[130, 272].tolist() == [0, 200, 0]
    for left in (20, 192):
        assert picture[214:264, left : left + 60].min() < 100
    assert picture[:, :18].min() == 255


def test_a_long_title_widens_the_page():
    image = np.zeros((4, 4, 3), np.uint8)
    assert strip("a long title " * 9, [image], [("1", "2")]).shape[1] > 600
