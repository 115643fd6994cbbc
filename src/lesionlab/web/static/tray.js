/** The list of this sitting's photographs and lesions. */

import { announce, button, make, part, warn } from "./dom.js";
import { form } from "./intake.js";
import { ask } from "./server.js";
import { add, changed, entries, on, show, sitting } from "./sitting.js";
import { brief, call, megabytes, title } from "./words.js";

const rows = new Map();

/** Keep the list and its buttons up to date. */
export function startTray() {
  on("list", list);
  on("entry", (entry) => {
    refresh(entry);
    count();
  });
  on("shown", mark);
  on("point", () => rows.forEach((_, entry) => say(entry)));
  part("combine").addEventListener("click", combine);
}

function list() {
  const all = entries();
  const kept = new Set(all);
  for (const entry of rows.keys()) if (!kept.has(entry)) rows.delete(entry);
  for (const entry of all) if (!rows.has(entry)) rows.set(entry, row(entry));
  const tray = part("tray");
  all.forEach((entry, place) => {
    const element = rows.get(entry);
    if (tray.children[place] !== element) tray.insertBefore(element, tray.children[place] ?? null);
  });
  while (tray.children.length > all.length) tray.lastChild.remove();
  document.body.classList.toggle("empty", !all.length);
  count();
}

function row(entry) {
  const pick = button("", () => pickUp(entry), "button.pick");
  const element = make("li.row", {}, pick);
  if (entry.kind === "image") element.prepend(tick(entry));
  rows.set(entry, element);
  refresh(entry);
  return element;
}

function tick(image) {
  const box = make("input", { type: "checkbox", "aria-label": `${title(image)} shows the same lesion as others ticked` });
  box.addEventListener("change", () => {
    image.ticked = box.checked;
    count();
  });
  return box;
}

/** Write an entry's row anew; the button stays, so that the focus does. */
function refresh(entry) {
  const element = rows.get(entry);
  if (!element) return;
  element.className = `row ${entry.kind} ${entry.state}`;
  const box = element.querySelector("input");
  if (box) Object.assign(box, { checked: entry.ticked, disabled: entry.state !== "read" });
  element.querySelector(".pick").replaceChildren(thumb(entry), make("span.what"));
  say(entry);
}

function say(entry) {
  const said = [make("b", {}, title(entry)), make("span.said", {}, brief(entry))];
  const called = entry.state === "read" && !entry.verdict.outlier ? call(entry.verdict) : "";
  if (called) said.push(make(`span.called.${called}`, {}, called));
  rows.get(entry).querySelector(".what").replaceChildren(...said);
}

function thumb(entry) {
  const pictures = (entry.members ?? [entry]).map((image) => image.picture).filter(Boolean);
  return make("span.thumb", {}, ...pictures.slice(0, 3).map((source) => make("img", { src: source, alt: "" })));
}

function pickUp(entry) {
  show(entry);
  if (matchMedia("(max-width: 60rem)").matches) part("reading").scrollIntoView();
}

function mark() {
  for (const [entry, element] of rows) {
    const pick = element.querySelector(".pick");
    if (entry === sitting.shown) pick.setAttribute("aria-current", "true");
    else pick.removeAttribute("aria-current");
  }
}

/** Keep the buttons that depend on how many there are of something. */
function count() {
  part("combine").disabled = ticked().length < 2;
  part("again").hidden = !sitting.images.some((image) => image.state === "failed");
  const read = entries().some((entry) => entry.state !== "waiting");
  for (const name of ["print", "csv", "json"]) part(name).disabled = !read;
}

const ticked = () => sitting.images.filter((image) => image.ticked);

/** Ask for one answer to all ticked photographs. */
async function combine() {
  const members = ticked();
  const { files, request_bytes } = sitting.model.limits;
  if (members.length > files) return warn(part("trouble"), `At most ${files} photographs can be one lesion.`);
  const bytes = members.reduce((sum, image) => sum + image.file.size, 0);
  if (bytes > request_bytes) return warn(part("trouble"), `Together at most ${megabytes(request_bytes)} can be one lesion.`);
  part("combine").disabled = true;
  try {
    const { lesion } = await ask("/v1/predict", { form: form(members, { combine: "true" }) });
    for (const image of members) image.ticked = false;
    warn(part("trouble"));
    const [entry] = add("lesion", { members, state: "read", verdict: lesion });
    members.forEach((image) => changed("entry", image));
    announce(`${title(entry)}: ${brief(entry)}`);
  } catch (error) {
    warn(part("trouble"), error.message, error.remedy);
    count();
  }
}
