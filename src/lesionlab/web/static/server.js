/** Asks the server that gave this page, and no other. */

const PATIENCE = 120_000; // milliseconds for one answer
const TRIES = 30; // how often a busy server is asked
const LONGEST_PAUSE = 30; // seconds

let token = "";

/** Take the token out of the address, so that it stays in memory alone; return whether there was one. */
export function takeToken() {
  const found = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!found) return false;
  token = found;
  history.replaceState(null, "", location.pathname);
  return true;
}

/** Why there is no answer, and what to do about it. */
export class Trouble extends Error {
  constructor(message, remedy = "", status = 0) {
    super(message);
    this.remedy = remedy;
    this.status = status;
  }
}

/**
 * Return what the server answers to a form, or to a plain GET where there is none.
 *
 * While it is busy it is asked again when it says so, and `busy(seconds)` is called. Throws `Trouble`, and the
 * signal's own error once that is aborted.
 */
export async function ask(path, { form = null, signal = null, busy = () => {} } = {}) {
  for (let attempt = 1; ; attempt += 1) {
    const response = await send(path, form, signal);
    if (response.status !== 503 || attempt === TRIES) return content(response);
    const seconds = Math.min(Math.max(Number(response.headers.get("Retry-After")) || 2, 1), LONGEST_PAUSE);
    busy(seconds);
    await new Promise((done) => {
      setTimeout(done, seconds * 1000);
      signal?.addEventListener("abort", done, { once: true });
    });
  }
}

async function send(path, form, signal) {
  const late = AbortSignal.timeout(PATIENCE);
  try {
    return await fetch(path, {
      method: form ? "POST" : "GET",
      body: form,
      headers: token ? { Authorization: `Bearer ${token}` } : {},
      signal: signal ? AbortSignal.any([signal, late]) : late,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    if (late.aborted) throw new Trouble("The server took too long.", "Try again, with fewer photographs at a time.");
    throw new Trouble(
      "No answer from the server.",
      "Is lesionlab serve still running? A file that changed after it was chosen has to be chosen again.",
    );
  }
}

async function content(response) {
  const body = await response.json().catch(() => null);
  if (response.ok && body) return body;
  const told = body?.error;
  throw new Trouble(told?.message ?? `The server answered ${response.status}.`, told?.remedy, response.status);
}
