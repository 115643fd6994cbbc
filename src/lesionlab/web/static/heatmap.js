/** The photograph, and over it what speaks for a diagnosis: asked for when it is opened. */

import { announce, make, part } from "./dom.js";
import { form } from "./intake.js";
import { ask } from "./server.js";
import { on, show, sitting } from "./sitting.js";
import { diagnosis, percent, title } from "./words.js";

const view = { open: false, opacity: 70 }; // kept from image to image

export function startHeatMap() {
  part("map-open").addEventListener("click", () => {
    view.open = !view.open;
    showStage();
  });
  part("map-opacity").value = view.opacity;
  part("map-opacity").addEventListener("input", () => {
    view.opacity = Number(part("map-opacity").value);
    draw(sitting.shown);
  });
  part("map-class").addEventListener("change", () => {
    sitting.shown.map.shown = part("map-class").value;
    draw(sitting.shown);
  });
  on("model", () => {
    part("map-open").disabled = !sitting.model.maps;
    if (!sitting.model.maps) part("map-open").textContent = "No heat maps with this model";
  });
}

/** Show the photograph or photographs of the entry that is being read. */
export function showStage() {
  const entry = sitting.shown;
  const single = entry.kind === "image";
  part("stage").hidden = !single || entry.state === "refused" || entry.state === "failed";
  part("members").hidden = single;
  part("mapping").hidden = !single || entry.state !== "read";
  part("members").replaceChildren(...(single ? [] : entry.members.map(member)));
  part("map-open").setAttribute("aria-expanded", view.open);
  part("map-panel").hidden = !view.open;
  if (!single) return;
  draw(entry);
  if (view.open && entry.state === "read" && !entry.map) explain(entry);
}

function member(image) {
  const picture = make("img", { src: image.picture, alt: "" });
  const pick = make("button.pick", { type: "button" }, picture, make("span", {}, title(image)));
  pick.addEventListener("click", () => show(image));
  return make("li", {}, pick);
}

async function explain(image) {
  image.map = { told: "Drawing the map …" };
  draw(image);
  try {
    const { picture, maps, explained } = await ask("/v1/explain", { form: form([image]) });
    image.map = { picture, maps, shown: explained };
    announce(`${title(image)}: the heat map for ${diagnosis(explained)} is drawn`);
  } catch (error) {
    image.map = null;
    if (image === sitting.shown) part("map-told").textContent = `${error.message} ${error.remedy ?? ""}`;
    return;
  }
  if (image === sitting.shown) draw(image);
}

/** Draw the photograph and the map over it, as far as they are there. */
function draw(image) {
  const map = view.open && image.map?.maps ? image.map : null;
  part("map-told").textContent = image.map?.told ?? "";
  part("map-told").hidden = Boolean(map);
  part("map-set").hidden = !map;
  const source = map?.picture ?? image.picture;
  part("stage").classList.toggle("blank", !source);
  Object.assign(part("picture"), { hidden: !source, alt: `Photograph, ${title(image).toLowerCase()}` });
  if (source) part("picture").src = source;
  part("map").hidden = !map;
  if (!map) return;
  const { probabilities } = image.verdict;
  const codes = Object.keys(map.maps).sort((one, other) => probabilities[other] - probabilities[one]);
  part("map-class").replaceChildren(
    ...codes.map((code) => make("option", { value: code }, `${diagnosis(code)} (${percent(probabilities[code])})`)),
  );
  part("map-class").value = map.shown;
  part("map-share").textContent = `${view.opacity}\u202f%`;
  Object.assign(part("map"), { src: map.maps[map.shown], alt: `Heat map of what speaks for ${diagnosis(map.shown)}` });
  part("map").style.opacity = view.opacity / 100;
}
