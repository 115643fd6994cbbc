/** Malignant or benign at an operating point that is chosen here for the whole sitting. */

import { part } from "./dom.js";
import { changed, on, point, sitting } from "./sitting.js";
import { call, count, percent } from "./words.js";

export function startDecision() {
  part("point").addEventListener("input", () => {
    sitting.point = Number(part("point").value);
    changed("point");
  });
  on("model", start);
  on("point", showDecision);
}

function start() {
  Object.assign(part("point"), { max: sitting.points.length - 1, value: sitting.point });
  const fit = sitting.model.fitted_on;
  const where = fit ? `${count(fit.images)} validation images of ${count(fit.lesions)} lesions` : "validation images";
  part("measured").textContent =
    `Measured on single photographs: ${where}, which also chose settings, so expect a little less elsewhere. The choice holds for the whole sitting.`;
}

/** Show the decision on the verdict that is being read. */
export function showDecision() {
  const chosen = point();
  const verdict = sitting.shown?.verdict;
  part("decision").hidden = !chosen;
  if (!chosen || !verdict) return;
  const called = call(verdict);
  const chance = verdict.malignant_probability;
  part("decision").dataset.call = called;
  part("call").textContent = called === "malignant" ? "Called malignant" : "Called benign";
  part("call-why").textContent =
    `Chance of a malignant diagnosis ${percent(chance, 1)}; called malignant from ${percent(chosen.threshold, 1)}.`;
  part("decision").style.setProperty("--chance", chance);
  part("decision").style.setProperty("--limit", chosen.threshold);
  part("aim").textContent = `for ${chosen.aim}`;
  part("sensitivity").textContent = percent(chosen.sensitivity);
  part("specificity").textContent = percent(chosen.specificity);
  part("point").setAttribute(
    "aria-valuetext",
    `sensitivity ${percent(chosen.sensitivity)}, specificity ${percent(chosen.specificity)}: called ${called}`,
  );
}
