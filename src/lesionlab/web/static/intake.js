/** From files to answers: a few at a time, each refusal its own, a busy server asked again. */

import { announce, part } from "./dom.js";
import { ask, Trouble } from "./server.js";
import { add, changed, sitting } from "./sitting.js";
import { brief, megabytes, title } from "./words.js";

const TOGETHER = 8; // files in one request
const ENVELOPE = 64 * 1024; // bytes that a form takes beside its files

let stop = new AbortController();
let working = false;

/** Add files to the sitting and have them read. */
export function take(files) {
  add("image", ...files.map((file) => ({ file, picture: "", ticked: false, map: null, alone: false })));
  read();
}

/** Have failed images read again. */
export function again() {
  for (const image of sitting.images) if (image.state === "failed") settle(image, { state: "waiting", alone: false });
  read();
}

/** Give up what is being read. */
export function giveUp() {
  stop.abort();
  stop = new AbortController();
}

/** Have waiting images read, until none is left. */
export async function read() {
  if (working || !sitting.model) return;
  working = true;
  for (let batch = next(); batch.length; batch = next()) await readBatch(batch);
  working = false;
  showProgress();
}

/** Return the images of the next request, within the server's limits; those too large for it are refused here. */
function next() {
  const { files, file_bytes, request_bytes } = sitting.model.limits;
  const batch = [];
  let bytes = ENVELOPE;
  for (const image of sitting.images.filter((one) => one.state === "waiting")) {
    if (image.file.size > file_bytes) {
      settle(image, { state: "refused", reason: `larger than ${megabytes(file_bytes)}, the most that is read` });
      continue;
    }
    bytes += image.file.size;
    const fits = batch.length < Math.min(TOGETHER, files) && bytes <= request_bytes && !(image.alone || batch[0]?.alone);
    if (batch.length && !fits) break;
    batch.push(image);
  }
  return batch;
}

async function readBatch(batch) {
  showProgress();
  try {
    const { answers } = await ask("/v1/predict", { form: form(batch, { pictures: "true" }), signal: stop.signal, busy });
    batch.forEach((image, place) => settle(image, answered(answers[place])));
    announce(batch.length === 1 ? `${title(batch[0])}: ${brief(batch[0])}` : `${batch.length} more photographs are read`);
  } catch (error) {
    if (!(error instanceof Trouble)) return; // given up
    if (batch.length > 1) for (const image of batch) image.alone = true; // so that one cannot spoil the others
    else settle(batch[0], { state: "failed", reason: error.message, remedy: error.remedy });
  }
}

/** Return a request of images. Files travel without their names, which may be a person's. */
export function form(images, fields = {}) {
  const sent = new FormData();
  for (const image of images) sent.append("files", image.file, "image");
  for (const [name, value] of Object.entries(fields)) sent.append(name, value);
  return sent;
}

function answered({ refused, verdict, picture }) {
  if (refused) return { state: "refused", reason: refused.replace(/^file \d+: /, "") }; // its place in the request
  return { state: "read", verdict, picture: picture ?? "" };
}

function settle(image, found) {
  Object.assign(image, { reason: "", remedy: "" }, found);
  changed("entry", image);
}

function busy(seconds) {
  part("progress-text").textContent = `The server is busy; asking again in ${seconds} s`;
}

/** Show how many images are done. */
export function showProgress() {
  const { images } = sitting;
  const done = images.filter((image) => image.state !== "waiting").length;
  part("progress").hidden = done === images.length;
  part("progress-text").textContent = `Reading: ${done} of ${images.length} done`;
  Object.assign(part("progress-bar"), { max: images.length || 1, value: done });
}
