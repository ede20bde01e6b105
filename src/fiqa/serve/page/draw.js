// Dials, faces and heat maps as SVG.

export function make(tag, attributes = {}, ...children) {
  const svg = ["svg", "path", "image", "text", "rect", "g"].includes(tag);
  const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export const band = (points) => (points < 25 ? "low" : points < 50 ? "middle" : "high");

export function dial(points) {
  const at = (share) => {
    const angle = ((135 + 270 * share) * Math.PI) / 180;
    return `${(50 + 42 * Math.cos(angle)).toFixed(2)} ${(50 + 42 * Math.sin(angle)).toFixed(2)}`;
  };
  const arc = (share) => `M${at(0)}A42 42 0 ${share > 2 / 3 ? 1 : 0} 1 ${at(share)}`;
  return make(
    "svg",
    { class: `dial ${band(points)}`, viewBox: "0 0 100 100", role: "img", "aria-label": `Quality ${points} of 100` },
    make("path", { class: "track", d: arc(1) }),
    make("path", { class: "arc", d: arc(Math.max(points, 0.5) / 100) }),
    make("text", { x: 50, y: 61 }, String(points)),
  );
}

function outlines(faces, chosen) {
  return faces.map((face, n) => {
    const { left, top, right, bottom } = face.box;
    const box = { x: left, y: top, width: right - left, height: bottom - top, rx: 0.08 * (right - left) };
    const dots = face.landmarks.map(({ x, y }) => `M${x} ${y}h0`).join("");
    return make(
      "g",
      n === chosen ? {} : { class: "others" },
      make("rect", { class: "outline", ...box }),
      make("rect", { class: "edge", ...box }),
      ...(n === chosen ? [make("path", { class: "mark-rim", d: dots }), make("path", { class: "mark-point", d: dots })] : []),
    );
  });
}

export function pictureOf(photo, { chosen = 0, close = false } = {}) {
  const { width, height, faces } = photo;
  const view = close ? closeUp(photo) : [0, 0, width, height];
  const picture = make("svg", { viewBox: view.join(" "), "aria-hidden": "true" });
  if (photo.thumb) picture.append(make("image", { href: photo.thumb, width, height }));
  picture.append(...outlines(faces, chosen));
  return picture;
}

// The square of a photo that holds all of its faces with room around them.
function closeUp({ width, height, faces }) {
  const least = (edge) => Math.min(...faces.map(({ box }) => box[edge]));
  const most = (edge) => Math.max(...faces.map(({ box }) => box[edge]));
  if (!faces.length) return [0, 0, width, height];
  const [left, top, right, bottom] = [least("left"), least("top"), most("right"), most("bottom")];
  const side = Math.min(1.9 * Math.max(right - left, bottom - top), Math.max(width, height));
  const along = (low, high, length) =>
    length <= side ? (length - side) / 2 : Math.min(Math.max((low + high - side) / 2, 0), length - side);
  return [along(left, right, width), along(top, bottom, height), side, side];
}


// Cells of the crop as a smooth picture, laid onto the photo where the crop was cut.
export function heatOf({ cells, corners }) {
  const count = cells.length;
  const reach = Math.max(...cells.flat().map(Math.abs)) || 1;
  const pixels = new ImageData(count, count);
  cells.flat().forEach((value, n) => {
    const colour = value > 0 ? [240, 123, 31] : [47, 143, 221];
    pixels.data.set([...colour, 215 * (Math.abs(value) / reach) ** 0.8], 4 * n);
  });
  const small = make("canvas", { width: count, height: count });
  small.getContext("2d").putImageData(pixels, 0, 0);
  const large = make("canvas", { width: 336, height: 336 });
  const brush = large.getContext("2d");
  brush.imageSmoothingQuality = "high";
  brush.filter = "blur(8px)";
  brush.drawImage(small, 0, 0, 336, 336);
  const [a, b, , d] = corners;
  const turn = [b.x - a.x, b.y - a.y, d.x - a.x, d.y - a.y].map((one) => one / 336);
  return make("image", { href: large.toDataURL(), width: 336, height: 336, transform: `matrix(${turn.join(" ")} ${a.x} ${a.y})` });
}
