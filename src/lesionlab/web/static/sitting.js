/** What this sitting holds: in the memory of the page alone, and gone with it. */

/**
 * model : what /v1/model says. points : its operating points for malignant, by threshold. point : the place of the
 * chosen one. images, lesions : entries in the order of their numbers. shown : the entry that is being read.
 *
 * An entry has kind ("image" or "lesion"), number, state ("waiting", "read", "refused", "failed"), verdict, reason,
 * remedy and person {age, sex, site}; an image also file, picture, ticked and map; a lesion its members.
 */
export const sitting = { model: null, points: [], point: 0, images: [], lesions: [], shown: null };

const numbers = { image: 0, lesion: 0 };
const changes = new EventTarget();

/** Call `listener(entry)` on a change: "list" of entries, "entry", "shown", "point" or "model". */
export function on(change, listener) {
  changes.addEventListener(change, (event) => listener(event.detail));
}

export function changed(change, entry = null) {
  changes.dispatchEvent(new CustomEvent(change, { detail: entry }));
}

/** Take what /v1/model says. */
export function setModel(model) {
  sitting.model = model;
  sitting.points = model.operating
    .filter((point) => point.target === "malignant")
    .sort((one, other) => one.threshold - other.threshold);
  sitting.point = Math.max(sitting.points.findIndex((point) => point.default), 0);
  changed("model");
}

/** Add entries of a kind, each with more of its own, and return them. */
export function add(kind, ...owns) {
  const added = owns.map((own) => {
    numbers[kind] += 1;
    const person = { age: "", sex: "", site: "" };
    return { kind, number: numbers[kind], state: "waiting", reason: "", remedy: "", verdict: null, person, ...own };
  });
  sitting[`${kind}s`].push(...added);
  changed("list");
  if (added.length && (!sitting.shown || kind === "lesion")) show(added[0]);
  return added;
}

/** Return all entries in the order of the page: lesions first. */
export const entries = () => [...sitting.lesions, ...sitting.images];

export function show(entry) {
  sitting.shown = entry;
  changed("shown", entry);
}

/** Remove an entry, and with an image the lesions that it is part of; show its neighbour. */
export function remove(entry) {
  const before = entries();
  const place = before.indexOf(entry);
  const gone = (other) => other === entry || (other.kind === "lesion" && other.members.includes(entry));
  sitting.images = sitting.images.filter((image) => !gone(image));
  sitting.lesions = sitting.lesions.filter((lesion) => !gone(lesion));
  changed("list");
  const left = before.filter((other) => !gone(other));
  show(before.slice(place).find((other) => !gone(other)) ?? left.at(-1) ?? null);
}

/** Forget everything. */
export function clear() {
  Object.assign(sitting, { images: [], lesions: [] });
  Object.assign(numbers, { image: 0, lesion: 0 });
  changed("list");
  show(null);
}

/** Return the operating point that decides, or null where the model has none. */
export const point = () => sitting.points[sitting.point] ?? null;

/** Return whether a verdict is called malignant at the chosen operating point; null where the model has none. */
export const malignant = (verdict) => (point() ? verdict.malignant_probability >= point().threshold : null);
