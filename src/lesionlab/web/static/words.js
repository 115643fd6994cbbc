/** Answers in words. */

import { malignant, sitting } from "./sitting.js";

export const NOTICE = "Research use, not a medical device";

const list = new Intl.ListFormat("en", { type: "disjunction" });

/** Return a share as a percentage, with so many decimals. */
export function percent(share, decimals = 0) {
  const least = 0.5 / 10 ** (decimals + 2);
  if (share > 0 && share < least) return "under 1\u202f%";
  if (share < 1 && share > 1 - least) return "over 99\u202f%";
  return `${(100 * share).toFixed(decimals)}\u202f%`;
}

/** Return a count with separators. */
export const count = (number) => number.toLocaleString("en");

/** Return what the model is called, and its network where the name does not tell. */
export function modelName({ title: name, architecture, lesionlab }) {
  return `${name}${name.includes(architecture) ? "" : ` (${architecture})`}, lesionlab ${lesionlab}`;
}

/** Return bytes as megabytes. */
export const megabytes = (bytes) => `${Math.round(bytes / 2 ** 20)} MiB`;

/** Return "Image 3" or "Lesion 1". */
export const title = (entry) => `${entry.kind === "image" ? "Image" : "Lesion"} ${entry.number}`;

export const diagnosis = (code) => sitting.model.classes.find((known) => known.code === code)?.name ?? code;

/** Return the diagnoses of a prediction set in words: "one of: A, B or C". */
export function set(codes) {
  return codes.length === 1 ? `${diagnosis(codes[0])} alone` : `one of: ${list.format(codes.map(diagnosis))}`;
}

/** Return what stands above the diagnosis of a verdict: why it should not be relied on, or nothing. */
export function doubt(verdict) {
  if (verdict.outlier) {
    return {
      short: "Not a dermoscopic image",
      long: "It looks unlike the dermoscopic photographs that the model knows. What the model answers to it means little.",
    };
  }
  if (verdict.abstained) {
    return { short: "Not certain", long: `The model abstains – ${verdict.reason}.` };
  }
  return null;
}

/** Return "malignant" or "benign" at the chosen operating point, "" where the model has none. */
export function call(verdict) {
  const found = malignant(verdict);
  return found === null ? "" : found ? "malignant" : "benign";
}

/** Return an entry's answer in a few words. */
export function brief(entry) {
  if (entry.state === "waiting") return "waiting";
  if (entry.state !== "read") return `${entry.state === "refused" ? "Refused" : "Not read"}: ${entry.reason}`;
  const told = doubt(entry.verdict);
  if (entry.verdict.outlier) return told.short;
  const { diagnosis: code, probabilities } = entry.verdict;
  const answer = `${diagnosis(code)}, ${percent(probabilities[code])}`;
  return told ? `${told.short}: ${answer}` : answer;
}
