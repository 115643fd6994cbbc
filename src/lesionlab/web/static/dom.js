/** Elements of the page. Text goes in as text, never as markup: file names and answers are not trusted. */

/** Return the element of the page with an id. */
export const part = (id) => document.getElementById(id);

/** Return a new element: "span.fine" is a span of the class fine; children are elements or text. */
export function make(kind, attributes = {}, ...children) {
  const [tag, ...classes] = kind.split(".");
  const element = document.createElement(tag);
  element.classList.add(...classes);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Return a button that calls `action`. */
export function button(text, action, kind = "button") {
  const element = make(kind, { type: "button" }, text);
  element.addEventListener("click", action);
  return element;
}

/** Let a screen reader say something. */
export function announce(text) {
  part("status").textContent = text;
}

/** Show a warning in a box of the page: what happened, what to do about it, and buttons; hide the box where no `what`. */
export function warn(box, what = "", remedy = "", ...buttons) {
  box.hidden = !what;
  box.replaceChildren();
  if (what) box.append(make("p", {}, make("strong", {}, what)));
  if (remedy) box.append(make("p", {}, remedy));
  box.append(...buttons);
}
