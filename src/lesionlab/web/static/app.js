/** The reading room: puts the parts together and lets photographs in. */

import { startDecision } from "./decision.js";
import { button, make, part, warn } from "./dom.js";
import { startExports } from "./exports.js";
import { startHeatMap } from "./heatmap.js";
import { again, giveUp, read, showProgress, take } from "./intake.js";
import { startReading } from "./reading.js";
import { startReport } from "./report.js";
import { ask, takeToken } from "./server.js";
import { clear, on, setModel } from "./sitting.js";
import { startTray } from "./tray.js";
import { count, modelName, percent } from "./words.js";

async function meetModel() {
  warn(part("trouble"));
  try {
    const model = await ask("/v1/model");
    setModel(model);
    describe(model);
    read();
  } catch (error) {
    warn(part("trouble"), error.message, error.remedy, button("Try again", meetModel));
  }
}

function describe(model) {
  const { fitted_on: fit, coverage } = model;
  const facts = {
    Model: `${modelName(model)}, ${model.created.slice(0, 10)}`,
    "Decisions fitted on": fit ? `${count(fit.images)} validation images of ${count(fit.lesions)} lesions` : "nothing",
    "Not certain": model.abstain_below ? `where its likeliest diagnosis has less than ${percent(model.abstain_below)}` : "",
    "Prediction sets": coverage ? `made to hold the right diagnosis in ${percent(coverage)} of images` : "none",
    Knows: model.classes.map(({ name }) => name).join(", "),
    Licence: model.licence,
  };
  const told = Object.entries(facts).filter(([, fact]) => fact);
  part("about-facts").replaceChildren(...told.flatMap(([name, fact]) => [make("dt", {}, name), make("dd", {}, fact)]));
  part("bars-head").textContent = fit ? "Calibrated probabilities" : "Probabilities, not calibrated";
  part("card").textContent = model.card;
  part("about").hidden = false;
}

function letFilesIn() {
  const files = part("files");
  files.addEventListener("change", () => {
    take([...files.files]);
    files.value = "";
  });
  addEventListener("paste", (event) => {
    if (event.clipboardData.files.length) take([...event.clipboardData.files]);
  });
  addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.toggle("dragging", event.dataTransfer.types.includes("Files"));
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("dragging");
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dragging");
    const items = [...event.dataTransfer.items].filter((item) => item.kind === "file");
    const folders = items.filter((item) => item.webkitGetAsEntry()?.isDirectory);
    if (folders.length) warn(part("trouble"), "A folder was left out.", "Drop the photographs in it.");
    take(items.filter((item) => !folders.includes(item)).map((item) => item.getAsFile()));
  });
}

startTray();
startReading();
startDecision();
startHeatMap();
startExports();
startReport();
letFilesIn();
on("list", showProgress);
part("again").addEventListener("click", again);
part("clear").addEventListener("click", () => {
  giveUp();
  clear();
  part("files").focus();
});
addEventListener("hashchange", () => takeToken() && meetModel());
takeToken();
meetModel();
