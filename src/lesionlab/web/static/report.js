/** The printed report: filled when the page is printed, from the button or by the browser itself. */

import { make, part } from "./dom.js";
import { named, now } from "./exports.js";
import { bars } from "./reading.js";
import { entries, point, sitting } from "./sitting.js";
import { brief, call, diagnosis, doubt, modelName, NOTICE, percent, set, title } from "./words.js";

export function startReport() {
  addEventListener("beforeprint", fill);
  addEventListener("afterprint", () => part("report").replaceChildren());
  part("print").addEventListener("click", async () => {
    fill();
    const pictures = [...part("report").querySelectorAll("img")];
    await Promise.allSettled(pictures.map((picture) => picture.decode()));
    print();
  });
}

function fill() {
  if (!sitting.model) return;
  const chosen = point();
  const head = make("header", {}, make("h1", {}, "Reading room: report"), make("p.notice", {}, NOTICE));
  head.append(make("p", {}, `${now()}. Model: ${modelName(sitting.model)}.`));
  if (chosen) {
    const measured = `sensitivity ${percent(chosen.sensitivity)} and specificity ${percent(chosen.specificity)}`;
    head.append(make("p", {}, `Operating point for ${chosen.aim}: on validation images ${measured}.`));
  }
  part("report").replaceChildren(head, ...entries().map(piece));
}

function piece(entry) {
  const person = Object.entries(entry.person).filter(([, value]) => value);
  const told = make("div.told", {}, make("h2", {}, title(entry)));
  const names = entry.members?.map(title).join(", ") ?? "";
  const files = named() ? (entry.members ?? [entry]).map((image) => image.file.name).join(", ") : "";
  for (const line of [names, files, person.map(([name, value]) => `${name} ${value}`).join(", ")]) {
    if (line) told.append(make("p", {}, line));
  }
  told.append(...(entry.verdict ? answer(entry.verdict) : [make("p", {}, brief(entry))]));
  return make("section", {}, pictures(entry), told);
}

function answer(verdict) {
  const lines = [];
  const told = doubt(verdict);
  if (told) lines.push(make("p.doubt", {}, make("strong", {}, `${told.short}. `), told.long));
  const probable = told ? "Most probable all the same: " : "Most probable: ";
  const share = percent(verdict.probabilities[verdict.diagnosis]);
  lines.push(make("p", {}, probable, make("strong", {}, verdict.name), `, ${share}`));
  if (verdict.prediction_set) lines.push(make("p", {}, `Prediction set: ${set(verdict.prediction_set)}.`));
  if (point()) {
    const chance = percent(verdict.malignant_probability, 1);
    const limit = percent(point().threshold, 1);
    const why = `: chance of a malignant diagnosis ${chance}, called malignant from ${limit}.`;
    lines.push(make("p", {}, "Called ", make("strong", {}, call(verdict)), why));
  }
  return [...lines, make("ol.bars", {}, ...bars(verdict))];
}

function pictures(entry) {
  const shown = (entry.members ?? [entry]).filter((image) => image.picture);
  const figures = shown.map((image) => make("figure", {}, make("img", { src: image.picture, alt: "" })));
  const map = entry.map?.maps ? entry.map : null;
  if (map) {
    const layers = [make("img", { src: map.picture, alt: "" }), make("img.map", { src: map.maps[map.shown], alt: "" })];
    figures.push(make("figure.over", {}, ...layers, make("figcaption", {}, `What speaks for ${diagnosis(map.shown)}`)));
  }
  return make("div.pictures", {}, ...figures);
}
