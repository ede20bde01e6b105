// The page of `fiqa serve`: photos in, what the service says of them out. No library, no build step.

import { band, dial, heatOf, make, pictureOf } from "./draw.js";
import { ask, formOf, pause, score } from "./service.js";

const AT_ONCE = 4; // requests in flight
const THUMB = 720; // longer side of the copy that is shown, in pixels
const ADVICE = {
  sharpness: "Hold still and focus on the face.",
  cleanness: "Take it in more light.",
  detail: "Save it with less compression.",
  light: "Bring light onto the face.",
  headroom: "Take light away from the face.",
  contrast: "Avoid haze and light from behind.",
  frontality: "Turn towards the camera.",
  size: "Come closer, or crop less.",
  visibility: "Uncover eyes and mouth.",
};
const $ = (id) => document.getElementById(id);
const photos = []; // { name, file, thumb, width, height, faces, problem } in the order in which they were added
let waiting = [];
let busy = 0;
let shown = null; // { photo, face, maps } of the open detail view

// ---- photos in -------------------------------------------------------------------------------------------

function add(files) {
  const known = [...files].filter(({ file }) => !file.name.startsWith("."));
  for (const { file, name } of known) {
    const photo = { name, file, faces: [], problem: null, thumb: null, done: false };
    photo.card = cardOf(photo);
    photos.push(photo);
    waiting.push(photo);
  }
  arrange();
  while (busy < AT_ONCE && waiting.length) work();
}

async function work() {
  busy += 1;
  while (waiting.length) {
    const photo = waiting.shift();
    const [thumb, result] = await Promise.allSettled([thumbnail(photo.file), score(photo.file, photo.name)]);
    photo.thumb = thumb.value ?? null;
    if (result.status === "fulfilled") Object.assign(photo, result.value, { name: photo.name });
    else photo.problem = { reason: "refused", message: said(result.reason) };
    photo.done = true;
    fill(photo);
    summarise();
  }
  busy -= 1;
  if (!busy) arrange();
}

const said = (error) => (error instanceof TypeError ? "The service does not answer." : error.message);

async function thumbnail(file) {
  const image = await createImageBitmap(file);
  const scale = Math.min(1, THUMB / Math.max(image.width, image.height));
  const canvas = new OffscreenCanvas(Math.ceil(image.width * scale), Math.ceil(image.height * scale));
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  image.close();
  return URL.createObjectURL(await canvas.convertToBlob({ type: "image/jpeg", quality: 0.88 }));
}

const named = (files) => [...files].map((file) => ({ file, name: file.webkitRelativePath || file.name }));

async function* filesIn(entry) {
  if (entry.isFile) {
    const file = await new Promise((done, failed) => entry.file(done, failed));
    yield { file, name: entry.fullPath.replace(/^\//, "") };
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) return;
    for (const inside of some) yield* filesIn(inside);
  }
}

// ---- the sheet -------------------------------------------------------------------------------------------

function cardOf(photo) {
  const card = make("li", { class: "card waiting" }, make("div", { class: "tile" }, "waiting"));
  card.append(make("div", { class: "words" }, make("div", {}, make("p", { class: "name" }, photo.name))));
  return card;
}

function fill(photo) {
  const { card, faces, problem, name } = photo;
  const face = faces[0];
  const words = problem ? problemWords(problem) : face.reasons.map((one) => one.words).join(", ");
  const open = make("button", { class: "open", type: "button" });
  const more = faces.length > 1 ? `, ${faces.length} faces` : "";
  open.setAttribute("aria-label", `${name}: ${face ? `quality ${face.score100}${more}, ` : ""}${words || "nothing stands out"}`);
  open.addEventListener("click", () => show(photo));
  const drawn = photo.width ?? photo.thumb;
  const tile = make("div", { class: "tile" }, photo.thumb || !drawn ? "" : "no preview");
  if (photo.width) tile.append(pictureOf(photo, { close: true }));
  if (!photo.thumb && !photo.width) tile.append("no picture");
  if (faces.length > 1) tile.append(make("span", { class: "badge" }, `${faces.length} faces`));
  const text = make(
    "div",
    {},
    make("p", { class: words ? "said" : "said fine" }, words || "nothing stands out"),
    make("p", { class: "name", title: name }, name),
  );
  card.className = problem ? "card failed" : "card";
  card.replaceChildren(open, tile, make("div", { class: "words" }, ...(face ? [dial(face.score100)] : []), text));
}

function problemWords({ reason, message }) {
  const words = {
    no_face: "no face found",
    too_large: "too large",
    too_small: "too small",
    not_an_image: "no image",
    damaged: "damaged",
  };
  return words[reason] ?? message;
}

const points = (photo) => photo.faces[0]?.score ?? -Infinity;
const ORDERS = {
  added: () => 0,
  worst: (a, b) => points(a) - points(b) || 0,
  best: (a, b) => points(b) - points(a) || 0,
  name: (a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }),
};
const ordered = () => [...photos].sort(ORDERS[$("sort").value]);

