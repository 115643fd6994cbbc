/** What the model says of one photograph, or of one lesion. */

import { button, make, part, warn } from "./dom.js";
import { showDecision } from "./decision.js";
import { showStage } from "./heatmap.js";
import { again } from "./intake.js";
import { entries, on, remove, show, sitting } from "./sitting.js";
import { diagnosis, doubt, percent, set, title } from "./words.js";

const FIELDS = ["age", "sex", "site"];

export function startReading() {
  on("shown", showEntry);
  on("entry", (entry) => entry === sitting.shown && showEntry(entry));
  on("list", showNeighbours);
  part("before").addEventListener("click", () => show(neighbour(-1)));
  part("after").addEventListener("click", () => show(neighbour(1)));
  part("remove").addEventListener("click", () => {
    remove(sitting.shown);
    (sitting.shown ? part("reading") : part("files")).focus();
  });
  for (const name of FIELDS) {
    part(name).addEventListener("input", () => {
      sitting.shown.person[name] = part(name).value.trim();
    });
  }
}

const neighbour = (step) => entries()[entries().indexOf(sitting.shown) + step];

function showNeighbours() {
  part("before").disabled = !neighbour(-1);
  part("after").disabled = !sitting.shown || !neighbour(1);
}

function showEntry(entry) {
  showNeighbours();
  if (!entry) return;
  part("subject").textContent = title(entry);
  part("file-name").textContent = entry.file?.name ?? entry.members.map(title).join(", ");
  for (const name of FIELDS) part(name).value = entry.person[name];
  showRemark(entry);
  showStage();
  for (const name of ["answer", "person"]) part(name).hidden = entry.state !== "read";
  if (entry.state === "read") showAnswer(entry);
}

/** Say what comes before any diagnosis: refused, not read, not dermoscopic, not certain. */
function showRemark(entry) {
  const box = part("remark");
  if (entry.state === "refused") return warn(box, "This file was refused:", entry.reason);
  if (entry.state === "failed") return warn(box, entry.reason, entry.remedy, button("Try again", again));
  const told = entry.verdict && doubt(entry.verdict);
  const leftOut = (entry.members ?? []).filter((image) => image.verdict?.outlier);
  if (told) return warn(box, `${told.short}.`, told.long);
  if (leftOut.length) return warn(box, `Left out: ${leftOut.map(title).join(", ")}.`, "Not dermoscopic to the model.");
  return warn(box);
}

function showAnswer({ verdict, kind }) {
  const outlier = Boolean(verdict.outlier);
  part("answer").open = !outlier;
  part("answer").classList.toggle("folded", outlier);
  part("answer-head").textContent = "What the model answers all the same";
  part("kicker").textContent = kicker(verdict, kind);
  part("diagnosis").textContent = verdict.name;
  part("chance").textContent = percent(verdict.probabilities[verdict.diagnosis]);
  part("set").hidden = !verdict.prediction_set;
  if (verdict.prediction_set) part("set").replaceChildren(...aboutSet(verdict.prediction_set));
  part("bars").replaceChildren(...bars(verdict));
  showDecision();
}

function kicker(verdict, kind) {
  const where = kind === "lesion" ? "Most probable, of all photographs together" : "Most probable diagnosis";
  return verdict.outlier ? "If it were dermoscopy" : verdict.abstained ? `${where}, not certain` : where;
}

function aboutSet(codes) {
  const { coverage } = sitting.model;
  const told = coverage ? ` Such sets are made to hold the right diagnosis in ${percent(coverage)} of images.` : "";
  return [make("span", {}, "Prediction set: "), make("strong", {}, `${set(codes)}.`), make("span.fine", {}, told)];
}

/** Return a bar for each diagnosis, the likeliest first; those of the prediction set are marked. */
export function bars(verdict) {
  const inside = verdict.prediction_set ?? [];
  const { classes } = sitting.model;
  const ordered = [...classes].sort((one, other) => verdict.probabilities[other.code] - verdict.probabilities[one.code]);
  return ordered.map(({ code, malignant }) => {
    const share = verdict.probabilities[code];
    const kind = malignant ? "malignant" : "benign";
    const bar = make(`span.bar.${kind}`, { "aria-hidden": "true" });
    bar.style.setProperty("--share", share);
    const item = make("li", {}, make("span.name", {}, diagnosis(code)), make(`span.kind.${kind}`, {}, kind));
    item.append(make("span.value", {}, percent(share)), bar);
    item.classList.toggle("inside", inside.includes(code));
    return item;
  });
}
