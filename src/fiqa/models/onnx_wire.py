"""Small changes to an ONNX file without the `onnx` package: its bytes are walked as protobuf messages.

A message is a row of fields, each a key (number and kind), and a value; a message inside a message is a field
of kind 2, whose value is its length and its bytes. What is not looked for is copied as it stands.

Source: the protobuf encoding, protobuf.dev/programming-guides/encoding, and the field numbers of onnx.proto.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

from ..core.errors import WeightsError

Edit = Callable[[bytes], bytes | None]
"""New content of a field, or None to drop it."""

_GRAPH, _NODE, _WEIGHT, _INPUT, _OUTPUT, _VALUE_INFO = 7, 1, 5, 11, 12, 13
_SHAPE = (2, 1, 2)
"""From a value of a graph: type, tensor type, shape."""
_DIMENSION = (1,)
_NODE_INPUT, _NODE_KIND, _NODE_ATTRIBUTE = (1,), (4,), (5,)
_WEIGHT_LENGTHS, _WEIGHT_NAME, _VALUE_NAME, _ATTRIBUTE_NAME = 1, (8,), (1,), (1,)
_ONE_VALUE: tuple[list[bytes], ...] = ([], [b"\x08\x01"], [b"\x0a\x01\x01"])
"""Lengths of a weight of one value: none, or a single 1, in either coding of a list."""
_FIXED = {1: 8, 5: 4}
_VARINT, _BYTES = 0, 2


def free_image(model: bytes) -> bytes:
    """The model with free height and width of its image, and without the recorded lengths that they decide.

    Args:
        model: An ONNX file whose input is (batch, channels, height, width).

    Raises:
        WeightsError: If these bytes are no ONNX model.
    """
    return _freed(model, (2, 3))


def free_batch(model: bytes) -> bytes:
    """The model with a free batch, and with the image as its only input.

    Published files list weights among their inputs, some of them ones that nothing reads, and onnxruntime
    waits for those.

    Args:
        model: An ONNX file.

    Raises:
        WeightsError: If these bytes are no ONNX model.
    """
    read = set(selected(model, (_GRAPH, _NODE, *_NODE_INPUT)))
    data = read - set(selected(model, (_GRAPH, _WEIGHT, *_WEIGHT_NAME)))

    def image(value: bytes) -> bytes | None:
        return value if data & set(selected(value, _VALUE_NAME)) else None

    return _freed(edited(model, (_GRAPH, _INPUT), image), (0,))


def _freed(model: bytes, axes: tuple[int, ...]) -> bytes:
    """The model with these axes of its input free, and without the recorded lengths that they decide."""

    def free(shape: bytes) -> bytes:
        axis = itertools.count()
        return edited(shape, _DIMENSION, lambda length: b"\x12\x04free" if next(axis) in axes else length)

    for path, edit in (
        ((_GRAPH, _VALUE_INFO), _drop),
        ((_GRAPH, _OUTPUT, *_SHAPE), _drop),
        ((_GRAPH, _INPUT, *_SHAPE), free),
    ):
        model = edited(model, path, edit)
    return model


def without_scalar_blocks(model: bytes) -> bytes:
    """The model without a block size of weights that have one scale; onnxruntime refuses what OpenCV writes.

    Args:
        model: An ONNX file.

    Raises:
        WeightsError: If these bytes are no ONNX model.
    """
    scalars = {
        name
        for weight in selected(model, (_GRAPH, _WEIGHT))
        if [whole for number, whole, _ in _fields(weight) if number == _WEIGHT_LENGTHS] in _ONE_VALUE
        for name in selected(weight, _WEIGHT_NAME)
    }

    def plain(node: bytes) -> bytes:
        inputs = list(selected(node, _NODE_INPUT))
        if [*selected(node, _NODE_KIND)] != [b"DequantizeLinear"] or inputs[1] not in scalars:
            return node
        return edited(
            node,
            _NODE_ATTRIBUTE,
            lambda attribute: None if b"block_size" in selected(attribute, _ATTRIBUTE_NAME) else attribute,
        )

    return edited(model, (_GRAPH, _NODE), plain)


def selected(message: bytes, path: tuple[int, ...]) -> Iterator[bytes]:
    """Content of every field at a path of field numbers, in order.

    Raises:
        WeightsError: If the message is cut short or none.
    """
    for found, _, content in _fields(message):
        if found == path[0] and content is not None:
            yield from selected(content, path[1:]) if path[1:] else (content,)


def edited(message: bytes, path: tuple[int, ...], edit: Edit) -> bytes:
    """The message with every field at a path of field numbers edited.

    Raises:
        WeightsError: If the message is cut short or none.
    """
    number, rest = path[0], path[1:]
    parts = []
    for found, whole, content in _fields(message):
        if found != number or content is None:
            parts.append(whole)
        elif (changed := edited(content, rest, edit) if rest else edit(content)) is not None:
            parts += (_varint(number << 3 | _BYTES), _varint(len(changed)), changed)
    return b"".join(parts)


def _fields(message: bytes) -> Iterator[tuple[int, bytes, bytes | None]]:
    """Number, all bytes, and content (None for a number) of each field."""
    at = 0
    while at < len(message):
        start = at
        key, at = _read_varint(message, at)
        kind, length = key & 7, 0
        if kind == _VARINT:
            _, at = _read_varint(message, at)
        elif kind == _BYTES:
            length, at = _read_varint(message, at)
        elif kind in _FIXED:
            length = _FIXED[kind]
        else:
            raise WeightsError(f"no ONNX model: a field of kind {kind} at byte {start}; fetch the file again")
        if at + length > len(message):
            raise WeightsError(f"the ONNX model is cut short at byte {len(message)}; fetch the file again")
        yield key >> 3, message[start : at + length], message[at : at + length] if kind == _BYTES else None
        at += length


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first, and where it ends."""
    value = 0
    for shift in range(0, 64, 7):
        if at >= len(message):
            break
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise WeightsError(f"the ONNX model is cut short at byte {len(message)}; fetch the file again")


def _varint(value: int) -> bytes:
    coded = bytearray()
    while value > 0x7F:
        coded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*coded, value))


def _drop(_: bytes) -> None:
    return None