function arrange() {
  document.body.classList.toggle("empty", !photos.length);
  $("bar").hidden = !photos.length;
  $("sheet").replaceChildren(...ordered().map((photo) => photo.card));
  summarise();
}

function summarise() {
  const done = photos.filter((photo) => photo.done).length;
  const faces = photos.flatMap((photo) => photo.faces.map((face) => face.score100)).sort((a, b) => a - b);
  const without = photos.filter((photo) => photo.done && photo.problem).length;
  const count = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;
  const middle = faces.length ? (faces[(faces.length - 1) >> 1] + faces[faces.length >> 1]) / 2 : 0;
  const parts = [count(photos.length, "photo"), count(faces.length, "face")];
  if (without) parts.push(`${without} without a result`);
  $("summary").replaceChildren(...(faces.length ? [make("b", {}, `${middle}`), " median · "] : []), parts.join(" · "));
  const bars = Array(10).fill(0);
  for (const point of faces) bars[Math.min(9, Math.floor(point / 10))] += 1;
  const tallest = Math.max(...bars, 1);
  $("histogram").replaceChildren(
    ...bars.map((bar, n) => {
      const height = bar ? 2 + (26 * bar) / tallest : 1;
      const colour = `fill: var(--${bar ? band(10 * n) : "rule"})`;
      const node = make("rect", { x: 10 * n + 0.6, y: 28 - height, width: 8.8, height, rx: 1 });
      node.style.cssText = colour;
      return node;
    }),
  );
  $("histogram").setAttribute("aria-label", `Faces by quality, in tens from 0 to 100: ${bars.join(", ")}`);
  $("histogram").style.display = faces.length > 1 ? "" : "none";
  $("progress").hidden = done === photos.length;
  $("progress").max = photos.length || 1;
  $("progress").value = done;
  $("csv").disabled = !done;
  $("status").textContent = done === photos.length ? (done ? `All ${done} photos scored.` : "") : `${done} of ${photos.length} photos scored`;
}

// ---- one photo -------------------------------------------------------------------------------------------

function show(photo, face = 0) {
  if (shown?.photo !== photo) shown = { photo, maps: new Map() };
  shown.face = face;
  $("detail-name").textContent = photo.name;
  const chosen = photo.faces[face];
  $("choice").replaceChildren(
    ...(photo.faces.length > 1 ? photo.faces : []).map((one, n) => {
      const button = make("button", { type: "button", "aria-pressed": n === face }, `Face ${n + 1}: ${one.score100}`);
      button.addEventListener("click", () => show(photo, n));
      return button;
    }),
  );
  $("verdict").replaceChildren(...(chosen ? verdict(chosen) : [make("p", { class: "said" }, problemWords(photo.problem)), make("p", { class: "small" }, photo.problem.message)]));
  $("heat").disabled = !chosen;
  draw();
  if (!$("detail").open) $("detail").showModal();
}

