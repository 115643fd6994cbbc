/** What was read, as CSV and JSON. Images are told by their numbers unless file names are asked for. */

import { make, part } from "./dom.js";
import { entries, malignant, point, sitting } from "./sitting.js";
import { NOTICE, title } from "./words.js";

const FORMULA = ["=", "+", "-", "@", "\t", "\r"]; // what a spreadsheet would run

export function startExports() {
  part("csv").addEventListener("click", () => save("csv", "text/csv", table()));
  part("json").addEventListener("click", () => save("json", "application/json", JSON.stringify(everything(), null, 2)));
}

/** Return the local time, as 2026-03-01 14:05. */
export function now() {
  const time = new Date();
  return new Date(time - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 16).replace("T", " ");
}

/** Return whether exports may hold file names. */
export const named = () => part("names").checked;

function everything() {
  const { title: model, architecture, created, lesionlab, licence } = sitting.model;
  return {
    notice: NOTICE,
    made: now(),
    model: { title: model, architecture, created, lesionlab, licence },
    operating_point: point(),
    answers: entries().map(record),
  };
}

/** Return an entry as plain values. */
function record(entry) {
  const images = entry.members ?? [entry];
  const found = { subject: title(entry).toLowerCase(), images: images.map((image) => title(image).toLowerCase()) };
  if (named()) found.files = images.map((image) => image.file.name);
  if (entry.verdict) Object.assign(found, entry.verdict, { malignant: malignant(entry.verdict) });
  else found.refused = entry.reason || "not read yet";
  return { ...found, ...entry.person };
}

function table() {
  const { classes, title: model } = sitting.model;
  const header = [
    "subject", "images", ...(named() ? ["files"] : []), "diagnosis", "name", ...classes.map(({ code }) => `p_${code}`),
    "malignant_probability", "malignant", "operating_point", "prediction_set", "abstained", "reason", "outlier", "refused",
    "age", "sex", "site", "model", "notice",
  ];
  const lines = entries().map((entry) => {
    const found = record(entry);
    const columns = { ...found, operating_point: point()?.aim, model, notice: NOTICE };
    for (const { code } of classes) columns[`p_${code}`] = found.probabilities?.[code];
    return header.map((name) => cell(columns[name])).join(",");
  });
  return `${[header.join(","), ...lines].join("\n")}\n`;
}

/** Return a value as a cell of CSV that no spreadsheet runs. */
function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  if (typeof value === "boolean") return value ? "yes" : "no";
  const text = Array.isArray(value) ? value.join("|") : String(value);
  const safe = FORMULA.includes(text.replace(/^'+/, "")[0]) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function save(suffix, type, text) {
  const address = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
  make("a", { href: address, download: `reading-room.${suffix}` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