function verdict(face) {
  const rank = make("p", {}, "more useful than ", make("b", {}, `${Math.round(face.percentile)} %`), " of the reference faces");
  const why = face.reasons.map((one) => make("li", {}, make("b", {}, one.words), make("span", {}, ADVICE[one.factor] ?? "")));
  const numbers = [
    ["Native score", face.score.toFixed(4)],
    ["Expected FNMR", face.expected_fnmr === null ? "not calibrated" : `${(100 * face.expected_fnmr).toFixed(2)} %`],
    ["Face", `${Math.round(face.box.right - face.box.left)} × ${Math.round(face.box.bottom - face.box.top)} pixels`],
    ["Detector’s confidence", face.confidence.toFixed(2)],
  ];
  return [
    make("div", { class: "headline" }, dial(face.score100), rank),
    why.length ? make("ul", { class: "why" }, ...why) : make("p", { class: "small" }, "Nothing stands out: all measured factors are in the usual range."),
    make("dl", { class: "numbers" }, ...numbers.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)])),
  ];
}

// Numbers on the faces of a photo; a click on a face chooses it.
function numbered(picture, photo) {
  const size = Math.max(photo.width, photo.height) / 26;
  photo.faces.forEach(({ box }, n) => {
    const label = { class: "number", x: box.left + size / 4, y: box.top + size, "font-size": size, "stroke-width": size / 6 };
    picture.append(make("text", label, String(n + 1)));
  });
  picture.addEventListener("click", ({ target }) => {
    const n = [...picture.querySelectorAll("g")].indexOf(target.closest("g"));
    if (n >= 0) show(photo, n);
  });
  return picture;
}

function draw() {
  const { photo, face, maps } = shown;
  const hot = $("heat").getAttribute("aria-pressed") === "true";
  const picture = photo.width ? pictureOf(photo, { chosen: face }) : null;
  const map = maps.get(face);
  if (hot && map && picture) picture.insertBefore(heatOf(map), picture.children[1] ?? null);
  if (picture && photo.faces.length > 1) numbered(picture, photo);
  $("frame").replaceChildren(...(picture ? [photo.thumb ? "" : "no preview", picture] : ["no picture"]));
  $("legend").hidden = !(hot && map);
  if (hot && !map && photo.faces[face]) explain(photo, face);
}

async function explain(photo, face) {
  const maps = shown.maps;
  $("heat").textContent = "Computing …";
  try {
    const answer = await ask(`v1/explain?face=${face}`, formOf("image", photo.file, photo.name));
    maps.set(face, answer.heat_map);
  } catch (error) {
    $("heat").setAttribute("aria-pressed", "false");
    $("verdict").append(make("p", { class: "small" }, said(error)));
  }
  $("heat").textContent = "Heat map";
  if (shown?.maps === maps && maps.has(face)) draw();
}

function step(by) {
  const list = ordered().filter((photo) => photo.done);
  const next = list[(list.indexOf(shown.photo) + by + list.length) % list.length];
  if (next) show(next);
}

// ---- CSV, as `fiqa score` writes it ----------------------------------------------------------------------

function csv() {
  const names = ["sample_id", "face", "score", "score100", "percentile", "expected_fnmr", "confidence"];
  const lines = [[...names, "box_x", "box_y", "box_width", "box_height", "reasons", "problem"]];
  for (const { name, faces, problem } of ordered()) {
    faces.forEach((face, n) => {
      const { left, top, right, bottom } = face.box;
      const values = [face.score, face.score100, face.percentile, face.expected_fnmr, face.confidence];
      const reasons = face.reasons.map((one) => one.words).join("; ");
      lines.push([n ? `${name}#${n}` : name, n, ...values, left, top, right - left, bottom - top, reasons, ""]);
    });
    if (problem) lines.push([name, ...Array(11).fill(""), `${problem.reason}: ${problem.message}`]);
  }
  const quoted = (value) => (/[",\r\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : (value ?? ""));
  return lines.map((line) => `${line.map(quoted).join(",")}\r\n`).join("");
}

function download() {
  const link = make("a", { download: "scores.csv", href: URL.createObjectURL(new Blob([csv()], { type: "text/csv" })) });
  link.click();
  URL.revokeObjectURL(link.href);
}

// ---- the camera ------------------------------------------------------------------------------------------

const REFUSALS = {
  NotAllowedError: "The camera is not allowed here. Allow it in the browser’s settings for this page, or choose photos instead.",
  NotFoundError: "No camera was found. Choose photos instead.",
  NotReadableError: "Another program holds the camera. Close it and try again.",
};

function tell(words) {
  const place = $("camera-says");
  if (place.textContent !== words) place.textContent = words; // screen readers speak at each change
}

async function openCamera() {
  const video = $("video");
  $("shoot").disabled = true;
  tell("Waiting for the camera …");
  $("camera").showModal();
  try {
    if (!navigator.mediaDevices) throw new Error("Browsers lend the camera to https:// and localhost alone.");
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user" }, audio: false });
    await video.play();
  } catch (error) {
    tell(REFUSALS[error.name] ?? error.message);
    return;
  }
  $("shoot").disabled = false;
  if ($("camera").open) look();
  else closeCamera();
}

function frame() {
  const video = $("video");
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  canvas.getContext("2d").drawImage(video, 0, 0);
  return canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 });
}

// Score what the camera sees, one frame after the other, until it is closed.
async function look() {
  while ($("video").srcObject) {
    try {
      const seen = await score(await frame(), "camera");
      $("viewfinder").querySelector("svg")?.remove();
      const face = seen.faces[0];
      if (face) $("viewfinder").append(pictureOf({ ...seen, thumb: null }));
      $("camera-dial").replaceChildren(...(face ? [dial(face.score100)] : []));
      tell(face ? face.reasons.map((one) => ADVICE[one.factor]).join(" ") || "Nothing stands out." : `${problemWords(seen.problem)}.`);
    } catch (error) {
      tell(said(error));
      await pause(1);
    }
    await pause(0.2);
  }
}

async function shoot() {
  const name = `camera ${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}.jpg`;
  const file = new File([await frame()], name, { type: "image/jpeg" });
  $("camera").close();
  add([{ file, name }]);
}

function closeCamera() {
  const video = $("video");
  video.srcObject?.getTracks().forEach((track) => track.stop());
  video.srcObject = null;
  $("camera-dial").replaceChildren();
  $("viewfinder").querySelector("svg")?.remove();
}

// ---- wiring ----------------------------------------------------------------------------------------------

function clear() {
  for (const { thumb } of photos) if (thumb) URL.revokeObjectURL(thumb);
  waiting = [];
  photos.length = 0;
  arrange();
}

const THEMES = ["auto", "light", "dark"];
function theme(name) {
  localStorage.setItem("theme", name);
  document.documentElement.dataset.theme = name;
  $("theme").textContent = `Theme: ${name}`;
}

async function describeModel() {
  const [model] = (await ask("v1/models")).models;
  $("model").replaceChildren(`${model.name} · `, make("code", { title: `SHA-256 ${model.sha256}` }, model.sha256.slice(0, 8)));
}

for (const [button, input] of [["add-files", "files"], ["add-folder", "folder"]]) {
  $(button).addEventListener("click", () => $(input).click());
  $(input).addEventListener("change", ({ target }) => {
    add(named(target.files));
    target.value = "";
  });
}
$("add-camera").addEventListener("click", openCamera);
$("shoot").addEventListener("click", shoot);
$("camera").addEventListener("close", closeCamera);
$("sort").addEventListener("change", arrange);
$("csv").addEventListener("click", download);
$("clear").addEventListener("click", clear);
$("theme").addEventListener("click", () => theme(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % 3]));
$("heat").addEventListener("click", ({ target }) => {
  target.setAttribute("aria-pressed", target.getAttribute("aria-pressed") !== "true");
  draw();
});
$("previous").addEventListener("click", () => step(-1));
$("next").addEventListener("click", () => step(1));
$("detail").addEventListener("keydown", ({ key }) => {
  if (key === "ArrowLeft" || key === "ArrowRight") step(key === "ArrowLeft" ? -1 : 1);
});
for (const button of document.querySelectorAll("[data-close]")) {
  button.addEventListener("click", () => button.closest("dialog").close());
}
$("detail").addEventListener("click", ({ target }) => target === $("detail") && $("detail").close());
$("token").addEventListener("cancel", (event) => event.preventDefault());
addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("over");
});
addEventListener("dragleave", ({ relatedTarget }) => relatedTarget || document.body.classList.remove("over"));
addEventListener("drop", async (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
  const files = [];
  for (const entry of entries) for await (const file of filesIn(entry)) files.push(file);
  add(files);
});
theme(localStorage.getItem("theme") ?? "auto");
describeModel();
